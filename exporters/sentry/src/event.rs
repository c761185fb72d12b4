//! A failure as an event: what Sentry makes an issue of.
//!
//! Rule: one failure, one event, on the span that failed. A run that only fails because one of its calls did says so by
//! the status of its span.

use std::collections::HashMap;

use charm_telemetry_core::trace::{FinishedSpan, SpanError, SpanHead, SpanKind};
use serde::Serialize;

use crate::encode::{ItemLine, item, op, seconds, span_name};
use crate::messages::cut;
use crate::profile::{ORIGIN, PLATFORM, Profile, Sdk, tag_value};
use crate::transaction::status;

/// Longest text of an exception, and longest text of anything else. Sentry would cut them with a remark.
const MAX_VALUE_BYTES: usize = 8192;
const MAX_EXTRA_BYTES: usize = 16_384;

/// Sets the ids of events apart from those of transactions, which are those of their runs.
const EVENT: u128 = 0x0e << 112;

#[derive(Serialize)]
struct Failure<'a> {
    event_id: &'a str,
    timestamp: f64,
    level: &'static str,
    platform: &'static str,
    transaction: String,
    transaction_info: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<&'a str>,
    environment: &'a str,
    tags: HashMap<&'a str, String>,
    sdk: Sdk,
    contexts: Contexts,
    exception: Exceptions<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<Extra<'a>>,
}

#[derive(Serialize)]
struct Source {
    source: &'static str,
}

#[derive(Serialize)]
struct Contexts {
    trace: TraceContext,
}

#[derive(Serialize)]
struct TraceContext {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    op: &'static str,
    description: String,
    status: &'static str,
    origin: &'static str,
}

#[derive(Serialize)]
struct Exceptions<'a> {
    values: [Exception<'a>; 1],
}

#[derive(Serialize)]
struct Exception<'a> {
    r#type: &'a str,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<&'a str>,
    mechanism: Mechanism,
}

#[derive(Serialize)]
struct Mechanism {
    r#type: &'static str,
    handled: bool,
}

#[derive(Serialize)]
struct Extra<'a> {
    traceback: std::borrow::Cow<'a, str>,
}

/// The item of a failure, `None` if another event tells it.
pub(crate) fn event_item(span: &FinishedSpan, error: &SpanError, profile: &Profile) -> Option<Vec<u8>> {
    if error.origin.is_some() {
        return None;
    }
    let head = &span.head;
    let event_id = format!("{:032x}", head.uuid().as_u128() ^ EVENT);
    let line = ItemLine { event_id: Some(event_id.clone()), trace: profile.trace_header(head), spans: None };
    let event = Failure {
        event_id: &event_id,
        timestamp: seconds(span.end),
        level: "error",
        platform: PLATFORM,
        transaction: span_name(head.root()).chars().take(200).collect(),
        transaction_info: Source { source: "custom" },
        release: profile.release.as_deref(),
        environment: &profile.environment,
        tags: tags(profile, head),
        sdk: Sdk::OURS,
        contexts: Contexts { trace: trace(span) },
        exception: Exceptions { values: [exception(head, error)] },
        extra: traceback(error),
    };
    Some(item(&line, &event))
}

/// The tags of the operator, and those by which one finds a run.
pub(crate) fn tags<'a>(profile: &'a Profile, head: &SpanHead) -> HashMap<&'a str, String> {
    let mut tags: HashMap<&str, String> =
        profile.tags.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    tags.insert("run_id", head.run.to_string());
    tags.insert("agent", tag_value(&head.root().name));
    if head.kind == SpanKind::Tool {
        tags.insert("tool", tag_value(&head.name));
    }
    tags
}

fn trace(span: &FinishedSpan) -> TraceContext {
    TraceContext {
        trace_id: span.head.trace_id.to_string(),
        span_id: span.head.span_id.to_string(),
        parent_span_id: span.head.parent_span_id().map(|id| id.to_string()),
        op: op(span.head.kind),
        description: span_name(&span.head),
        status: status(&span.status),
        origin: ORIGIN,
    }
}

/// A failed call was told to the agent, which may go on: `handled`. A run that failed was not.
fn exception<'a>(head: &SpanHead, error: &'a SpanError) -> Exception<'a> {
    let (module, class) = match error.error_type.as_deref() {
        Some(name) => name.rsplit_once('.').map_or((None, name), |(module, class)| (Some(module), class)),
        None => (None, unnamed(head.kind)),
    };
    let value = value(error, class);
    let mechanism = Mechanism { r#type: "charm", handled: !head.is_root() };
    Exception { r#type: class, value: cut(value.into(), MAX_VALUE_BYTES).into_owned(), module, mechanism }
}

/// The type of an error that does not tell its class.
fn unnamed(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Agent => "AgentError",
        SpanKind::Llm => "ModelError",
        SpanKind::Tool => "ToolError",
        SpanKind::Retrieval => "RetrievalError",
    }
}

/// The text without the class that stands before it; of a traceback, its last line.
fn value(error: &SpanError, class: &str) -> String {
    let message = error.message.as_str();
    let told = if is_traceback(message) {
        message.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(message)
    } else {
        message
    };
    let named = [error.error_type.as_deref().unwrap_or(class), class];
    let rest = named.iter().find_map(|name| told.strip_prefix(name)?.strip_prefix(": "));
    rest.unwrap_or(told).to_owned()
}

fn traceback(error: &SpanError) -> Option<Extra<'_>> {
    let text = error.traceback.as_deref().or_else(|| Some(&*error.message).filter(|text| is_traceback(text)));
    text.map(|text| Extra { traceback: cut(text.into(), MAX_EXTRA_BYTES) })
}

fn is_traceback(text: &str) -> bool {
    text.starts_with("Traceback ")
}
