//! What is around the spans.
//!
//! Rule: one object for many spans at the public intake, an envelope for each through an Agent.

use serde_json::Value;

use super::shape::{has_only, is_application, is_some_text, is_text_if_any, is_texts_if_any, items};
use super::{Format, Rule};

pub(crate) const BODY: &[Rule<Value>] = &[
    Rule::public("the data is of type span", |body| body["data"]["type"] == "span"),
    Rule::public("data has a type and attributes", |body| has_only(&body["data"], &["type", "attributes"])),
    Rule::public("attributes are those that are documented", |body| {
        has_only(attributes(body), &["ml_app", "spans", "tags", "session_id"])
    }),
    Rule::public("an application is named", |body| is_some_text(&attributes(body)["ml_app"])),
    Rule::public("the name of an application is one that Datadog takes", |body| {
        attributes(body)["ml_app"].as_str().is_none_or(is_application)
    }),
    Rule::public("the tags of a request are texts", |body| is_texts_if_any(&attributes(body)["tags"])),
    Rule::public("the session of a request is a text", |body| {
        is_text_if_any(&attributes(body)["session_id"])
    }),
    Rule::public("there is a list of spans", |body| attributes(body)["spans"].is_array()),
    Rule::public("the list of spans is not empty", |body| items(&attributes(body)["spans"]).count() > 0),
    Rule::agent("the body is a list", Value::is_array),
    Rule::agent("the list of envelopes is not empty", |body| items(body).count() > 0),
    Rule::agent("an envelope is raw", |body| items(body).all(|envelope| envelope["_dd.stage"] == "raw")),
    Rule::agent("an envelope holds what is called a span", |body| {
        items(body).all(|envelope| envelope["event_type"] == "span")
    }),
    Rule::agent("an envelope names a version", |body| {
        items(body).all(|envelope| is_some_text(&envelope["_dd.tracer_version"]))
    }),
    Rule::agent("an envelope holds one span", |body| {
        items(body).all(|envelope| envelope["spans"].as_array().is_some_and(|spans| spans.len() == 1))
    }),
];

fn attributes(body: &Value) -> &Value {
    &body["data"]["attributes"]
}

/// The spans of a body that breaks no rule.
pub(crate) fn spans(body: &Value, format: Format) -> Vec<Value> {
    match format {
        Format::Public => items(&attributes(body)["spans"]).cloned().collect(),
        Format::Agent => items(body).flat_map(|envelope| items(&envelope["spans"])).cloned().collect(),
    }
}
