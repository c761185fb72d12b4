//! A run as one transaction: the older form, for servers that do not know spans of the second version.
//!
//! Rule: whole or not at all: Sentry throws a transaction away for one bad id or time, and takes at most 1000 spans and
//! 1 MiB. What goes beyond is counted, and content goes before spans do.

use std::collections::HashMap;

use charm_telemetry_core::RunId;
use charm_telemetry_core::trace::{FinishedSpan, SpanHead};
use serde::Serialize;

use crate::attributes::Plain;
use crate::encode::{ItemLine, fit, item, own_attributes, seconds, span_name};
use crate::payload_head::{Contexts, PayloadHead, SpanPlace};
use crate::profile::{PLATFORM, Profile};

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
    #[serde(flatten)]
    head: PayloadHead<'a>,
    start_timestamp: f64,
    timestamp: f64,
    contexts: Contexts<Attributes<'a>>,
    spans: Vec<Child<'a>>,
}

#[derive(Serialize)]
struct Child<'a> {
    #[serde(flatten)]
    place: SpanPlace,
    description: String,
    start_timestamp: f64,
    timestamp: f64,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Attributes<'a> {
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
        trace: profile.trace_header(&agent.head, true),
        spans: Some(calls.len() + 1),
    };
    let encode = |cap| {
        item(
            &line,
            &Payload {
                r#type: "transaction",
                head: PayloadHead::new(&event_id, "info", PLATFORM, &agent.head, profile),
                start_timestamp: seconds(agent.head.start),
                timestamp: seconds(agent.end),
                contexts: Contexts::of(agent, Attributes { data: Data(agent, cap) }),
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

fn child(span: &FinishedSpan, cap: usize) -> Child<'_> {
    Child {
        place: SpanPlace::of(span),
        description: span_name(&span.head),
        start_timestamp: seconds(span.head.start),
        timestamp: seconds(span.end),
        data: Data(span, cap),
    }
}
