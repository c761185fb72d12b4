//! How much an assembler may hold.
//!
//! Rule: every text, list and table that grows with the agent's events has a bound here.

use std::time::Duration;

/// Longest name of an agent, a model, a provider, a tool or a conversation, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 512;

/// Longest text of an error, in bytes.
pub(super) const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Longest traceback; of a longer one the end is kept.
pub(super) const MAX_TRACEBACK_BYTES: usize = 16 * 1024;

/// How much of the text of a failed call is remembered, to find it again in the error of the run.
pub(super) const REMEMBERED_ERROR_BYTES: usize = 1024;

/// Deepest nesting. What is called deeper hangs beside its caller instead of below it.
pub(super) const MAX_DEPTH: u16 = 100;

/// Ended calls whose place in the tree a run remembers, so that late children find them.
pub(super) const REMEMBERED_CALLS: usize = 256;

/// Ranges of numbers of ended calls, with open calls and those of other runs between them.
pub(super) const MAX_ENDED_RANGES: usize = 8192;

/// Ended runs that are remembered, so that late events do not begin them anew.
pub(super) const REMEMBERED_RUNS: usize = 1024;

/// The bounds of one assembler. Over a bound, the oldest open span is closed as aborted, or content is cut; both are
/// counted, and a cut content says so.
///
/// ```
/// # use charm_telemetry_core::{EventTime, RawValue, RunId, trace::*};
/// # use std::time::{Duration, SystemTime};
/// # let (run, wall) = (RunId::new(), SystemTime::now());
/// # let at = |s| Moment { run, call: None, parent: None, time: EventTime { wall, monotonic: Duration::from_secs(s) } };
/// // `trace` is a `TraceAssembler`, `at` makes the `Moment` of a second.
/// let mut limits = TraceLimits::default();
/// limits.content_bytes = 9;
/// let mut trace = TraceAssembler::new(&TelemetrySettings::default(), limits);
/// trace.tool_start(at(0), "search", "Stavanger in winter");
/// trace.tool_end(at(1), "search", "cold");
/// # let Some(TraceOutput::Finished(span)) = trace.next_output() else { panic!("it has ended") };
/// let input = span.input.expect("it was cut, not left out");
/// assert_eq!((&*input.text(), input.is_truncated()), ("Stavanger", true));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceLimits {
    /// Runs that are open at once.
    pub open_runs: usize,
    /// Calls of one run that are open at once.
    pub open_calls: usize,
    /// Bytes of streamed text that are kept of one call.
    pub streamed_text_bytes: usize,
    /// Bytes of one input or output.
    pub content_bytes: usize,
    /// Bytes of content of all open spans together.
    pub held_bytes: usize,
    /// Events of one span.
    pub events: usize,
    /// How long a run may be silent before it is taken for dead.
    pub idle: Duration,
}

impl Default for TraceLimits {
    fn default() -> Self {
        Self {
            open_runs: 1024,
            open_calls: 4096,
            streamed_text_bytes: 256 * 1024,
            content_bytes: 1024 * 1024,
            held_bytes: 64 * 1024 * 1024,
            events: 128,
            idle: Duration::from_hours(24),
        }
    }
}

/// The bytes of content that are held, and may be.
#[derive(Debug)]
pub(super) struct Budget {
    held: usize,
    limit: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self { held: 0, limit }
    }

    /// As many of the wanted bytes as there is room for.
    pub(super) fn take(&mut self, wanted: usize) -> usize {
        let granted = wanted.min(self.limit - self.held);
        self.held += granted;
        granted
    }

    pub(super) fn give_back(&mut self, bytes: usize) {
        self.held -= bytes;
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }
}
