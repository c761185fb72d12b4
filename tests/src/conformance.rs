//! Our runner beside the reference: the same agent, the same input, the same events.
//!
//! Rule: nothing of the reference's output is stored; both run, and are compared, each time.

mod agent;
mod compare;
mod differences;
mod outcome;
mod rewrites;

pub use agent::Agent;
pub use compare::{Checked, check};
pub use differences::{Difference, differences};
