//! Conversations, from all shapes in which agents give them.

use charm_telemetry_core::trace::Content;
use serde_json::{Value, json};

use super::script::raw;
use crate::messages::{Conversation, cut};

/// Reads what a user or a model said, and compares it with the messages that come of it.
#[expect(clippy::needless_pass_by_value, reason = "a list of cases reads better")]
#[track_caller]
fn check(speaker: &'static str, given: Value, expected: Value) {
    let said = Conversation::read(&Content::from_json(&raw(&given)), speaker);
    let messages = said.messages_json().unwrap_or_else(|| "[]".to_owned());
    assert_eq!(serde_json::from_str::<Value>(&messages).unwrap(), expected, "{given}");
}

fn text(role: &str, text: &str) -> Value {
    json!({"role": role, "parts": [{"type": "text", "content": text}]})
}

#[test]
fn texts_and_objects_are_said_by_who_speaks() {
    check("user", json!("hi"), json!([text("user", "hi")]));
    check("assistant", json!("hi"), json!([text("assistant", "hi")]));
    check("user", json!(["a", "b"]), json!([text("user", "a"), text("user", "b")]));
    check("assistant", json!({"answer": 42}), json!([text("assistant", r#"{"answer":42}"#)]));
    check("user", json!({"input": "hi", "thread_id": 7}), json!([text("user", "hi")]));
    check("user", json!(7), json!([text("user", "7")]));
    check("user", json!(null), json!([]));
    check("user", json!(""), json!([]));
    let said = Conversation::read(&Content::from_text("plain, \"as is\""), "user");
    assert_eq!(
        serde_json::from_str::<Value>(&said.messages_json().unwrap()).unwrap(),
        json!([text("user", "plain, \"as is\"")])
    );
}

#[test]
fn messages_keep_their_roles_and_instructions_stand_apart() {
    let given = json!({"messages": [
        {"role": "system", "content": "be brief"}, {"type": "human", "content": "hi"}, {"type": "ai", "content": "hello"},
        {"role": "developer", "content": "be kind"}, {"role": "someone", "content": "hm"},
    ]});
    let said = Conversation::read(&Content::from_json(&raw(&given)), "user");
    let system: Value = serde_json::from_str(&said.system_json().unwrap()).unwrap();
    assert_eq!(
        system,
        json!([{"type": "text", "content": "be brief"}, {"type": "text", "content": "be kind"}])
    );
    check("user", given, json!([text("user", "hi"), text("assistant", "hello"), text("user", "hm")]));
}

#[test]
fn calls_of_tools_are_parts_whoever_spells_them() {
    let expected = json!([{"role": "assistant", "parts": [
        {"type": "tool_call", "id": "c1", "name": "get_weather", "arguments": {"city": "Paris"}},
    ]}]);
    let said = |call: Value| json!({"role": "assistant", "content": "", "tool_calls": [call]});
    let arguments = json!({"city": "Paris"});
    check("assistant", said(json!({"id": "c1", "name": "get_weather", "args": arguments})), expected.clone());
    let function = json!({"name": "get_weather", "arguments": "{\"city\":\"Paris\"}"});
    check("assistant", said(json!({"id": "c1", "type": "function", "function": function})), expected.clone());
    let block = json!({"type": "tool_use", "id": "c1", "name": "get_weather", "input": arguments});
    check("assistant", json!({"role": "assistant", "content": [block]}), expected);
    check(
        "user",
        json!({"role": "tool", "tool_call_id": "c1", "content": "rainy"}),
        json!([{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "result": "rainy"}]}]),
    );
}

#[test]
fn pictures_and_files_are_substituted() {
    let blob = "[Blob substitute]";
    let given = json!([{"role": "user", "content": [
        {"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        "data:audio/wav;base64,BBBB",
    ]}]);
    let parts = ["what is it?", blob, blob].map(|content| json!({"type": "text", "content": content}));
    check("user", given, json!([{"role": "user", "parts": parts}]));
    check("user", json!("data:image/png;base64,AAAA"), json!([text("user", blob)]));
}

#[test]
fn a_decision_of_the_agent_is_a_call_in_its_answer() {
    let mut said = Conversation::default();
    let action = json!({"tool": "get_weather", "tool_input": "{\"city\":\"Paris\"}"});
    said.add_action(&Content::from_json(&raw(&action)));
    assert!(said.calls_tool());
    let messages: Value = serde_json::from_str(&said.messages_json().unwrap()).unwrap();
    assert_eq!(messages[0]["parts"][0]["arguments"], json!({"city": "Paris"}));
    assert_eq!(messages[0]["role"], "assistant");
}

#[test]
fn a_text_is_cut_between_characters_and_says_so() {
    assert_eq!(cut("short".into(), 5), "short");
    let long = cut("é".repeat(100).into(), 51);
    assert!(long.len() <= 51 && long.ends_with("é...[cut]"), "{long}");
}
