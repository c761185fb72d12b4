//! An agent process, captured and supervised, with real and badly behaved children (`tests/children/`).
//! The one rule: every process that a test starts is gone when the test is over, and every wait has a bound.
//!
//! The groups are numbered as the faults they show: C1 endless and odd lines, C2 bad UTF-8, C3 torn and forged markers,
//! C4 last words, C5 floods and stalled consumers, C6 processes left behind, C7 orphans by the thousand, C8 agents
//! that will not end and runners that are killed, C9 hostile JSON.

#![expect(clippy::unwrap_used, reason = "in a test a failure is to be loud")]

mod ending;
mod leftovers;
mod listening;
mod probe;
mod recorder;
mod starting;
