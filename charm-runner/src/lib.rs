//! Runs agents.

pub mod child;
