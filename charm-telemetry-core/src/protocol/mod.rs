//! The Charm protocol: events as lines of text on stdout.
//! The one rule: an object that came in as an event goes out with the same bytes.

mod marker;
mod parse;
mod surrogate;

pub use marker::{EVENT_MARKER, LAUNCHER_MARKER, MARKERS, strip_marker};
pub use parse::{EventLine, Line, MAX_DEPTH, Malformed, parse_line};
