//! One story, told by each vendor's own SDK and by our runner, and what arrives compared field by field.
//!
//! Rule: every difference is a row in the vendor's guide (`docs/exporters`), with what both send and why; a row that no
//! longer shows is an error too. Ids, times and versions are masked, by name and nowhere else.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod actors;
mod datadog;
mod fields;
mod langsmith;
mod sentry;
mod table;

/// What the spans of the story are called in the tables, in the order in which they begin.
const GOOD_RUN: [&str; 6] = ["agent", "search", "call", "tool", "failed tool", "answer"];
const BAD_RUN: [&str; 2] = ["failed agent", "failed call"];

/// The labels of all spans, in the order in which they begin.
fn labels() -> impl Iterator<Item = &'static str> {
    GOOD_RUN.into_iter().chain(BAD_RUN)
}
