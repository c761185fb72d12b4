//! The rules before what others send: Datadog's own library, its documentation.
//!
//! Rule: what is documented holds for all of it; a rule that refuses one of these is wrong.

use serde_json::{Value, json};

use super::rules::{BODY, DOCUMENTED, Span, check, spans};
use super::sdk::CAPTURE;
use crate::settings::Format;

/// The same run, sent without an Agent.
const AGENTLESS: &str = include_str!("data/ddtrace-4.16.0-agentless.json");

/// The spans of a body that breaks no documented rule at the moment when its first span began.
#[track_caller]
fn allowed(body: &Value, format: Format) -> Vec<Value> {
    assert_eq!(check(BODY, format, body), Ok(()));
    let spans = spans(body, format);
    for json in &spans {
        let span = span(json, format);
        assert_eq!(check(DOCUMENTED, format, &span), Ok(()), "{json:#}");
    }
    spans
}

fn span(json: &Value, format: Format) -> Span {
    Span { json: json.clone(), format, now: json["start_ns"].as_u64().unwrap(), application: None }
}

#[test]
fn what_datadogs_own_library_sent_through_an_agent_and_without_one_is_right() {
    for capture in [CAPTURE, AGENTLESS] {
        let spans = allowed(&serde_json::from_str(capture).unwrap(), Format::Agent);
        let kinds: Vec<_> = spans.iter().map(|span| span["meta"]["span"]["kind"].clone()).collect();
        assert_eq!(kinds, ["agent", "llm", "tool", "tool"]);
    }
}

#[test]
fn the_least_that_is_documented_is_right() {
    let (start, io) = (1_795_366_135_198_576_784_u64, json!({ "value": "hi" }));
    let public = json!({ "trace_id": "t1", "span_id": "1111", "parent_id": "undefined", "name": "run",
        "start_ns": start, "duration": 12_000_000.5, "meta": { "kind": "agent", "input": io, "output": io } });
    let attributes =
        json!({ "ml_app": "demo", "session_id": "s1", "tags": ["service:demo"], "spans": [public] });
    allowed(&json!({ "data": { "type": "span", "attributes": attributes } }), Format::Public);

    let trace = "6b031cf700000000526368e39f3b5f3d";
    let agent = json!({ "trace_id": trace, "span_id": "1111", "parent_id": "undefined", "name": "run",
        "start_ns": start, "duration": 12_000_000, "status": "ok", "metrics": {},
        "meta": { "span": { "kind": "agent" }, "input": io, "output": io },
        "tags": ["ml_app:demo", "service:demo", "env:dev"] });
    let envelope =
        json!({ "_dd.stage": "raw", "_dd.tracer_version": "0.1.0", "event_type": "span", "spans": [agent] });
    allowed(&json!([envelope]), Format::Agent);
}

#[test]
fn the_other_kinds_that_the_library_sends_are_right() {
    let capture: Value = serde_json::from_str(CAPTURE).unwrap();
    let of = |meta: Value| {
        let mut json = capture[2]["spans"][0].clone();
        json["meta"] = meta;
        assert_eq!(check(DOCUMENTED, Format::Agent, &span(&json, Format::Agent)), Ok(()), "{json:#}");
    };
    of(json!({ "metadata": {}, "span": { "kind": "workflow" } }));
    of(
        json!({ "metadata": {}, "span": { "kind": "embedding" }, "model_name": "e", "model_provider": "unknown",
        "input": { "documents": [{ "text": "txt" }] }, "output": { "value": "[0.1]" } }),
    );
    let found = json!({ "id": "1", "name": "n", "score": 0.9, "text": "t" });
    of(json!({ "metadata": {}, "span": { "kind": "retrieval" }, "input": { "value": "q" },
        "output": { "documents": [found] } }));
}

#[test]
fn neither_format_is_taken_for_the_other() {
    let agent: Value = serde_json::from_str(CAPTURE).unwrap();
    assert!(check(BODY, Format::Public, &agent).is_err());
    let public = json!({ "data": { "type": "span", "attributes": { "ml_app": "a", "spans": [{}] } } });
    assert_eq!(check(BODY, Format::Public, &public), Ok(()));
    assert!(check(BODY, Format::Agent, &public).is_err());
}
