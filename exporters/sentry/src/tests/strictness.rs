//! The strict reader itself: it refuses what Sentry refuses, or takes without a word and shows nowhere.
//!
//! Rule: each case is an envelope that is right but for one thing.

use serde_json::{Value, json};

use super::payloads::envelope_of;
use super::script::{failure, profile, weather};
use super::strict::Envelope;
use crate::encode::span_item;
use crate::envelope::{ItemType, envelope};
use crate::event::event_item;
use crate::rate_limits::Category;
use crate::transaction::transaction_item;

/// Expects that the change breaks the rule.
#[track_caller]
fn check(bytes: &[u8], change: impl Fn(&mut Value), rule: &str) {
    let Envelope { header, mut items } = Envelope::read(bytes).expect("it is right at first");
    let (item, mut payload) = items.remove(0);
    change(&mut payload);
    let kind = match item["type"].as_str() {
        Some("span") => ItemType::Spans(payload["items"].as_array().map_or(0, Vec::len)),
        Some("event") => ItemType::Event,
        _ => ItemType::Transaction,
    };
    let changed = envelope(&header, kind, payload.to_string().as_bytes());
    let error = Envelope::read(&changed).expect_err(rule);
    assert!(error.contains(rule), "{error} is not about `{rule}`");
}

fn spans() -> Vec<u8> {
    let items: Vec<_> = weather().iter().map(|span| span_item(span, &profile())).collect();
    envelope_of(Category::Span, &items)
}

fn transaction() -> Vec<u8> {
    let mut spans = weather();
    let agent = spans.pop().unwrap();
    envelope_of(Category::Transaction, &[transaction_item(&agent, &spans, &profile())])
}

fn event() -> Vec<u8> {
    let spans = failure("ValueError: no city", false);
    let item = event_item(&spans[0], spans[0].error().unwrap(), &profile()).unwrap();
    envelope_of(Category::Error, &[item])
}

#[test]
fn a_length_in_characters_is_refused() {
    let bytes = spans();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let payload = text.lines().nth(2).unwrap();
    assert!(payload.contains('☔'), "a character of several bytes");
    let (bytes_long, chars_long) = (payload.len(), payload.chars().count());
    let wrong = text.replacen(&format!(r#""length":{bytes_long}"#), &format!(r#""length":{chars_long}"#), 1);
    assert_ne!(wrong, text);
    assert!(Envelope::read(wrong.as_bytes()).is_err());
    assert!(Envelope::read(&bytes[..bytes.len() - 10]).is_err());
}

#[test]
fn spans_that_sentry_would_not_show_are_refused() {
    check(&spans(), |p| p["items"][0]["status"] = json!("internal_error"), "a status that such spans have");
    check(&spans(), |p| p["items"][0]["attributes"]["x"] = json!({"value": [1], "type": "array"}), "`x`");
    let key = "gen_ai.usage.input_tokens";
    check(&spans(), |p| p["items"][0]["attributes"][key]["value"] = json!("ten"), key);
    check(
        &spans(),
        |p| p["items"][3]["attributes"][key] = json!({"value": 1, "type": "integer"}),
        "counted once",
    );
    let operation = "gen_ai.operation.name";
    check(
        &spans(),
        |p| p["items"][0]["attributes"][operation]["value"] = json!("think"),
        "taken for a model",
    );
    check(
        &spans(),
        |p| p["items"][2]["attributes"][operation] = json!({"value": "retrieve", "type": "string"}),
        "a helper is no call of a model",
    );
    check(&spans(), |p| p["items"][0]["trace_id"] = json!("0".repeat(32)), "spans of its trace alone");
    check(&spans(), |p| p["items"][0]["end_timestamp"] = json!(1), "it ends after it began");
}

#[test]
fn transactions_and_events_that_sentry_would_throw_away_are_refused() {
    check(&transaction(), |p| p["spans"][0]["status"] = json!("error"), "a status of a trace");
    check(&transaction(), |p| p["contexts"]["trace"]["trace_id"] = Value::Null, "a trace id");
    check(&transaction(), |p| p["start_timestamp"] = Value::Null, "a start");
    check(&transaction(), |p| p["platform"] = json!("rust"), "a known platform");
    check(&transaction(), |p| p["spans"][0]["data"]["x"] = json!({"a": 1}), "an object or a list");
    check(&event(), |p| p["exception"]["values"][0]["value"] = Value::Null, "type and value");
    check(&event(), |p| p["exception"]["values"][0]["mechanism"] = json!({}), "a mechanism has a type");
    check(&event(), |p| p["environment"] = json!("a/b"), "an environment");
    check(&event(), |p| p["event_id"] = json!("short"), "an event id");
}
