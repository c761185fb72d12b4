//! What we promise of a span, beyond what is documented.
//!
//! Rule: what Datadog leaves open is always there, and never says two things.

use serde_json::Value;

use super::shape::{is_application, is_some_text, tag};
use super::{Rule, Span};

pub(crate) const OURS: &[Rule<Span>] = &[
    Rule::both("a span has at most 1 MB", |span| span.json.to_string().len() <= 1_000_000),
    Rule::both("a status is said", |span| span.json["status"].is_string()),
    Rule::both("`duration` is a whole number", |span| span.json["duration"].is_u64()),
    Rule::both("there are metadata and metrics, if only empty ones", |span| {
        span.json["meta"]["metadata"].is_object() && span.json["metrics"].is_object()
    }),
    Rule::both("an error has its text, and only an error", |span| {
        is_error(&span.json) == is_some_text(&span.json["meta"]["error"]["message"])
            && is_error(&span.json) == span.json["meta"]["error"].is_object()
    }),
    Rule::both("the tag `error` is the status", |span| {
        tag(&span.json, "error") == Some(if is_error(&span.json) { "1" } else { "0" })
    }),
    Rule::both("the tag `error_type` is the type of the error", |span| {
        tag(&span.json, "error_type") == span.json["meta"]["error"]["type"].as_str()
    }),
    Rule::both("the conversation is a field and a tag", |span| {
        tag(&span.json, "session_id") == span.json["session_id"].as_str()
    }),
    Rule::both("the tag `ml_app` is one that Datadog takes", |span| {
        tag(&span.json, "ml_app").is_some_and(is_application)
    }),
    Rule::public("the tag `ml_app` is the application of the request", |span| {
        span.application.is_some() && tag(&span.json, "ml_app") == span.application.as_deref()
    }),
    Rule::public("the trace in APM is told", |span| is_some_text(&span.json["apm_trace_id"])),
    Rule::agent("`_dd` has the ids", |span| {
        ["span_id", "trace_id", "apm_trace_id"].iter().all(|id| is_some_text(&span.json["_dd"][*id]))
    }),
    Rule::agent("`_dd` has the id of the span", |span| span.json["_dd"]["span_id"] == span.json["span_id"]),
];

fn is_error(span: &Value) -> bool {
    span["status"] == "error"
}
