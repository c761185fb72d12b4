//! Whose an event is and when it was: what an assembler needs of a hook's context.
//!
//! Rule: plain data, so that a test or a replay can write one down.

use crate::event::{Event, EventTime};
use crate::exporter::HookContext;
use crate::id::{CallId, RunId};

/// Whose an event is and when it was.
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
