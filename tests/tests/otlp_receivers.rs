//! The OTLP exporter against receivers that others wrote, read back through their own interfaces.
//!
//! Rule: what a receiver shows is compared, not that it answered 200; it ends with the test.

use std::time::Duration;

use charm_telemetry_core::{Environment, LlmEnd, LlmStart, Manager, PipeWriter, RunId, TokenUsage};
use charm_telemetry_otlp as _;
use charm_telemetry_tests::receivers::{OtelTap, Phoenix};
use serde_json::{Value, json};

#[test]
fn oteltap_reads_the_spans_and_the_metrics() {
    let Some(receiver) = OtelTap::start() else { return };
    run_agent(receiver.port, &[]);

    let wanted = [
        "chat gpt-4o",
        "execute_tool weather",
        "invoke_agent weather bot",
        "gen_ai.client.token.usage",
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.operation.time_per_output_chunk",
    ];
    let is_there = |seen: &[Value]| {
        let seen = json!(seen).to_string();
        wanted.iter().all(|name| seen.contains(name))
    };
    let seen = json!(receiver.records(is_there)).to_string();
    assert!(seen.contains("ValueError"), "{seen}");
    assert!(!seen.contains("SECRET"), "content stays at home by default");
}

#[test]
fn phoenix_shows_the_tree_the_tokens_the_messages_and_the_error() {
    let Some(phoenix) = Phoenix::start() else { return };
    let capture = ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY");
    let project = ("OTEL_RESOURCE_ATTRIBUTES", "openinference.project.name=charm");
    let id = run_agent(phoenix.port, &[capture, project, ("OTEL_METRICS_EXPORTER", "none")]);

    let spans = phoenix.spans("charm", 3);
    let named = |name: &str| spans.iter().find(|span| span["name"] == name).expect("the span is stored");
    let (agent, llm) = (named("invoke_agent weather bot"), named("chat gpt-4o"));
    let tool = named("execute_tool weather");
    for (span, kind) in [(agent, "AGENT"), (llm, "LLM"), (tool, "TOOL")] {
        assert_eq!(span["span_kind"], kind);
        assert_eq!(span["context"]["trace_id"], id.to_string().replace('-', ""));
    }
    for child in [llm, tool] {
        assert_eq!(child["parent_id"], agent["context"]["span_id"]);
    }
    assert_eq!(agent["parent_id"], Value::Null);
    let attributes = &llm["attributes"];
    assert_eq!(attributes["llm.model_name"], "gpt-4o");
    assert_eq!(attributes["llm.token_count.prompt"], 120);
    assert_eq!(attributes["llm.token_count.completion"], 7);
    let asked = "llm.input_messages.0.message.contents.0.message_content.text";
    let asked_short = "llm.input_messages.0.message.content";
    let text = [asked, asked_short].iter().find_map(|key| attributes[*key].as_str());
    assert_eq!(text, Some("SECRET question"), "{attributes:#}");
    assert_eq!(tool["status_code"], "ERROR");
    assert_eq!(tool["status_message"], "ValueError: SECRET city");
    assert!(tool["events"].to_string().contains("exception"));
    assert_ne!(agent["end_time"], agent["start_time"]);
}

/// A run with a streamed answer and a tool that fails.
fn run_agent(port: u16, more: &[(&str, &str)]) -> RunId {
    let mut environment = Environment::from_pairs(more.iter().copied());
    environment.set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"));
    environment.set("CHARM_SPOOL_MAX_BYTES", "0");
    environment.set("CHARM_AGENT_NAME", "weather bot");
    let stdout = PipeWriter::new(tempfile::tempfile().expect("a scratch file"));
    let manager = Manager::builder().environment(environment).stdout(stdout).activate("otlp").start();
    let manager = manager.expect("all is well");
    let run = manager.start_run(&json!({ "input": "SECRET question" }));
    let id = run.id();
    let asked = json!([{ "role": "user", "content": "SECRET question" }]);
    let mut call = run.llm_call(LlmStart::new("gpt-4o").provider("openai").input(&asked));
    call.token("SECRET");
    call.token(" answer");
    call.finish(LlmEnd::new().output(&"SECRET answer").usage(TokenUsage::new(120, 7)));
    run.tool_call("weather", r#"{"city":"Oslo"}"#).fail("ValueError: SECRET city");
    run.finish("SECRET answer");
    manager.shutdown(Duration::from_secs(30));
    id
}
