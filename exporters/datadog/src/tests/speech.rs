//! What is said to models and by them, in every shape in which it comes.
//!
//! Rule: a content is a text, arguments are an object, and nothing that was said is lost without a sign.

use std::borrow::Borrow;

use charm_telemetry_core::LlmEnd;
use charm_telemetry_core::trace::Content;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::{arrived, named};
use crate::documents;
use crate::messages::messages;
use crate::settings::Format;

fn content(json: &Value) -> Content {
    Content::from_json(&to_raw_value(json).unwrap())
}

#[track_caller]
fn check(given: impl Borrow<Value>, expected: impl Borrow<Value>) {
    let given = given.borrow();
    assert_eq!(messages(&content(given), "user", Format::Agent), *expected.borrow(), "{given}");
}

fn said(role: &str, content: &str) -> Value {
    json!({ "role": role, "content": content })
}

#[test]
fn a_text_is_one_message() {
    check(json!("hi"), json!([said("user", "hi")]));
    assert_eq!(
        messages(&Content::from_text("{\"not\": json"), "assistant", Format::Agent),
        json!([said("assistant", "{\"not\": json")])
    );
}

#[test]
fn messages_keep_their_order_and_get_the_roles_that_datadog_knows() {
    let given = json!([{ "role": "system", "content": "be brief" }, { "type": "human", "content": "hi" }, { "type": "ai", "content": "yo" }]);
    check(given.clone(), json!([said("system", "be brief"), said("user", "hi"), said("assistant", "yo")]));
    check(json!([given]), json!([said("system", "be brief"), said("user", "hi"), said("assistant", "yo")]));
    check(json!({ "messages": [said("user", "a")], "model": "m" }), json!([said("user", "a")]));
    check(
        json!({ "choices": [{ "index": 0, "message": said("assistant", "b") }] }),
        json!([said("assistant", "b")]),
    );
    check(json!([said("tool", "21 C")]), json!([said("tool", "21 C")]));
    check(json!([]), json!([]));
}

#[test]
fn contents_of_many_parts_become_one_text() {
    let parts = json!([
        { "type": "text", "text": "look" }, "here",
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
        { "type": "tool_result", "tool_use_id": "1", "content": [{ "type": "text", "text": "21 C" }] },
        { "odd": 1 },
    ]);
    check(
        json!([{ "role": "user", "content": parts }]),
        json!([said("user", "look\nhere\n[image_url]\n21 C\n{\"odd\":1}")]),
    );
    check(json!([{ "role": "assistant", "content": null }]), json!([said("assistant", "")]));
    check(json!([{ "role": "user", "content": 5 }]), json!([said("user", "5")]));
}

#[test]
fn arguments_are_an_object_in_whichever_shape_they_came() {
    let check = |call: Value, expected: Value| {
        let given = json!({ "role": "assistant", "content": "", "tool_calls": [call] });
        assert_eq!(messages(&content(&given), "user", Format::Agent)[0]["tool_calls"][0], expected);
    };
    let expected = json!({ "name": "f", "arguments": { "a": 1 }, "tool_id": "c1", "type": "function" });
    check(
        json!({ "id": "c1", "type": "function", "function": { "name": "f", "arguments": "{\"a\": 1}" } }),
        expected.clone(),
    );
    check(json!({ "id": "c1", "name": "f", "args": { "a": 1 } }), expected.clone());
    check(json!({ "tool_id": "c1", "name": "f", "arguments": { "a": 1 } }), expected);
    for (given, expected) in [
        (json!("[1]"), json!({ "input": "[1]" })),
        (json!("not json"), json!({ "input": "not json" })),
        (json!([1]), json!({ "input": [1] })),
        (json!(""), json!({})),
        (json!(null), json!({})),
    ] {
        check(
            json!({ "name": "f", "args": given }),
            json!({ "name": "f", "arguments": expected, "type": "function" }),
        );
    }
}

#[test]
fn calls_among_the_parts_of_a_content_are_calls() {
    let parts = json!([{ "type": "text", "text": "I look" }, { "type": "tool_use", "id": "c1", "name": "f", "input": { "a": 1 } }]);
    let call = json!({ "name": "f", "arguments": { "a": 1 }, "tool_id": "c1", "type": "function" });
    check(
        json!({ "role": "assistant", "content": parts }),
        json!([{ "role": "assistant", "content": "I look", "tool_calls": [call] }]),
    );
}

#[test]
fn what_is_no_message_is_kept_as_json() {
    check(json!({ "prompt": "hi" }), json!([said("user", "{\"prompt\":\"hi\"}")]));
    check(json!([1, true]), json!([said("user", "1"), said("user", "true")]));
    let deep = (0..40).fold(json!("x"), |inner, _| json!([inner]));
    assert!(messages(&content(&deep), "user", Format::Agent)[0]["content"].as_str().unwrap().ends_with(']'));
}

#[test]
fn documents_have_the_fields_that_datadog_knows() {
    let check =
        |given: Value, expected: Value| assert_eq!(documents::output(&content(&given)), expected, "{given}");
    check(
        json!([
            { "page_content": "t", "metadata": { "source": "a.md", "score": 0.5, "page": 3 }, "id": "d1" },
            { "text": "u", "title": "b", "score": 1 },
            "plain",
            { "odd": 1 },
            { "content": ["x"], "id": 7, "score": "high" },
        ]),
        json!({ "documents": [
            { "text": "t", "name": "a.md", "score": 0.5, "id": "d1" },
            { "text": "u", "name": "b", "score": 1 },
            { "text": "plain" },
            { "text": "{\"odd\":1}" },
            { "text": "[\"x\"]", "id": "7" },
        ] }),
    );
    check(json!("none"), json!({ "value": "none" }));
    check(json!([]), json!({ "documents": [] }));
}

#[test]
fn a_stream_without_a_whole_answer_is_the_answer() {
    for format in [Format::Public, Format::Agent] {
        let spans = arrived(format, |harness| {
            harness.run_start(&json!({})).unwrap();
            let call = harness.new_call();
            harness.llm_start(call, charm_telemetry_core::LlmStart::new("m")).unwrap();
            for token in ["né", "\u{4e2d}"] {
                harness.token(call, token).unwrap();
            }
            harness.llm_end(call, LlmEnd::new()).unwrap();
            harness.run_end(&json!({})).unwrap();
        });
        assert_eq!(
            named(&spans, "m")["meta"]["output"]["messages"],
            json!([said("assistant", "né\u{4e2d}")])
        );
    }
}
