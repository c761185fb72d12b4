//! Spans one by one: names, kinds, attributes, and each trap of the receivers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use charm_telemetry_core::trace::{FinishedSpan, TraceContext};
use charm_telemetry_core::{LlmEnd, LlmStart, TokenUsage};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use serde_json::{Value, json};

use super::payload::{as_protobuf, decoded};
use super::script::*;
use crate::encode::{EncodeOptions, nanos};

pub(super) fn wire(span: &FinishedSpan, options: &EncodeOptions) -> Span {
    let mut request = decoded(&as_protobuf(std::slice::from_ref(span), options));
    request.resource_spans.remove(0).scope_spans.remove(0).spans.remove(0)
}

pub(super) fn any(span: &Span, key: &str) -> Option<Any> {
    let mut found = span.attributes.iter().filter(|attribute| attribute.key == key);
    let value = found.next()?.value.clone()?.value;
    assert!(found.next().is_none(), "{key} is there twice");
    value
}

pub(super) fn text(span: &Span, key: &str) -> Option<String> {
    match any(span, key)? {
        Any::StringValue(text) => Some(text),
        other => panic!("{key} is {other:?}"),
    }
}

fn json_of(span: &Span, key: &str) -> Value {
    serde_json::from_str(&text(span, key).unwrap_or_else(|| panic!("no {key}"))).unwrap()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name}"))
}

fn whole(options: &EncodeOptions) -> Vec<Span> {
    whole_run().iter().map(|span| wire(span, options)).collect()
}

#[test]
fn names_kinds_and_parents_are_those_of_the_conventions() {
    let spans = whole(&options());
    let (agent, llm) = (named(&spans, "invoke_agent weather bot"), named(&spans, "chat gpt-4o"));
    let (tool, search) = (named(&spans, "execute_tool weather"), named(&spans, "retrieval cities"));
    assert_eq!((agent.kind(), llm.kind()), (SpanKind::Internal, SpanKind::Client));
    assert_eq!((tool.kind(), search.kind()), (SpanKind::Internal, SpanKind::Client));
    assert!(agent.parent_span_id.is_empty());
    assert_eq!((&llm.parent_span_id, &tool.parent_span_id), (&agent.span_id, &agent.span_id));
    assert_eq!(search.parent_span_id, tool.span_id);
    for span in &spans {
        assert_eq!(span.trace_id, run_id().as_bytes());
        assert_eq!(text(span, "gen_ai.conversation.id").as_deref(), Some("thread-7"));
    }
}

#[test]
fn ids_have_their_full_length_and_are_not_zero() {
    for span in whole(&options()) {
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
        assert!(span.trace_id.iter().any(|byte| *byte != 0) && span.span_id.iter().any(|byte| *byte != 0));
        assert_eq!(span.flags, 0x101);
    }
}

#[test]
fn a_remote_parent_is_kept_with_its_state_and_marked_as_remote() {
    let mut settings = settings();
    let remote = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    settings.context = TraceContext::new(remote, Some("vendor=1"));
    let spans = spans_of(&settings, |trace| {
        trace.run_start(at(0, 0, 0), &raw(&json!({})));
        trace.run_end(at(5, 0, 0), &raw(&json!("x")));
    });
    let options = EncodeOptions { trace_state: "vendor=1".to_owned(), ..options() };
    let span = wire(&spans[0], &options);
    assert_eq!(span.parent_span_id, [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    assert_eq!(span.trace_id[..2], [0x4b, 0xf9]);
    assert_eq!((span.flags, &*span.trace_state), (0x301, "vendor=1"));
    assert_eq!(text(&span, "charm.run.id"), Some(run_id().to_string()));
}

#[test]
fn times_are_nanoseconds_and_an_end_is_never_zero_nor_before_its_start() {
    let spans = whole_run();
    let llm = wire(&spans[0], &options());
    let start = u64::try_from((START + Duration::from_millis(10)).as_nanos()).unwrap();
    assert_eq!((llm.start_time_unix_nano, llm.end_time_unix_nano), (start, start + 150_000_000));
    assert_eq!(nanos(UNIX_EPOCH), 1);
    assert_eq!(nanos(UNIX_EPOCH - Duration::from_secs(1)), 1);
    let mut odd = spans[0].clone();
    odd.end = SystemTime::UNIX_EPOCH;
    let odd = wire(&odd, &options());
    assert_eq!(odd.end_time_unix_nano, odd.start_time_unix_nano);
}

#[test]
fn tokens_are_integers_and_the_first_chunk_is_in_seconds() {
    let spans = whole(&options());
    let llm = named(&spans, "chat gpt-4o");
    for (key, tokens) in [
        ("gen_ai.usage.input_tokens", 120),
        ("gen_ai.usage.output_tokens", 7),
        ("gen_ai.usage.cache_read.input_tokens", 100),
        ("gen_ai.usage.reasoning.output_tokens", 2),
    ] {
        assert_eq!(any(llm, key), Some(Any::IntValue(tokens)), "{key}");
    }
    assert_eq!(any(llm, "gen_ai.response.time_to_first_chunk"), Some(Any::DoubleValue(0.1)));
    assert_eq!(any(llm, "gen_ai.request.stream"), Some(Any::BoolValue(true)));
    assert_eq!(text(llm, "gen_ai.provider.name").as_deref(), Some("azure.ai.openai"));
    assert_eq!(text(llm, "gen_ai.response.model").as_deref(), Some("gpt-4o-2024-08-06"));
    // Receivers add up all spans of a trace.
    let agent = named(&spans, "invoke_agent weather bot");
    assert_eq!(any(agent, "gen_ai.usage.input_tokens"), None);
}

#[test]
fn cached_tokens_that_are_counted_apart_are_counted_in() {
    let spans = spans_of(&settings(), |trace| {
        trace.run_start(at(0, 0, 0), &raw(&json!({})));
        trace.llm_start(at(1, 1, 0), &LlmStart::new("claude"));
        let mut usage = TokenUsage::new(20, 5);
        usage.cache_read_tokens = Some(1000);
        usage.cache_write_tokens = Some(300);
        trace.llm_end(at(2, 1, 0), &LlmEnd::new().usage(usage));
    });
    let span = wire(&spans[0], &options());
    assert_eq!(any(&span, "gen_ai.usage.input_tokens"), Some(Any::IntValue(1320)));
    // The older and the newer name.
    for name in ["cache_creation", "cache_write"] {
        assert_eq!(any(&span, &format!("gen_ai.usage.{name}.input_tokens")), Some(Any::IntValue(300)));
    }
}

#[test]
fn one_event_for_a_stream_however_many_tokens_it_has() {
    let spans = spans_of(&settings(), |trace| {
        trace.run_start(at(0, 0, 0), &raw(&json!({})));
        trace.llm_start(at(1, 1, 0), &LlmStart::new("m"));
        for _ in 0..10_000 {
            trace.llm_new_token(at(3, 1, 0), "t");
        }
        trace.llm_end(at(9, 1, 0), &LlmEnd::new());
    });
    let span = wire(&spans[0], &options());
    assert_eq!(
        span.events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(),
        ["charm.first_token"]
    );
}

#[test]
fn success_leaves_the_status_unset_and_a_failure_says_its_class_and_message() {
    let spans = whole(&options());
    assert!(named(&spans, "chat gpt-4o").status.is_none());
    let tool = named(&spans, "execute_tool weather");
    let status = tool.status.as_ref().unwrap();
    assert_eq!(status.code(), StatusCode::Error);
    assert_eq!(status.message, "ValueError: SECRET no such city");
    assert_eq!(text(tool, "error.type").as_deref(), Some("ValueError"));
    let exceptions = |span: &Span| span.events.iter().filter(|event| event.name == "exception").count();
    assert_eq!(exceptions(tool), 1);
    // The run only repeats it.
    let agent = named(&spans, "invoke_agent weather bot");
    assert_eq!(agent.status.as_ref().unwrap().code(), StatusCode::Error);
    assert_eq!(exceptions(agent), 0);
}

#[test]
fn an_error_without_a_class_is_other_and_a_call_that_never_ended_is_aborted() {
    let spans = spans_of(&settings(), |trace| {
        trace.run_start(at(0, 0, 0), &raw(&json!({})));
        trace.tool_start(at(1, 1, 0), "t", "");
        trace.tool_error(at(2, 1, 0), "t", "no luck");
        trace.llm_start(at(3, 2, 0), &LlmStart::new("m"));
        trace.close_all(at(9, 0, 0).time);
    });
    let spans: Vec<_> = spans.iter().map(|span| wire(span, &options())).collect();
    assert_eq!(text(named(&spans, "execute_tool t"), "error.type").as_deref(), Some("_OTHER"));
    for name in ["chat m", "invoke_agent weather bot"] {
        let aborted = named(&spans, name);
        assert_eq!(text(aborted, "error.type").as_deref(), Some("aborted"));
        assert_eq!(aborted.status.as_ref().unwrap().code(), StatusCode::Error);
        assert!(aborted.end_time_unix_nano >= aborted.start_time_unix_nano);
    }
}

#[test]
fn messages_are_texts_of_json_with_roles_parts_and_reasons() {
    let spans = whole(&options());
    let llm = named(&spans, "chat gpt-4o");
    assert_eq!(
        json_of(llm, "gen_ai.input.messages"),
        json!([
            { "role": "system", "parts": [{ "type": "text", "content": "SECRET rules" }] },
            { "role": "user", "parts": [{ "type": "text", "content": "SECRET weather in Oslo?" }] },
        ])
    );
    assert_eq!(
        json_of(llm, "gen_ai.output.messages"),
        json!([{
            "role": "assistant",
            "finish_reason": "tool_call",
            "parts": [
                { "type": "text", "content": "SECRET look." },
                { "type": "tool_call", "id": "call_1", "name": "weather", "arguments": { "city": "SECRET Oslo" } },
            ],
        }])
    );
    let Some(Any::ArrayValue(reasons)) = any(llm, "gen_ai.response.finish_reasons") else {
        panic!("no reasons")
    };
    assert_eq!(reasons.values.len(), 1);
    let tool = named(&spans, "execute_tool weather");
    assert_eq!(json_of(tool, "gen_ai.tool.call.arguments"), json!({ "city": "SECRET Oslo" }));
}

#[test]
fn every_shape_of_messages_is_understood_or_shown() {
    let check = |input: Value, expected: Value| {
        let span = wire(&llm_span(&input, &json!("x")), &options());
        assert_eq!(json_of(&span, "gen_ai.input.messages"), expected, "{input}");
    };
    let user = |content: &str| json!({ "role": "user", "parts": [{ "type": "text", "content": content }] });
    check(json!("hi"), json!([user("hi")]));
    check(json!(["a", "b"]), json!([user("a"), user("b")]));
    check(json!([[{ "type": "human", "content": "hi" }]]), json!([user("hi")]));
    check(json!({ "messages": [{ "role": "user", "content": "hi" }] }), json!([user("hi")]));
    check(json!({ "input": "hi" }), json!([user("hi")]));
    check(json!({ "city": "Oslo" }), json!([user(r#"{"city":"Oslo"}"#)]));
    check(json!(42), json!([user("42")]));
    check(
        json!([{ "role": "user", "content": [
            { "type": "text", "text": "see" },
            { "type": "image_url", "image_url": { "url": "http://i" } },
            { "type": "tool_result", "tool_use_id": "c1", "content": "3" },
        ] }]),
        json!([{ "role": "user", "parts": [
            { "type": "text", "content": "see" },
            { "type": "uri", "modality": "image", "uri": "http://i" },
            { "type": "tool_call_response", "id": "c1", "response": "3" },
        ] }]),
    );
    check(
        json!([{ "role": "tool", "tool_call_id": "c1", "name": "weather", "content": "3 degrees" }]),
        json!([{ "role": "tool", "name": "weather", "parts": [
            { "type": "tool_call_response", "id": "c1", "response": "3 degrees" },
        ] }]),
    );
    check(
        json!([{ "role": "assistant", "content": null, "tool_calls": [
            { "id": "c1", "type": "function", "function": { "name": "f", "arguments": "{\"a\":1}" } },
        ] }]),
        json!([{ "role": "assistant", "parts": [
            { "type": "tool_call", "id": "c1", "name": "f", "arguments": { "a": 1 } },
        ] }]),
    );
}

#[test]
fn answers_of_providers_are_unwrapped_and_say_why_they_ended() {
    let check = |output: Value, reason: &str, content: &str| {
        let span = wire(&llm_span(&json!("q"), &output), &options());
        let messages = json_of(&span, "gen_ai.output.messages");
        assert_eq!(messages[0]["finish_reason"], reason, "{output}");
        assert_eq!(messages[0]["parts"][0]["content"], content, "{output}");
        assert_eq!(messages[0]["role"], "assistant");
    };
    check(json!("hi"), "stop", "hi");
    check(
        json!({ "choices": [{ "finish_reason": "length", "message": { "role": "assistant", "content": "hi" } }] }),
        "length",
        "hi",
    );
    check(
        json!({ "generations": [[{ "text": "hi", "message": { "type": "ai", "content": "hi" } }]] }),
        "stop",
        "hi",
    );
    check(
        json!({ "role": "assistant", "content": [{ "type": "text", "text": "hi" }], "stop_reason": "max_tokens" }),
        "length",
        "hi",
    );
    check(
        json!({ "type": "ai", "content": "hi", "response_metadata": { "finish_reason": "content_filter" } }),
        "content_filter",
        "hi",
    );
}

#[test]
fn openinference_values_are_there_together_or_not_at_all() {
    let check = |span: &FinishedSpan, options: &EncodeOptions, expected: [Option<&str>; 2]| {
        let span = wire(span, options);
        let found = ["input.value", "output.value"].map(|key| text(&span, key));
        assert_eq!(found, expected.map(|text| text.map(str::to_owned)));
    };
    let whole = llm_span(&json!("in"), &json!("out"));
    check(&whole, &openinference(), [Some("in"), Some("out")]);
    check(&whole, &options(), [None, None]);
    let mut half = whole.clone();
    half.input = None;
    check(&half, &openinference(), [Some(""), Some("out")]);
    half.output = None;
    check(&half, &openinference(), [None, None]);
    let hidden = EncodeOptions { hide_inputs: true, ..openinference() };
    check(&whole, &hidden, [Some("__REDACTED__"), Some("out")]);
    assert_eq!(any(&wire(&whole, &hidden), "gen_ai.input.messages"), None);
    let mut withheld = whole;
    withheld.withhold_content();
    check(&withheld, &openinference(), [None, None]);
}

#[test]
fn openinference_goes_beside_the_conventions_and_its_metadata_is_json() {
    let spans = whole(&openinference());
    for (name, kind) in [
        ("invoke_agent weather bot", "AGENT"),
        ("chat gpt-4o", "LLM"),
        ("execute_tool weather", "TOOL"),
        ("retrieval cities", "RETRIEVER"),
    ] {
        let span = named(&spans, name);
        assert_eq!(text(span, "openinference.span.kind").as_deref(), Some(kind));
        assert!(text(span, "gen_ai.operation.name").is_some());
        assert_eq!(json_of(span, "metadata"), json!({ "team": "search" }));
    }
    let llm = named(&spans, "chat gpt-4o");
    assert_eq!(any(llm, "llm.token_count.prompt"), Some(Any::IntValue(120)));
    assert_eq!(any(llm, "llm.token_count.total"), Some(Any::IntValue(127)));
    assert_eq!(text(llm, "llm.input_messages.1.message.content").as_deref(), Some("SECRET weather in Oslo?"));
    let arguments = "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments";
    assert_eq!(json_of(llm, arguments), json!({ "city": "SECRET Oslo" }));
}

#[test]
fn what_is_over_the_limits_of_a_span_is_left_out_and_counted() {
    let many: Vec<_> = (0..100).map(|n| json!({ "role": "user", "content": format!("{n}") })).collect();
    let span = llm_span(&json!(many), &json!("x"));
    let sent = wire(&span, &openinference());
    assert_eq!(sent.attributes.len(), 128);
    assert!(sent.dropped_attributes_count > 70, "{}", sent.dropped_attributes_count);
    assert!(any(&sent, "gen_ai.output.messages").is_some(), "the most important come first");
    let sent = wire(&whole_run()[0], &EncodeOptions { max_events: 0, ..options() });
    assert_eq!((sent.events.len(), sent.dropped_events_count), (0, 1));
    let sent = wire(
        &llm_span(&json!("æøåæøå"), &json!("x")),
        &EncodeOptions { max_value_chars: Some(4), ..options() },
    );
    assert_eq!(text(&sent, "gen_ai.request.model").as_deref(), Some("gpt-"));
}

#[test]
fn a_call_of_an_unknown_model_and_an_agent_without_a_name_are_named_by_the_operation() {
    let spans = spans_of(&charm_telemetry_core::trace::TelemetrySettings::default(), |trace| {
        trace.run_start(at(0, 0, 0), &raw(&json!({})));
        trace.llm_start(at(1, 1, 0), &LlmStart::default());
        trace.llm_end(at(2, 1, 0), &LlmEnd::new());
        trace.llm_start(at(2, 2, 0), &LlmStart::default());
        trace.llm_end(at(3, 2, 0), &LlmEnd::new().model("told-late"));
        trace.run_end(at(3, 0, 0), &raw(&json!("x")));
    });
    let names: Vec<_> = spans.iter().map(|span| wire(span, &options()).name).collect();
    assert_eq!(names, ["chat", "chat told-late", "invoke_agent"]);
}
