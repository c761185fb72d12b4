//! Field by field against the official helper for Python.
//!
//! Rule: each difference is in the table with its reason; one more, or one that is gone, fails.
//!
//! `tests/data/util_genai.json` is what `opentelemetry-util-genai` 1.3b0 recorded for the run of `script::whole_run`, with
//! content captured: name, kind, status, attributes and events of each span.

use serde_json::{Map, Value, json};

use super::payload::as_json;
use super::script::*;

const REFERENCE: &str = include_str!("../../tests/data/util_genai.json");

/// Span, field, reason.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("execute_tool weather", "gen_ai.conversation.id", "receivers filter by span"),
    ("retrieval cities", "gen_ai.conversation.id", "receivers filter by span"),
    ("invoke_agent weather bot", "gen_ai.agent.version", "known to us"),
    ("invoke_agent weather bot", "charm.run.id", "known to us"),
    ("invoke_agent weather bot", "gen_ai.provider.name", "known to us: that of its first call"),
    ("chat gpt-4o", "gen_ai.response.time_to_first_chunk", "the helper was not given a stream"),
    ("invoke_agent weather bot", "gen_ai.input.messages", "an agent may have more than one input"),
    ("retrieval cities", "gen_ai.retrieval.documents", "the helper was not given the documents"),
    ("execute_tool weather", "status_message", "it is the text that the agent gave"),
    ("invoke_agent weather bot", "status_message", "it is the text that the agent gave"),
    ("chat gpt-4o", "events", "the helper records no first token"),
    ("execute_tool weather", "events", "the helper records no exception"),
    ("invoke_agent weather bot", "events", "the helper records no actions"),
];

#[test]
fn the_same_run_differs_from_the_official_helper_only_as_listed() {
    let reference: Vec<Value> = serde_json::from_str(REFERENCE).unwrap();
    let ours: Value = serde_json::from_slice(&as_json(&whole_run(), &options())).unwrap();
    let ours = ours["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone();
    assert_eq!(ours.len(), reference.len());
    let mut found = Vec::new();
    for span in &ours {
        let name = span["name"].as_str().unwrap();
        let other =
            reference.iter().find(|other| other["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        let (ours, theirs) = (fields_of_ours(span), fields_of_theirs(other));
        let keys = ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key)));
        let differ = keys.filter(|key| ours.get(*key) != theirs.get(*key));
        found.extend(differ.map(|key| (name.to_owned(), key.clone())));
    }
    let mut listed: Vec<_> =
        DIFFERENCES.iter().map(|(span, key, _)| ((*span).to_owned(), (*key).to_owned())).collect();
    found.sort();
    listed.sort();
    assert_eq!(found, listed);
}

fn fields_of_ours(span: &Value) -> Map<String, Value> {
    let attributes = span["attributes"].as_array().unwrap();
    let mut fields: Map<_, _> = attributes
        .iter()
        .map(|attribute| (attribute["key"].as_str().unwrap().to_owned(), plain(&attribute["value"])))
        .collect();
    let kind = if span["kind"] == 3 { "CLIENT" } else { "INTERNAL" };
    fields.insert("kind".to_owned(), kind.into());
    let failed = span["status"]["code"] == 2;
    fields.insert("status".to_owned(), if failed { "ERROR" } else { "UNSET" }.into());
    fields.insert("status_message".to_owned(), span["status"]["message"].clone());
    fields.insert("events".to_owned(), span["events"].as_array().unwrap().len().into());
    parsed(fields)
}

fn fields_of_theirs(span: &Value) -> Map<String, Value> {
    let mut fields = span["attributes"].as_object().unwrap().clone();
    for key in ["kind", "status", "status_message"] {
        fields.insert(key.to_owned(), span[key].clone());
    }
    fields.insert("events".to_owned(), span["events"].as_array().unwrap().len().into());
    parsed(fields)
}

fn plain(value: &Value) -> Value {
    let (kind, inner) = value.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "intValue" => inner.as_str().unwrap().parse::<i64>().unwrap().into(),
        "arrayValue" => inner["values"].as_array().unwrap().iter().map(plain).collect(),
        _ => inner.clone(),
    }
}

/// Texts that hold JSON are compared as JSON; a null is as good as nothing.
fn parsed(fields: Map<String, Value>) -> Map<String, Value> {
    let parse = |value: Value| match value {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(json!(text)),
        other => other,
    };
    fields.into_iter().map(|(key, value)| (key, without_nulls(parse(value)))).collect()
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key, without_nulls(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
