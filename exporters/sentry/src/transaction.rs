//! A run as one transaction: the older form, for servers that do not know spans of the second version.
//!
//! Rule: whole or not at all: Sentry throws a transaction away for one bad id or time, and takes at most 1000 spans and
//! 1 MiB. What goes beyond is counted, and content goes before spans do.

use std::collections::HashMap;

use charm_telemetry_core::RunId;
use charm_telemetry_core::trace::{AbortReason, FinishedSpan, SpanHead, SpanStatus};
use serde::Serialize;

use crate::attributes::Plain;
use crate::encode::{ItemLine, fit, item, op, own_attributes, seconds, span_name};
use crate::event::tags;
use crate::profile::{ORIGIN, PLATFORM, Profile, Sdk};

/// The most spans of one transaction.
pub(crate) const MAX_SPANS: usize = 1000;

/// The most bytes of one content in this form, as in Sentry's own SDKs.
pub(crate) const MAX_CONTENT_BYTES: usize = 20_000;

/// Bytes of one attribute of content, from try to try.
const CONTENT_CAPS: [usize; 4] = [MAX_CONTENT_BYTES, 2_000, 200, 0];

/// The spans of runs that have not ended.
#[derive(Debug, Default)]
pub(crate) struct OpenTransactions(HashMap<RunId, Vec<FinishedSpan>>);

/// What became of a span.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It waits for the end of its run.
    Waits,
    /// It does not fit.
    NoRoom,
    /// It is the end of its run: the others of the run.
    Ends(Vec<FinishedSpan>),
}

impl OpenTransactions {
    /// Takes a span. The last one of a run is given back with the others by [`Taken::Ends`].
    pub(crate) fn take(&mut self, span: &FinishedSpan) -> Taken {
        if span.head.is_root() {
            return Taken::Ends(self.0.remove(&span.head.run).unwrap_or_default());
        }
        let spans = self.0.entry(span.head.run).or_default();
        if spans.len() >= MAX_SPANS {
            return Taken::NoRoom;
        }
        spans.push(span.clone());
        Taken::Waits
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    r#type: &'static str,
    event_id: &'a str,
    transaction: String,
    transaction_info: Source,
    platform: &'static str,
    level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<&'a str>,
    environment: &'a str,
    start_timestamp: f64,
    timestamp: f64,
    tags: HashMap<&'a str, String>,
    sdk: Sdk,
    contexts: Contexts<'a>,
    spans: Vec<Child<'a>>,
}

#[derive(Serialize)]
struct Source {
    source: &'static str,
}

#[derive(Serialize)]
struct Contexts<'a> {
    trace: Root<'a>,
}

#[derive(Serialize)]
struct Root<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    op: &'static str,
    status: &'static str,
    origin: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Child<'a> {
    trace_id: String,
    span_id: String,
    parent_span_id: Option<String>,
    op: &'static str,
    description: String,
    start_timestamp: f64,
    timestamp: f64,
    status: &'static str,
    origin: &'static str,
    data: Data<'a>,
}

/// The attributes of a span, written when they are asked for.
struct Data<'a>(&'a FinishedSpan, usize);

impl Serialize for Data<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Plain(&own_attributes(self.0, self.1)).serialize(serializer)
    }
}

/// The item of a run: its own span and those of its calls.
pub(crate) fn transaction_item(agent: &FinishedSpan, calls: &[FinishedSpan], profile: &Profile) -> Vec<u8> {
    let event_id = event_id(&agent.head);
    let line = ItemLine {
        event_id: Some(event_id.clone()),
        trace: profile.trace_header(&agent.head),
        spans: Some(calls.len() + 1),
    };
    let encode = |cap| {
        item(
            &line,
            &Payload {
                r#type: "transaction",
                event_id: &event_id,
                transaction: span_name(&agent.head).chars().take(200).collect(),
                transaction_info: Source { source: "custom" },
                platform: PLATFORM,
                level: "info",
                release: profile.release.as_deref(),
                environment: &profile.environment,
                start_timestamp: seconds(agent.head.start),
                timestamp: seconds(agent.end),
                tags: tags(profile, &agent.head),
                sdk: Sdk::OURS,
                contexts: Contexts { trace: root(agent, cap) },
                spans: calls.iter().map(|call| child(call, cap)).collect(),
            },
        )
    };
    fit(&CONTENT_CAPS, encode)
}

/// The same for the same run, so that one that is sent twice is recognised.
fn event_id(head: &SpanHead) -> String {
    format!("{:032x}", head.uuid().as_u128())
}

fn root(span: &FinishedSpan, cap: usize) -> Root<'_> {
    Root {
        trace_id: span.head.trace_id.to_string(),
        span_id: span.head.span_id.to_string(),
        parent_span_id: span.head.parent_span_id().map(|id| id.to_string()),
        op: op(span.head.kind),
        status: status(&span.status),
        origin: ORIGIN,
        data: Data(span, cap),
    }
}

fn child(span: &FinishedSpan, cap: usize) -> Child<'_> {
    Child {
        trace_id: span.head.trace_id.to_string(),
        span_id: span.head.span_id.to_string(),
        parent_span_id: span.head.parent_span_id().map(|id| id.to_string()),
        op: op(span.head.kind),
        description: span_name(&span.head),
        start_timestamp: seconds(span.head.start),
        timestamp: seconds(span.end),
        status: status(&span.status),
        origin: ORIGIN,
        data: Data(span, cap),
    }
}

/// `error` is right in a span of the second version and not valid here.
pub(crate) fn status(status: &SpanStatus) -> &'static str {
    match status {
        SpanStatus::Ok => "ok",
        SpanStatus::Error(_) => "internal_error",
        SpanStatus::Aborted(AbortReason::RunEnded | AbortReason::Shutdown) => "cancelled",
        SpanStatus::Aborted(_) => "aborted",
    }
}
