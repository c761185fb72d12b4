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

/// A run as Phoenix stored it in a project.
struct Stored {
    id: RunId,
    spans: Vec<Value>,
}

impl Stored {
    fn new(phoenix: &Phoenix, project: &str, more: &[(&str, &str)]) -> Self {
        let project_name = format!("openinference.project.name={project}");
        let basis = [
            ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY"),
            ("OTEL_RESOURCE_ATTRIBUTES", &*project_name),
            ("OTEL_METRICS_EXPORTER", "none"),
        ];
        let variables: Vec<_> = basis.iter().chain(more).copied().collect();
        let id = run_agent(phoenix.port, &variables);
        Self { id, spans: phoenix.spans(project, SPANS.len()) }
    }

    fn named(&self, name: &str) -> &Value {
        self.spans.iter().find(|span| span["name"] == name).expect("the span is stored")
    }

    /// What it shows whatever the attributes are called: kinds, tree, numbers, messages, statuses.
    fn check(&self) {
        let mut names: Vec<_> =
            self.spans.iter().map(|span| span["name"].as_str().expect("a name")).collect();
        names.sort_unstable();
        assert_eq!(names, SPANS, "each once");
        let [chat, research, weather, agent, cities] = SPANS.map(|name| self.named(name));
        for (span, kind, parent, status) in [
            (agent, "AGENT", None, "UNSET"),
            (chat, "LLM", Some(agent), "UNSET"),
            (research, "TOOL", Some(agent), "UNSET"),
            (cities, "RETRIEVER", Some(research), "UNSET"),
            (weather, "TOOL", Some(agent), "ERROR"),
        ] {
            let name = &span["name"];
            assert_eq!((&span["span_kind"], &span["status_code"]), (&json!(kind), &json!(status)), "{name}");
            assert_eq!(span["context"]["trace_id"], self.id.to_string().replace('-', ""));
            let parent = parent.map_or(Value::Null, |parent| parent["context"]["span_id"].clone());
            assert_eq!(span["parent_id"], parent, "{name}");
        }
        self.check_attributes(
            "chat gpt-4o",
            &[
                ("llm.model_name", json!("gpt-4o")),
                ("llm.provider", json!("openai")),
                ("llm.token_count.prompt", json!(120)),
                ("llm.token_count.completion", json!(7)),
                ("llm.token_count.total", json!(127)),
                ("llm.token_count.prompt_details.cache_read", json!(100)),
                ("llm.finish_reason", json!("stop")),
                ("llm.input_messages.0.message.role", json!("user")),
                ("llm.input_messages.0.message.content", json!("SECRET question")),
                ("llm.output_messages.0.message.role", json!("assistant")),
                ("llm.output_messages.0.message.content", json!("SECRET answer")),
            ],
        );
        self.check_attributes("execute_tool weather", &[("error.type", json!("ValueError"))]);
        assert_eq!(weather["status_message"], "ValueError: SECRET city");
        assert_eq!(weather["events"][0]["name"], "exception");
        assert_eq!(agent["attributes"]["llm.token_count.prompt"], Value::Null, "they are added up by trace");
        assert_ne!(agent["end_time"], agent["start_time"]);
    }

    fn check_attributes(&self, name: &str, expected: &[(&str, Value)]) {
        let attributes = &self.named(name)["attributes"];
        for (key, value) in expected {
            assert_eq!(attributes[*key], *value, "{name}: {key} in {attributes:#}");
        }
    }
}

#[test]
fn phoenix_shows_the_tree_the_tokens_the_messages_and_the_error() {
    let Some(phoenix) = Phoenix::start() else { return };
    let plain = Stored::new(&phoenix, "charm", &[]);
    plain.check();
    plain.check_attributes(
        "retrieval cities",
        &[("input.value", json!("SECRET Oslo")), ("output.value", Value::Null)],
    );
    plain.check_attributes("invoke_agent weather bot", &[("input.value", Value::Null)]);

    // Its columns for inputs and outputs are filled by OpenInference.
    let both = Stored::new(&phoenix, "both", &[("CHARM_OTLP_OPENINFERENCE", "true")]);
    both.check();
    for (name, input, output) in [
        ("invoke_agent weather bot", r#"{"input":"SECRET question"}"#, "SECRET answer"),
        ("execute_tool research", r#"{"city":"Oslo"}"#, "SECRET found"),
        ("retrieval cities", "SECRET Oslo", r#"[{"id":"d1","page_content":"SECRET 59.9 N"}]"#),
        ("execute_tool weather", r#"{"city":"Oslo"}"#, ""),
    ] {
        both.check_attributes(name, &[("input.value", json!(input)), ("output.value", json!(output))]);
    }
    both.check_attributes("invoke_agent weather bot", &[("agent.name", json!("weather bot"))]);
    both.check_attributes("chat gpt-4o", &[("input.mime_type", json!("application/json"))]);
}

/// The spans of the run, by the alphabet.
const SPANS: [&str; 5] = [
    "chat gpt-4o",
    "execute_tool research",
    "execute_tool weather",
    "invoke_agent weather bot",
    "retrieval cities",
];

/// A run with a streamed answer, a tool that searches and a tool that fails.
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
    let mut usage = TokenUsage::new(120, 7);
    usage.cache_read_tokens = Some(100);
    let answer = json!({ "role": "assistant", "content": "SECRET answer", "finish_reason": "stop" });
    call.finish(LlmEnd::new().output(&answer).usage(usage));
    let research = run.tool_call("research", r#"{"city":"Oslo"}"#);
    research
        .retriever_call("cities", "SECRET Oslo")
        .finish(&json!([{ "page_content": "SECRET 59.9 N", "id": "d1" }]));
    research.finish("SECRET found");
    run.tool_call("weather", r#"{"city":"Oslo"}"#).fail("ValueError: SECRET city");
    run.finish("SECRET answer");
    manager.shutdown(Duration::from_secs(30));
    id
}
