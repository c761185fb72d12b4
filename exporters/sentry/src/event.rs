//! A failure as an event: what Sentry makes an issue of.
//!
//! Rule: one failure, one event, on the span that failed. A run that only fails because one of its calls did says so by
//! the status of its span.

use std::borrow::Cow;

use charm_telemetry_core::trace::{FinishedSpan, SpanError};
use serde::Serialize;

use crate::encode::{ItemLine, fit, item, seconds, span_name};
use crate::exception::{Exceptions, exceptions, traceback};
use crate::messages::cut;
use crate::payload_head::{Contexts, PayloadHead};
use crate::profile::{PLATFORM, Profile};
use crate::traceback::Language;

/// Longest text of anything that is no exception. Sentry would cut it with a remark.
const MAX_EXTRA_BYTES: usize = 16_384;

/// Frames of one exception, from try to try: all that Sentry keeps, then fewer.
const FRAME_CAPS: [usize; 4] = [250, 50, 10, 0];

/// Sets the ids of events apart from those of transactions, which are those of their runs.
const EVENT: u128 = 0x0e << 112;

#[derive(Serialize)]
struct Failure<'a> {
    #[serde(flatten)]
    head: PayloadHead<'a>,
    timestamp: f64,
    contexts: Contexts<Description>,
    exception: Exceptions<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<Extra<'a>>,
}

#[derive(Serialize)]
struct Description {
    description: String,
}

/// What happened where, if nobody can say it better.
#[derive(Serialize)]
struct Extra<'a> {
    traceback: Cow<'a, str>,
}

/// The item of a failure, `None` if another event tells it.
pub(crate) fn event_item(span: &FinishedSpan, error: &SpanError, profile: &Profile) -> Option<Vec<u8>> {
    if error.origin.is_some() {
        return None;
    }
    let head = &span.head;
    let event_id = format!("{:032x}", head.uuid().as_u128() ^ EVENT);
    let trace = profile.trace_header(head, profile.sampling.sends_failed_trace(head.trace_id));
    let line = ItemLine { event_id: Some(event_id.clone()), trace, spans: None };
    let traceback = traceback(error);
    let platform = traceback.as_ref().map_or(PLATFORM, |traceback| platform(traceback.language));
    let encode = |most_frames| {
        let event = Failure {
            head: PayloadHead::new(&event_id, "error", platform, head, profile),
            timestamp: seconds(span.end),
            contexts: Contexts::of(span, Description { description: span_name(head) }),
            exception: exceptions(head, error, traceback.as_ref(), most_frames),
            extra: if traceback.is_some() { None } else { as_text(error) },
        };
        item(&line, &event)
    };
    Some(fit(&FRAME_CAPS, encode))
}

/// Whose frames they are: Sentry reads them by the customs of that language.
fn platform(language: Language) -> &'static str {
    match language {
        Language::Python => "python",
        Language::Node => "node",
    }
}

/// A traceback that is none that can be read.
fn as_text(error: &SpanError) -> Option<Extra<'_>> {
    let is_traceback = |text: &&str| text.starts_with("Traceback ");
    let text = error.traceback.as_deref().or_else(|| Some(&*error.message).filter(is_traceback));
    text.map(|text| Extra { traceback: cut(text.into(), MAX_EXTRA_BYTES) })
}
