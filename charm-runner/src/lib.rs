//! Runs agents.

pub mod bridge;
