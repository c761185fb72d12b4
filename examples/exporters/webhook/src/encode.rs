//! What is posted: one JSON object for each thing that happens to a tool call.
//!
//! Rule: encoding is pure; the same event gives the same bytes, so a receiver can recognise one that came twice by
//! `run_id` and `sequence`.

use std::time::UNIX_EPOCH;

use charm_telemetry_core::{CallId, HookContext, RunId};
use serde::Serialize;

/// One thing that happened to a tool call.
#[derive(Debug, Serialize)]
pub(crate) struct ToolEvent<'a> {
    run_id: RunId,
    sequence: u64,
    call_id: Option<CallId>,
    parent_call_id: Option<CallId>,
    /// Milliseconds since 1970.
    time_ms: u64,
    tool_name: &'a str,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

/// What happened to it.
#[derive(Debug, Serialize)]
#[serde(tag = "event")]
pub(crate) enum Outcome<'a> {
    /// It was called.
    #[serde(rename = "tool_start")]
    Started { input: &'a str },
    /// It answered.
    #[serde(rename = "tool_end")]
    Ended { output: &'a str },
    /// It failed.
    #[serde(rename = "tool_error")]
    Failed { error: &'a str },
}

impl<'a> ToolEvent<'a> {
    /// The event that a hook was called for.
    pub(crate) fn new(cx: &HookContext<'_>, tool_name: &'a str, outcome: Outcome<'a>) -> Self {
        let since_1970 = cx.time().wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            run_id: cx.run_id(),
            sequence: cx.sequence(),
            call_id: cx.call_id(),
            parent_call_id: cx.parent_call_id(),
            time_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
            tool_name,
            outcome,
        }
    }
}
