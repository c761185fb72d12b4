//! Spans that are too large, and bodies.
//!
//! Rule: lengths are those of the bytes that are sent; every span arrives, and a cut one says so.

use serde_json::{Value, json};

use super::{arrived, intake, named};
use crate::limits::{MAX_BODY_BYTES, MAX_SPAN_BYTES};
use crate::settings::Format;
use crate::shrink::to_fit;

fn span(input: &Value) -> Value {
    json!({ "name": "n", "span_id": "1", "meta": { "kind": "llm", "metadata": {}, "input": input, "output": { "value": "short" } } })
}

/// As an Agent gets it. The public intake gets the same but for the field that its documentation lacks.
fn fitted(input: &Value) -> Value {
    let [agent, mut public] = [Format::Agent, Format::Public].map(|format| {
        let bytes = to_fit(span(input), format);
        assert!(bytes.len() <= MAX_SPAN_BYTES, "{}", bytes.len());
        serde_json::from_slice::<Value>(&bytes).unwrap()
    });
    assert!(public.get("collection_errors").is_none());
    assert_eq!(public["meta"]["metadata"]["truncated"], true, "this tells it there");
    public["collection_errors"] = agent["collection_errors"].clone();
    assert_eq!(public, agent);
    agent
}

/// How many bytes a cut text kept, and how many it says are missing.
fn kept_and_told(text: &Value) -> (usize, usize) {
    let (kept, told) = text.as_str().unwrap().rsplit_once("... [").unwrap();
    (kept.len(), told.strip_suffix(" bytes cut]").unwrap().parse().unwrap())
}

#[test]
fn a_span_that_fits_is_left_alone() {
    let exact = span(&json!({ "value": "" })).to_string().len();
    let whole = span(&json!({ "value": "x".repeat(MAX_SPAN_BYTES - exact) }));
    for format in [Format::Agent, Format::Public] {
        assert_eq!(to_fit(whole.clone(), format), whole.to_string().into_bytes());
    }
    let over = fitted(&json!({ "value": "x".repeat(MAX_SPAN_BYTES - exact + 1) }));
    assert_eq!(over["collection_errors"], json!(["truncated_io"]));
}

#[test]
fn long_texts_are_cut_and_short_ones_are_kept() {
    let cut = fitted(
        &json!({ "messages": [{ "role": "user", "content": "é".repeat(900_000) }, { "role": "user", "content": "why" }] }),
    );
    let messages = &cut["meta"]["input"]["messages"];
    let (kept, told) = kept_and_told(&messages[0]["content"]);
    assert!(kept > 200_000, "as much as possible is kept");
    assert_eq!(kept + told, 1_800_000);
    assert_eq!((&messages[1]["content"], &cut["meta"]["output"]["value"]), (&json!("why"), &json!("short")));
    assert_eq!(cut["meta"]["metadata"]["truncated"], true);
}

#[test]
fn the_length_that_counts_is_that_of_the_escaped_text() {
    let cut = fitted(&json!({ "value": "\u{1}".repeat(200_000) }));
    assert_eq!(cut["collection_errors"], json!(["truncated_io"]), "six bytes for each");
}

#[test]
fn what_had_to_be_cut_more_than_once_says_how_much_of_the_whole_is_missing() {
    let cut = fitted(&json!({ "value": "\u{1}".repeat(500_000) }));
    let (kept, told) = kept_and_told(&cut["meta"]["input"]["value"]);
    assert!(kept < 200_000, "the first limit was not enough: {kept}");
    assert_eq!(kept + told, 500_000);
}

#[test]
fn what_consists_of_too_many_parts_is_left_out_and_the_span_stays() {
    let many: Vec<_> = (0..60_000).map(|n| json!({ "role": "user", "content": n.to_string() })).collect();
    let cut = fitted(&json!({ "messages": many }));
    assert_eq!(cut["collection_errors"], json!(["dropped_io"]));
    assert_eq!(cut["meta"]["input"]["value"], "[left out: the span is larger than 1 MB]");
}

#[test]
fn large_spans_arrive_in_bodies_that_are_taken() {
    for format in [Format::Public, Format::Agent] {
        let receiver = intake::strict(format);
        let mut harness = super::exporter(&super::variables(&receiver, format));
        harness.run_start(&json!({})).unwrap();
        for _ in 0..6 {
            let call = harness.new_call();
            harness.tool_start(call, "t", &"\"".repeat(700_000)).unwrap();
            harness.tool_end(call, "t", "done").unwrap();
        }
        harness.run_end(&json!({})).unwrap();
        harness.shutdown(super::PATIENCE).unwrap();
        let bodies: Vec<_> = receiver.requests().iter().map(|request| request.body.len()).collect();
        assert_eq!(intake::spans(&receiver, format).len(), 7);
        assert!(bodies.iter().all(|&bytes| bytes <= MAX_BODY_BYTES), "{bodies:?}");
    }
}

#[test]
fn an_error_of_any_length_arrives() {
    let spans = arrived(Format::Public, |harness| {
        harness.run_start(&json!({})).unwrap();
        harness.error(&"\u{1}".repeat(500_000)).unwrap();
    });
    assert_eq!(named(&spans, "weather_agent")["status"], "error");
}
