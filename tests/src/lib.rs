//! Helpers of the tests that cross crates.
//!
//! Rule: what a test needs from the machine it asks for in [`requires`], and never assumes.

pub mod requires;
