//! What is told besides the texts: parameters of models, tracebacks of errors.

use charm_telemetry_core::testing::ExporterHarness;
use charm_telemetry_core::trace::{ContentPolicy, FinishedSpan, SpanExporter, SpanFeed};
use charm_telemetry_core::{ErrorText, EventKind, HookResult, LlmEnd, LlmStart};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::json;

use super::encoding::{any, wire};
use super::script::*;

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
