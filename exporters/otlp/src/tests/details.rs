//! What is told besides the texts: parameters of models, reasons, names, flags, tracebacks of errors; and what is hidden.

use charm_telemetry_core::protocol::EventLine;
use charm_telemetry_core::testing::ExporterHarness;
use charm_telemetry_core::trace::{ContentPolicy, FinishedSpan, SpanExporter, SpanFeed, TraceContext};
use charm_telemetry_core::{ErrorText, EventKind, HookResult, LlmEnd, LlmStart, StreamEvent};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::json;

use super::encoding::{any, text, wire};
use super::script::*;
use crate::encode::EncodeOptions;

#[test]
fn parameters_are_numbers_of_the_types_of_the_conventions() {
    let spans = spans_of(&settings(), |trace| {
        trace.run_start(at(0, 0, 0), &raw(&json!({})));
        let told = r#"{"temperature": 0.5, "max_tokens": 100, "top_k": 40, "seed": 7}"#;
        let start = LlmStart::new("m").parameters(serde_json::from_str(told).unwrap());
        trace.llm_start(at(1, 1, 0), &start);
        trace.llm_end(at(2, 1, 0), &LlmEnd::new());
    });
    let span = wire(&spans[0], &options());
    for (name, value) in [
        ("temperature", Any::DoubleValue(0.5)),
        ("max_tokens", Any::IntValue(100)),
        ("top_k", Any::DoubleValue(40.0)),
        ("seed", Any::IntValue(7)),
    ] {
        assert_eq!(any(&span, &format!("gen_ai.request.{name}")), Some(value), "{name}");
    }
}

#[test]
fn an_exception_has_its_traceback_unless_content_stays_at_home() {
    let error = ErrorText::new("no").error_type("KeyError").traceback("Traceback ...");
    let mut harness = ExporterHarness::new(Spans::default());
    harness.run_start(&json!({})).unwrap();
    harness.feed(None, EventKind::Error { error }).unwrap();
    let mut span = harness.exporter_mut().spans.remove(0);
    let stack = |span: &FinishedSpan| {
        let attributes = wire(span, &options()).events[0].attributes.clone();
        attributes.iter().any(|attribute| attribute.key == "exception.stacktrace")
    };
    assert!(stack(&span));
    span.withhold_content();
    assert!(!stack(&span));
}

#[derive(Default)]
struct Spans {
    feed: SpanFeed,
    spans: Vec<FinishedSpan>,
}

impl SpanExporter for Spans {
    fn feed(&mut self) -> &mut SpanFeed {
        &mut self.feed
    }

    fn span(&mut self, span: FinishedSpan) -> HookResult {
        self.spans.push(span);
        Ok(())
    }

    fn sends_content(&self, _: ContentPolicy) -> bool {
        true
    }
}

#[test]
fn all_spans_of_a_trace_that_is_not_recorded_say_so() {
    let mut settings = settings();
    let remote = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00".parse().unwrap();
    settings.context = TraceContext::new(remote, None);
    let spans = spans_of(&settings, |trace| {
        trace.run_start(at(0, 0, 0), &raw(&json!({})));
        trace.tool_start(at(1, 1, 0), "outer", "");
        trace.tool_start(at(2, 2, 1), "inner", "");
        trace.run_end(at(5, 0, 0), &raw(&json!("x")));
    });
    let flags: Vec<_> = spans.iter().map(|span| wire(span, &options()).flags).collect();
    assert_eq!(flags, [0x100, 0x100, 0x300], "only the run is below a span of another process");
}

#[test]
fn a_name_that_is_the_word_for_its_kind_is_a_name() {
    let mut settings = settings();
    for (name, attribute) in [(Some("agent"), Some("agent")), (None, None), (Some(""), None)] {
        settings.agent_name = name.map(Into::into);
        let spans = spans_of(&settings, |trace| {
            trace.run_start(at(0, 0, 0), &raw(&json!({})));
            trace.tool_start(at(1, 1, 0), "tool", "");
            trace.tool_end(at(2, 1, 0), "tool", "");
            trace.retriever_start(at(3, 2, 0), "retrieval", "");
            trace.retriever_end(at(4, 2, 0), &raw(&json!([])));
            trace.retriever_end(at(5, 3, 0), &raw(&json!([])));
            trace.run_end(at(6, 0, 0), &raw(&json!("x")));
        });
        let spans: Vec<_> = spans.iter().map(|span| wire(span, &options())).collect();
        let of_agent = attribute.map_or("invoke_agent".to_owned(), |name| format!("invoke_agent {name}"));
        let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
        assert_eq!(names, ["execute_tool tool", "retrieval retrieval", "retrieval", &of_agent]);
        assert_eq!(text(&spans[0], "gen_ai.tool.name").as_deref(), Some("tool"));
        assert_eq!(text(&spans[1], "gen_ai.data_source.id").as_deref(), Some("retrieval"));
        assert_eq!(text(&spans[2], "gen_ai.data_source.id"), None);
        assert_eq!(text(&spans[3], "gen_ai.agent.name").as_deref(), attribute);
    }
}

#[test]
fn a_finish_reason_is_no_content() {
    let answer = json!({ "content": "SECRET", "finish_reason": "tool_calls" });
    let mut span = llm_span(&json!("q"), &answer);
    let hidden = EncodeOptions { hide_outputs: true, ..options() };
    for withheld in [false, true] {
        if withheld {
            span.withhold_content();
        }
        for options in [options(), hidden.clone()] {
            let Some(Any::ArrayValue(reasons)) =
                any(&wire(&span, &options), "gen_ai.response.finish_reasons")
            else {
                panic!("no reasons")
            };
            let reasons: Vec<_> = reasons.values.into_iter().filter_map(|reason| reason.value).collect();
            assert_eq!(reasons, [Any::StringValue("tool_calls".to_owned())]);
        }
    }
}

#[test]
fn hidden_inputs_and_outputs_are_hidden_in_events_too() {
    let artifact = EventLine { kind: "artifact".into(), json: r#"{"type":"artifact","data":"MADE"}"# };
    let spans = spans_of(&settings(), |trace| {
        trace.run_start(at(0, 0, 0), &raw(&json!({ "input": "ASKED" })));
        trace.agent_action(at(1, 0, 0), "weather", "ASKED");
        trace.stream_event(at(2, 0, 0), &StreamEvent::from(artifact));
        trace.run_end(at(3, 0, 0), &raw(&json!("MADE")));
    });
    for (hide_inputs, hide_outputs) in [(false, false), (true, false), (false, true), (true, true)] {
        for openinference in [false, true] {
            let options = EncodeOptions { openinference, hide_inputs, hide_outputs, ..options() };
            let span = wire(&spans[0], &options);
            let names: Vec<_> = span.events.iter().map(|event| &*event.name).collect();
            assert_eq!(names, ["agent_action", "artifact"], "that they were is told");
            let shown = format!("{span:?}");
            assert_eq!((shown.contains("ASKED"), shown.contains("MADE")), (!hide_inputs, !hide_outputs));
        }
    }
}

#[test]
fn a_run_has_the_provider_of_the_first_call_that_has_one() {
    let spans = spans_of(&settings(), |trace| {
        trace.run_start(at(0, 0, 0), &raw(&json!({})));
        for (call, provider) in [(1, None), (2, Some("azure_openai")), (3, Some("anthropic"))] {
            let start = LlmStart::new("m");
            trace.llm_start(at(1, call, 0), &provider.map_or(start.clone(), |name| start.provider(name)));
            trace.llm_end(at(2, call, 0), &LlmEnd::new());
        }
        trace.run_end(at(6, 0, 0), &raw(&json!("x")));
    });
    let providers: Vec<_> =
        spans.iter().map(|span| text(&wire(span, &options()), "gen_ai.provider.name")).collect();
    let expected = [None, Some("azure.ai.openai"), Some("anthropic"), Some("azure.ai.openai")];
    assert_eq!(providers, expected.map(|name| name.map(str::to_owned)));
}

#[test]
fn providers_have_the_names_of_the_conventions() {
    for (name, expected) in [
        ("openai", "openai"),
        ("anthropic", "anthropic"),
        ("azure", "azure.ai.openai"),
        ("azure_openai", "azure.ai.openai"),
        ("azure-openai-chat", "azure.ai.openai"),
        ("azure_ai", "azure.ai.inference"),
        ("bedrock", "aws.bedrock"),
        ("aws_bedrock", "aws.bedrock"),
        ("amazon_bedrock", "aws.bedrock"),
        ("bedrock_converse", "aws.bedrock"),
        ("google", "gcp.gemini"),
        ("google_genai", "gcp.gemini"),
        ("gemini", "gcp.gemini"),
        ("google_vertexai", "gcp.vertex_ai"),
        ("vertexai", "gcp.vertex_ai"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("mistral", "mistral_ai"),
        ("mistralai", "mistral_ai"),
        ("xai", "x_ai"),
        ("ibm", "ibm.watsonx.ai"),
        ("watsonx", "ibm.watsonx.ai"),
        ("moonshot", "moonshot_ai"),
        ("a provider of tomorrow", "a provider of tomorrow"),
    ] {
        let mut span = llm_span(&json!("q"), &json!("a"));
        span.provider = Some(name.into());
        let sent = wire(&span, &options());
        assert_eq!(text(&sent, "gen_ai.provider.name").as_deref(), Some(expected), "{name}");
    }
}
