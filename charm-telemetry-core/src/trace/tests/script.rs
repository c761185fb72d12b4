//! Writes events down and shows spans as lines.
//!
//! Rule: one run unless a test says otherwise; times are milliseconds since it started.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::event::{Event, EventKind, EventTime, LlmEnd, LlmStart};
use crate::id::{CallId, RunId};
use crate::protocol::EventLine;
use crate::stream_event::StreamEvent;
use crate::trace::{FinishedSpan, SpanStatus, TelemetrySettings, TraceAssembler, TraceLimits, TraceOutput};

/// The start of every run by the calendar.
pub(super) const START: Duration = Duration::from_hours(482_136);

pub(super) fn run_id(number: u128) -> RunId {
    RunId::from(Uuid::from_u128(0x0194_2000_0000_7000_8000_0000_0000_0000 + number))
}

pub(super) fn call_id(number: u32) -> Option<CallId> {
    CallId::from_number(number)
}

pub(super) fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

pub(super) fn time(millis: u64) -> EventTime {
    let passed = Duration::from_millis(millis);
    EventTime { wall: UNIX_EPOCH + START + passed, monotonic: passed }
}

pub(super) fn millis(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH + START).unwrap().as_millis()
}

/// An event at a time. Call 0 is none.
pub(super) fn event(millis: u64, call: u32, parent: u32, kind: EventKind) -> Event {
    let (call, parent) = (call_id(call), call_id(parent));
    Event { run: run_id(0), sequence: 0, time: time(millis), call, parent, kind }
}

pub(super) fn run_start(inputs: &str) -> EventKind {
    EventKind::RunStart { inputs: json(inputs) }
}

pub(super) fn run_end(outputs: &str) -> EventKind {
    EventKind::RunEnd { outputs: json(outputs) }
}

pub(super) fn run_error(error: &str) -> EventKind {
    EventKind::Error { error: error.into() }
}

pub(super) fn tool(name: &str, input: &str) -> EventKind {
    EventKind::ToolStart { tool_name: name.into(), input: input.into() }
}

pub(super) fn tool_end(name: &str, output: &str) -> EventKind {
    EventKind::ToolEnd { tool_name: name.into(), output: output.to_owned() }
}

pub(super) fn tool_error(name: &str, error: &str) -> EventKind {
    EventKind::ToolError { tool_name: name.into(), error: error.into() }
}

pub(super) fn llm(model: &str) -> EventKind {
    EventKind::LlmStart(Box::new(LlmStart::new(model)))
}

pub(super) fn llm_end() -> EventKind {
    EventKind::LlmEnd(Box::new(LlmEnd::new()))
}

pub(super) fn token(text: &str) -> EventKind {
    EventKind::LlmNewToken { token: text.into() }
}

pub(super) fn action(tool: &str, input: &str) -> EventKind {
    EventKind::AgentAction { tool: tool.to_owned(), tool_input: input.to_owned() }
}

pub(super) fn search(name: &str, query: &str) -> EventKind {
    EventKind::RetrieverStart { name: name.into(), query: query.to_owned() }
}

pub(super) fn found(documents: &str) -> EventKind {
    EventKind::RetrieverEnd { documents: json(documents) }
}

pub(super) fn stream(kind: &str, object: &str) -> EventKind {
    EventKind::Stream(StreamEvent::from(EventLine { kind: kind.into(), json: object }))
}

pub(super) fn assembler() -> TraceAssembler {
    TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default())
}

pub(super) fn assembler_with(change: impl FnOnce(&mut TraceLimits)) -> TraceAssembler {
    let mut limits = TraceLimits::default();
    change(&mut limits);
    TraceAssembler::new(&TelemetrySettings::default(), limits)
}

pub(super) fn feed(trace: &mut TraceAssembler, events: impl IntoIterator<Item = Event>) -> Vec<FinishedSpan> {
    for event in events {
        trace.event(&event);
    }
    finished(trace)
}

pub(super) fn finished(trace: &mut TraceAssembler) -> Vec<FinishedSpan> {
    let mut spans = Vec::new();
    while let Some(output) = trace.next_output() {
        if let TraceOutput::Finished(span) = output {
            spans.push(*span);
        }
    }
    spans
}

/// The spans of these events.
pub(super) fn spans(events: impl IntoIterator<Item = Event>) -> Vec<FinishedSpan> {
    feed(&mut assembler(), events)
}

/// `kind name start..end < parent: status in=.. out=..`
pub(super) fn line(span: &FinishedSpan) -> String {
    let head = &span.head;
    let mut line = format!("{} {} {}..{}", head.kind.name(), head.name, millis(head.start), millis(span.end));
    if let Some(parent) = &head.parent {
        write!(line, " < {}", parent.name).unwrap();
    }
    match &span.status {
        SpanStatus::Ok => line.push_str(": ok"),
        SpanStatus::Error(error) => write!(line, ": error `{}`", error.message).unwrap(),
        SpanStatus::Aborted(reason) => write!(line, ": aborted {reason:?}").unwrap(),
    }
    for (name, content) in [("in", &span.input), ("out", &span.output)] {
        if let Some(content) = content {
            write!(line, " {name}={}", content.json_text()).unwrap();
        }
    }
    if span.start_missing {
        line.push_str(" (start missing)");
    }
    line
}

pub(super) fn lines(spans: &[FinishedSpan]) -> Vec<String> {
    spans.iter().map(line).collect()
}

/// The events become these spans, in this order.
#[track_caller]
pub(super) fn check(events: impl IntoIterator<Item = Event>, expected: &[&str]) {
    assert_eq!(lines(&spans(events)), expected);
}

pub(super) fn named(name: &str) -> TelemetrySettings {
    TelemetrySettings { agent_name: Some(Arc::from(name)), ..TelemetrySettings::default() }
}
