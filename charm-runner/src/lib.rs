//! Runs agents.

pub mod child;
pub mod bridge;
