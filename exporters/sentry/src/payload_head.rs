//! What an event and a transaction both begin with, and the span that they are about.
//!
//! Rule: a failure is found by the same release, environment and tags as the run that it happened in.

use std::collections::HashMap;

use charm_telemetry_core::trace::{AbortReason, FinishedSpan, SpanHead, SpanKind, SpanStatus};
use serde::Serialize;

use crate::encode::{op, span_name};
use crate::profile::{ORIGIN, Profile, Sdk, tag_value};

/// The longest name of a transaction, in characters.
const MAX_NAME_CHARS: usize = 200;

/// What both begin with.
#[derive(Serialize)]
pub(crate) struct PayloadHead<'a> {
    event_id: &'a str,
    level: &'static str,
    platform: &'static str,
    transaction: String,
    transaction_info: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<&'a str>,
    environment: &'a str,
    tags: HashMap<&'a str, String>,
    sdk: Sdk,
}

#[derive(Serialize)]
struct Source {
    source: &'static str,
}

/// Which span it is, where it stands, and how it ended.
#[derive(Serialize)]
pub(crate) struct SpanPlace {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    op: &'static str,
    status: &'static str,
    origin: &'static str,
}

/// The context of that name, with what only some have besides.
#[derive(Serialize)]
pub(crate) struct TraceContext<T> {
    #[serde(flatten)]
    pub(crate) place: SpanPlace,
    #[serde(flatten)]
    pub(crate) besides: T,
}

#[derive(Serialize)]
pub(crate) struct Contexts<T> {
    pub(crate) trace: TraceContext<T>,
}

impl<'a> PayloadHead<'a> {
    pub(crate) fn new(
        event_id: &'a str,
        level: &'static str,
        platform: &'static str,
        head: &SpanHead,
        profile: &'a Profile,
    ) -> Self {
        Self {
            event_id,
            level,
            platform,
            transaction: span_name(head.root()).chars().take(MAX_NAME_CHARS).collect(),
            transaction_info: Source { source: "custom" },
            release: profile.release.as_deref(),
            environment: &profile.environment,
            tags: tags(profile, head),
            sdk: Sdk::OURS,
        }
    }
}

impl SpanPlace {
    pub(crate) fn of(span: &FinishedSpan) -> Self {
        Self {
            trace_id: span.head.trace_id.to_string(),
            span_id: span.head.span_id.to_string(),
            parent_span_id: span.head.parent_span_id().map(|id| id.to_string()),
            op: op(span.head.kind),
            status: status(&span.status),
            origin: ORIGIN,
        }
    }
}

impl<T> Contexts<T> {
    pub(crate) fn of(span: &FinishedSpan, besides: T) -> Self {
        Self { trace: TraceContext { place: SpanPlace::of(span), besides } }
    }
}

/// The tags of the operator, and those by which one finds a run.
fn tags<'a>(profile: &'a Profile, head: &SpanHead) -> HashMap<&'a str, String> {
    let mut tags: HashMap<&str, String> =
        profile.tags.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    tags.insert("run_id", head.run.to_string());
    tags.insert("agent", tag_value(&head.root().name));
    if head.kind == SpanKind::Tool {
        tags.insert("tool", tag_value(&head.name));
    }
    // An empty one is an error there.
    tags.retain(|_, value| !value.is_empty());
    tags
}

/// `error` is right in a span of the second version and not valid here.
fn status(status: &SpanStatus) -> &'static str {
    match status {
        SpanStatus::Ok => "ok",
        SpanStatus::Error(_) => "internal_error",
        SpanStatus::Aborted(AbortReason::RunEnded | AbortReason::Shutdown) => "cancelled",
        SpanStatus::Aborted(_) => "aborted",
    }
}
