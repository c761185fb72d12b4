//! Messages beyond plain text: thoughts, reasons of all providers, failed calls, suspended runs.

use charm_telemetry_core::LlmStart;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::{Value, json};

use super::encoding::{any, json_of, text, wire};
use super::script::*;

fn answer(output: &Value) -> Value {
    json_of(&wire(&llm_span(&json!("q"), output), &options()), "gen_ai.output.messages")
}

#[test]
fn thoughts_are_parts_of_their_own() {
    for block in [
        json!({ "type": "thinking", "thinking": "hm", "signature": "x" }),
        json!({ "type": "reasoning", "reasoning": "hm" }),
        json!({ "type": "reasoning", "content": "hm" }),
    ] {
        let output = json!({ "role": "assistant", "content": [block, { "type": "text", "text": "hi" }] });
        let expected = json!([
            { "type": "reasoning", "content": "hm" },
            { "type": "text", "content": "hi" },
        ]);
        assert_eq!(answer(&output)[0]["parts"], expected, "{output}");
    }
    let odd = json!({ "role": "assistant", "content": [{ "type": "reasoning", "content": [1] }] });
    assert_eq!(answer(&odd)[0]["parts"], json!([{ "type": "reasoning", "content": [1] }]), "as it was given");
}

#[test]
fn the_reasons_of_all_providers_have_the_words_of_the_conventions() {
    for (said, expected) in [
        ("stop", "stop"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("content_filter", "content_filter"),
        ("refusal", "content_filter"),
        ("SAFETY", "content_filter"),
        ("tool_calls", "tool_call"),
        ("tool_use", "tool_call"),
        ("tool_call", "tool_call"),
        ("function_call", "tool_call"),
        ("error", "error"),
        ("a word of tomorrow", "stop"),
    ] {
        let output = json!({ "role": "assistant", "content": "hi", "finish_reason": said });
        assert_eq!(answer(&output)[0]["finish_reason"], expected, "{said}");
    }
    let call = json!({ "role": "assistant", "tool_calls": [{ "id": "c", "name": "f", "args": {} }] });
    assert_eq!(answer(&call)[0]["finish_reason"], "tool_call", "it calls a tool and says no reason");
}

#[test]
fn an_answer_that_broke_off_ended_by_an_error() {
    let spans = spans_of(&settings(), |trace| {
        trace.run_start(at(0, 0, 0), &raw(&json!({})));
        trace.llm_start(at(1, 1, 0), &LlmStart::new("m"));
        trace.llm_new_token(at(2, 1, 0), "half an ans");
        trace.llm_error(at(3, 1, 0), "Timeout: no more");
    });
    let messages = json_of(&wire(&spans[0], &options()), "gen_ai.output.messages");
    let parts = json!([{ "type": "text", "content": "half an ans" }]);
    assert_eq!(messages, json!([{ "role": "assistant", "parts": parts, "finish_reason": "error" }]));
}

#[test]
fn a_suspended_run_says_that_it_waits_and_has_not_failed() {
    for (status, expected) in [("suspended", Some(Any::BoolValue(true))), ("success", None)] {
        let spans = spans_of(&settings(), |trace| {
            trace.run_start(at(0, 0, 0), &raw(&json!({})));
            trace.run_end(at(5, 0, 0), &raw(&json!({ "status": status, "output": "wait" })));
        });
        let span = wire(&spans[0], &options());
        assert_eq!(any(&span, "charm.run.suspended"), expected, "{status}");
        assert_eq!((span.status.is_none(), text(&span, "error.type")), (true, None), "{status}");
    }
}
