//! Helpers of the tests that cross crates.
//!
//! Rule: what a test needs from the machine it asks for in [`requires`], and never assumes.

pub mod binaries;
pub mod conformance;
pub mod doc_commands;
pub mod envelope;
pub mod image;
pub mod process;
pub mod python_tool;
pub mod receivers;
pub mod relay;
pub mod requires;
pub mod talkative;
pub mod trees;
pub mod workspace;
