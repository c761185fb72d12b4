//! Payloads as a whole, and the rules of them that a comparison would not explain.
//!
//! To renew the files in `tests/data`: `CHARM_BLESS=1 cargo test -p charm-telemetry-sentry`.

use std::sync::Arc;

use charm_telemetry_core::delivery::{Destination, Item};
use charm_telemetry_core::trace::{
    AbortReason, Content, FinishedSpan, Sampler, SpanStatus, TelemetrySettings, TraceAssembler, TraceLimits,
};
use charm_telemetry_core::{LlmEnd, LlmStart, RawValue, TokenUsage};
use serde_json::{Value, json};

use super::script::{Script, failure, one_chat, profile, raw, weather};
use super::strict::Envelope;
use super::tracebacks;
use crate::destination::{Account, Project, ToProject};
use crate::encode::{MAX_ITEM_BYTES, span_item};
use crate::event::event_item;
use crate::profile::Profile;
use crate::rate_limits::Category;
use crate::transaction::{MAX_SPANS, OpenTransactions, Taken, transaction_item};

/// The envelope of these items, as it would be posted.
pub(super) fn envelope_of(category: Category, items: &[Vec<u8>]) -> Vec<u8> {
    let project = Arc::new(Project::new("https://abc@host/42".parse().unwrap()));
    let items: Vec<_> = items.iter().cloned().map(Item::new).collect();
    ToProject::new(category, project, Account::Kept(Arc::default())).assemble(&items).unwrap().bytes
}

/// Reads it back strictly, and compares all but the time of sending with a file.
#[track_caller]
fn check(name: &str, category: Category, items: &[Vec<u8>]) -> Envelope {
    let envelope = Envelope::read(&envelope_of(category, items)).unwrap();
    let mut header = envelope.header.clone();
    header["sent_at"] = json!("(volatile)");
    let parts: Vec<_> =
        envelope.items.iter().map(|(item, payload)| json!({"item": item, "payload": payload})).collect();
    let found = json!({"header": header, "items": parts});
    let file = format!("{}/tests/data/{name}.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("CHARM_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&found).unwrap() + "\n";
        let version = concat!('"', env!("CARGO_PKG_VERSION"), '"');
        std::fs::write(&file, text.replace(version, "\"(version)\"")).unwrap();
    }
    let expected: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let version = expected.to_string().replace("(version)", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        found,
        serde_json::from_str::<Value>(&version).unwrap(),
        "{name}: renew it with `CHARM_BLESS=1`"
    );
    envelope
}

/// One of the files.
pub(super) fn golden(name: &str) -> Value {
    let file = format!("{}/tests/data/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// The guide of this exporter.
pub(super) fn guide() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/exporters/sentry.md");
    std::fs::read_to_string(file).expect("the guide is in the repository")
}

fn span_items(spans: &[FinishedSpan]) -> Vec<Vec<u8>> {
    spans.iter().map(|span| span_item(span, &profile())).collect()
}

/// The attributes of the span of an item, without their types.
fn attributes(item: &[u8]) -> Value {
    let payload = item.split(|&byte| byte == b'\n').nth(1).unwrap();
    let payload: Value = serde_json::from_slice(payload).unwrap();
    let attributes = payload["attributes"].as_object().unwrap();
    attributes.iter().map(|(key, attribute)| (key.clone(), attribute["value"].clone())).collect()
}

pub(super) fn event(spans: &[FinishedSpan]) -> Vec<Vec<u8>> {
    let failed = spans.iter().filter_map(|span| Some((span, span.error()?)));
    failed.filter_map(|(span, error)| event_item(span, error, &profile())).collect()
}

#[test]
fn a_run_as_spans() {
    let envelope = check("spans", Category::Span, &span_items(&weather()));
    assert_eq!(envelope.header["trace"]["public_key"], "abc");
    assert_eq!(envelope.header["trace"]["transaction"], "invoke_agent Weather");
}

#[test]
fn a_run_as_a_transaction() {
    let mut spans = weather();
    let agent = spans.pop().unwrap();
    check("transaction", Category::Transaction, &[transaction_item(&agent, &spans, &profile())]);
}

#[test]
fn a_transaction_with_every_status() {
    let mut spans = weather();
    let agent = spans.pop().unwrap();
    let call = spans[1].clone();
    let failed = failure("ValueError: no weather", false)[0].status.clone();
    let statuses = [
        failed,
        SpanStatus::Aborted(AbortReason::RunEnded),
        SpanStatus::Aborted(AbortReason::Shutdown),
        SpanStatus::Aborted(AbortReason::Expired),
        SpanStatus::Aborted(AbortReason::Evicted),
    ];
    let ended = |mut span: FinishedSpan, status| {
        span.status = status;
        span
    };
    spans.extend(statuses.map(|status| ended(call.clone(), status)));
    let agent = ended(agent, SpanStatus::Aborted(AbortReason::Shutdown));
    check("transaction_statuses", Category::Transaction, &[transaction_item(&agent, &spans, &profile())]);
}

#[test]
fn a_failed_tool_as_an_event_on_its_span() {
    let spans = failure("ValueError: no weather for Paris", false);
    let envelope = check("event", Category::Error, &event(&spans));
    let trace = &envelope.items[0].1["contexts"]["trace"];
    assert_eq!(trace["span_id"], spans[0].head.span_id.to_string());
    assert_eq!(trace["trace_id"], spans[0].head.trace_id.to_string());
}

#[test]
fn a_failed_tool_with_where_it_failed_and_what_led_to_it() {
    let item = tracebacks::item("RuntimeError", "after", &tracebacks::told("3.12", "groups"));
    let envelope = check("event_traceback", Category::Error, &[item]);
    assert_eq!(envelope.items[0].1["exception"]["values"].as_array().unwrap().len(), 10);
}

#[test]
fn one_failure_is_one_event_even_if_the_run_fails_with_it() {
    let spans = failure("ValueError: no weather for Paris", true);
    assert!(spans[1].error().is_some(), "the run failed, too");
    let events = event(&spans);
    assert_eq!(events.len(), 1);
    let envelope = Envelope::read(&envelope_of(Category::Error, &events)).unwrap();
    let exception = &envelope.items[0].1["exception"]["values"][0];
    assert_eq!(exception["mechanism"]["handled"], true, "the agent was told");
    let spans = Envelope::read(&envelope_of(Category::Span, &span_items(&spans))).unwrap();
    let statuses = [&spans.items[0].1["items"][0]["status"], &spans.items[0].1["items"][1]["status"]];
    assert_eq!(statuses, ["error", "error"]);
}

#[test]
fn a_run_that_fails_by_itself_is_an_event_that_nobody_handled() {
    let mut script = Script::new();
    let moment = script.at(0, None);
    script.trace.run_start(moment, RawValue::NULL);
    let moment = script.at(5, None);
    let traceback = "Traceback (most recent call last):\n  File \"agent.py\", line 3, in answer\nopenai.RateLimitError: slow down";
    script.trace.error(moment, traceback);
    let envelope = Envelope::read(&envelope_of(Category::Error, &event(&script.spans()))).unwrap();
    let event = &envelope.items[0].1;
    let exception = &event["exception"]["values"][0];
    assert_eq!((&exception["type"], &exception["module"]), (&json!("RateLimitError"), &json!("openai")));
    assert_eq!(
        (&exception["value"], &exception["mechanism"]["handled"]),
        (&json!("slow down"), &json!(false))
    );
    let frame = json!({ "filename": "agent.py", "abs_path": "agent.py", "function": "answer", "lineno": 3, "in_app": true });
    assert_eq!((&exception["stacktrace"]["frames"][0], &event["platform"]), (&frame, &json!("python")));
}

#[test]
fn a_traceback_that_was_told_beside_the_text_and_parameters_of_a_model_are_there() {
    let mut spans = failure("no sky", false);
    let SpanStatus::Error(error) = &mut spans[0].status else { panic!("it failed") };
    (error.error_type, error.traceback) =
        (Some("weather.NoSky".to_owned()), Some("Traceback ...".to_owned()));
    let envelope = Envelope::read(&envelope_of(Category::Error, &event(&spans))).unwrap();
    let event = &envelope.items[0].1;
    let exception = &event["exception"]["values"][0];
    let named = json!({ "type": "NoSky", "module": "weather", "value": "no sky" });
    assert!(["type", "module", "value"].iter().all(|key| exception[*key] == named[*key]), "{exception}");
    assert_eq!(event["extra"]["traceback"], "Traceback ...");
    let parameters = serde_json::from_str(r#"{"temperature": 0.2, "max_tokens": 9, "seed": 7}"#).unwrap();
    let span = one_chat(&LlmStart::new("m").parameters(parameters), &LlmEnd::new());
    let said = attributes(&span_item(&span, &profile()));
    let expected = json!([0.2, 9, "7"]);
    let told =
        ["temperature", "max_tokens", "seed"].map(|name| said[format!("gen_ai.request.{name}")].clone());
    assert_eq!(json!(told), expected);
}

#[test]
fn an_error_without_a_class_has_a_type_and_a_long_one_is_cut_before_sentry_cuts_it() {
    let spans = failure(&"it broke ☔".repeat(2000), false);
    let envelope = Envelope::read(&envelope_of(Category::Error, &event(&spans))).unwrap();
    assert_eq!(envelope.items[0].1["exception"]["values"][0]["type"], "ToolError");
}

#[test]
fn ids_of_events_and_transactions_are_the_same_for_the_same_run_and_never_each_other_s() {
    let id = |item: &[u8]| {
        let line: Value = serde_json::from_slice(item.split(|&b| b == b'\n').next().unwrap()).unwrap();
        line["event_id"].as_str().unwrap().to_owned()
    };
    let of_run = || {
        let mut script = Script::new();
        let moment = script.at(0, None);
        script.trace.error(moment, "boom");
        script.spans()
    };
    let error = id(&event(&of_run())[0]);
    assert_eq!(error, id(&event(&of_run())[0]));
    assert_ne!(error, id(&transaction_item(&of_run()[0], &[], &profile())));
}

#[test]
fn spans_of_several_traces_have_no_sampling_context_over_them() {
    let mut items = span_items(&weather());
    let mut other = Script::new();
    other.run = charm_telemetry_core::RunId::new();
    let moment = other.at(0, None);
    other.trace.run_end(moment, RawValue::NULL);
    items.extend(span_items(&other.spans()));
    let envelope = Envelope::read(&envelope_of(Category::Span, &items)).unwrap();
    assert!(envelope.header.get("trace").is_none());
    assert_eq!(envelope.items[0].0["item_count"], 5);
}

#[test]
fn a_span_under_a_remote_one_is_a_segment_with_a_parent() {
    let pairs = [("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
    let environment = charm_telemetry_core::Environment::from_pairs(pairs);
    let settings = TelemetrySettings::read(&mut charm_telemetry_core::EnvironmentReader::new(&environment));
    let mut script = Script::new();
    script.trace = TraceAssembler::new(&settings, TraceLimits::default());
    let moment = script.at(0, None);
    script.trace.run_end(moment, RawValue::NULL);
    let envelope = Envelope::read(&envelope_of(Category::Span, &span_items(&script.spans()))).unwrap();
    let span = &envelope.items[0].1["items"][0];
    assert_eq!((&span["parent_span_id"], &span["is_segment"]), (&json!("00f067aa0ba902b7"), &json!(true)));
    assert_eq!(span["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[test]
fn cached_tokens_that_were_counted_besides_the_input_are_added_to_it() {
    let mut usage = TokenUsage::new(3, 5);
    (usage.cache_read_tokens, usage.cache_write_tokens) = (Some(100), Some(20));
    usage.total_tokens = Some(8);
    let span = one_chat(&LlmStart::new("claude"), &LlmEnd::new().usage(usage));
    let attributes = attributes(&span_item(&span, &profile()));
    assert_eq!(attributes["gen_ai.usage.input_tokens"], 123);
    assert_eq!(attributes["gen_ai.usage.total_tokens"], 128);
    assert_eq!(attributes["gen_ai.usage.cache_creation.input_tokens"], 20);
    assert_eq!(attributes["gen_ai.usage.input_tokens.cache_write"], 20, "the old name, too");
}

#[test]
fn a_call_that_nobody_ended_is_an_error_in_one_form_and_cancelled_in_the_other() {
    let mut script = Script::new();
    let tool = Some(script.call());
    let moment = script.at(0, tool);
    script.trace.tool_start(moment, "slow", "");
    let moment = script.at(5, None);
    script.trace.run_end(moment, RawValue::NULL);
    let mut spans = script.spans();
    assert!(matches!(spans[0].status, SpanStatus::Aborted(_)));
    let envelope = Envelope::read(&envelope_of(Category::Span, &span_items(&spans))).unwrap();
    assert_eq!(envelope.items[0].1["items"][0]["status"], "error");
    assert!(event(&spans).is_empty(), "nobody said that it failed");
    let agent = spans.pop().unwrap();
    let items = [transaction_item(&agent, &spans, &profile())];
    let envelope = Envelope::read(&envelope_of(Category::Transaction, &items)).unwrap();
    assert_eq!(envelope.items[0].1["spans"][0]["status"], "cancelled");
}

#[test]
fn what_an_agent_decided_to_do_comes_before_its_answer_unless_that_tells_it() {
    let decided = |answer: &Value| {
        let mut script = Script::new();
        let action = Some(script.call());
        let moment = script.at(0, action);
        script.trace.agent_action(moment, "get_weather", r#"{"city":"Paris"}"#);
        let moment = script.at(5, None);
        script.trace.run_end(moment, &raw(answer));
        let item = span_item(&script.spans()[0], &profile());
        Envelope::read(&envelope_of(Category::Span, std::slice::from_ref(&item))).unwrap();
        let messages = attributes(&item)["gen_ai.output.messages"].as_str().unwrap().to_owned();
        serde_json::from_str::<Value>(&messages).unwrap()
    };
    let call =
        json!({"type": "tool_call", "id": null, "name": "get_weather", "arguments": {"city": "Paris"}});
    let answer = json!({"type": "text", "content": "rain"});
    assert_eq!(
        decided(&json!("rain")),
        json!([{"role": "assistant", "parts": [call]}, {"role": "assistant", "parts": [answer]}])
    );
    let told = json!({"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "name": "other", "args": {}}]});
    let call = json!({"type": "tool_call", "id": "c1", "name": "other", "arguments": {}});
    assert_eq!(decided(&told), json!([{"role": "assistant", "parts": [call]}]));
}

#[test]
fn why_a_model_ended_is_one_text_however_many_answers_it_gave() {
    let told = |reasons: &[&str]| {
        let answer =
            |reason| json!({"message": {"role": "assistant", "content": "x"}, "finish_reason": reason});
        let choices: Vec<Value> = reasons.iter().map(answer).collect();
        let mut span = one_chat(&LlmStart::new("m"), &LlmEnd::new().output(&json!({ "choices": choices })));
        span.withhold_content();
        attributes(&span_item(&span, &profile()))["gen_ai.response.finish_reasons"].clone()
    };
    assert_eq!(told(&["stop"]), "stop");
    assert_eq!(told(&["stop", "length", "stop"]), "stop,length");
    assert_eq!(told(&[]), Value::Null);
}

#[test]
fn a_million_tokens_are_one_span_without_events_of_their_own() {
    let mut script = Script::new();
    let llm = Some(script.call());
    let moment = script.at(0, llm);
    script.trace.llm_start(moment, &LlmStart::new("m"));
    let moment = script.at(5, llm);
    for _ in 0..1_000_000 {
        script.trace.llm_new_token(moment, "\u{1}");
    }
    let moment = script.at(5, None);
    script.trace.run_end(moment, RawValue::NULL);
    let items = span_items(&script.spans());
    assert_eq!(items.len(), 2);
    assert!(items[0].len() <= MAX_ITEM_BYTES, "{}", items[0].len());
    Envelope::read(&envelope_of(Category::Span, &items)).unwrap();
}

#[test]
fn content_that_is_too_long_is_cut_until_the_item_fits_and_stays_readable() {
    let long = "\u{1}\"\\".repeat(200_000);
    let mut span = one_chat(&LlmStart::new("m"), &LlmEnd::new());
    (span.input, span.output) = (Some(Content::from_text(long.clone())), Some(Content::from_text(long)));
    let item = span_item(&span, &profile());
    assert!(item.len() <= MAX_ITEM_BYTES, "{}", item.len());
    let messages = attributes(&item)["gen_ai.input.messages"].as_str().unwrap().to_owned();
    assert!(messages.contains("...[cut]"), "something of it is left");
    Envelope::read(&envelope_of(Category::Span, &[item])).unwrap();
}

#[test]
fn a_large_run_is_a_transaction_that_fits() {
    let mut spans = weather();
    let agent = spans.pop().unwrap();
    let mut call = spans.remove(1);
    call.output = Some(Content::from_text("é".repeat(10_000)));
    let calls = vec![call; MAX_SPANS];
    let item = transaction_item(&agent, &calls, &profile());
    assert!(item.len() <= MAX_ITEM_BYTES, "{}", item.len());
    let envelope = Envelope::read(&envelope_of(Category::Transaction, &[item])).unwrap();
    assert_eq!(envelope.items[0].1["spans"].as_array().unwrap().len(), MAX_SPANS);
}

#[test]
fn the_spans_of_a_run_wait_for_its_end_and_those_beyond_the_bound_are_told() {
    let mut open = OpenTransactions::default();
    let spans = weather();
    let (agent, call) = (&spans[3], &spans[1]);
    for _ in 0..MAX_SPANS {
        assert!(matches!(open.take(call), Taken::Waits));
    }
    assert!(matches!(open.take(call), Taken::NoRoom));
    let Taken::Ends(calls) = open.take(agent) else { panic!("it is the last") };
    assert_eq!(calls.len(), MAX_SPANS);
    assert!(matches!(open.take(agent), Taken::Ends(calls) if calls.is_empty()));
}

#[test]
fn without_a_release_there_is_none() {
    let profile = Profile::new(None, "production", &TelemetrySettings::default(), Sampler::new(0.25));
    let item = span_item(&weather()[0], &profile);
    assert!(attributes(&item).get("sentry.release").is_none());
    let envelope = Envelope::read(&envelope_of(Category::Span, &[item])).unwrap();
    assert!(envelope.header["trace"].get("release").is_none());
    assert_eq!(envelope.header["trace"]["sample_rate"], "0.25");
}
