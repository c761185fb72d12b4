//! What was odd about the events of an assembler.
//!
//! Rule: an event that cannot be placed is counted here and does no other harm.

/// Counts since the assembler was made.
///
/// ```
/// # use charm_telemetry_core::{EventTime, RawValue, RunId, trace::*};
/// # use std::time::{Duration, SystemTime};
/// # let (run, wall) = (RunId::new(), SystemTime::now());
/// # let at = |s| Moment { run, call: None, parent: None, time: EventTime { wall, monotonic: Duration::from_secs(s) } };
/// # let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
/// // `trace` is a `TraceAssembler`, `at` makes the `Moment` of a second.
/// trace.run_end(at(1), RawValue::NULL);
/// trace.tool_start(at(2), "search", "Oslo"); // too late
/// assert_eq!(trace.counters().after_run, 1);
/// assert_eq!(trace.counters().spans, 1, "and no span came of it");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceCounters {
    /// Spans that ended, in whichever way.
    pub spans: u64,
    /// Of them, those that nobody ended.
    pub aborted: u64,
    /// Starts of runs and calls that had started before.
    pub repeated_starts: u64,
    /// Ends of calls that had ended before, or that another kind of call should have had.
    pub odd_ends: u64,
    /// Ends and tokens of calls whose start was not seen. They begin a span.
    pub missing_starts: u64,
    /// Tokens of calls that had ended.
    pub late: u64,
    /// Events of runs that had ended.
    pub after_run: u64,
    /// Calls whose parent is not known. They hang under the run.
    pub unknown_parents: u64,
    /// Contents that were cut or left out to stay within a bound.
    pub truncated: u64,
}
