//! Whose an event is and when it was: what an assembler needs of a hook's context.
//!
//! Rule: plain data, so that a test or a replay can write one down.

use crate::event::{Event, EventTime};
use crate::exporter::HookContext;
use crate::id::{CallId, RunId};

/// Whose an event is and when it was.
///
/// ```
/// # use charm_telemetry_core::{EventTime, RawValue, RunId};
/// # use charm_telemetry_core::trace::{Moment, TelemetrySettings, TraceAssembler, TraceLimits};
/// # use std::time::{Duration, SystemTime};
/// # let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
/// let time = EventTime { wall: SystemTime::now(), monotonic: Duration::ZERO };
/// let moment = Moment { run: RunId::new(), call: None, parent: None, time };
/// trace.run_start(moment, RawValue::NULL);
/// assert_eq!(trace.open_runs(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The run.
    pub run: RunId,
    /// The call, if there is one.
    pub call: Option<CallId>,
    /// The call in which that call was made, if it was made in one.
    pub parent: Option<CallId>,
    /// When.
    pub time: EventTime,
}

impl From<&HookContext<'_>> for Moment {
    fn from(cx: &HookContext<'_>) -> Self {
        Self { run: cx.run_id(), call: cx.call_id(), parent: cx.parent_call_id(), time: cx.time() }
    }
}

impl From<&Event> for Moment {
    fn from(event: &Event) -> Self {
        Self { run: event.run, call: event.call, parent: event.parent, time: event.time }
    }
}
