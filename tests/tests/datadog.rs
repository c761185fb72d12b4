//! The exporter for Datadog before Datadog's own test agent, and the runner before a strict double of the public intake.
//!
//! Rule: what they got is read back from them; the agent says 200 to anything. They listen on loopback only, and the agent is
//! started without the variables that would make it send things on.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::process::Command;
use std::time::Duration;

use charm_telemetry_core::{Environment, LlmEnd, LlmStart, Manager, PipeWriter, TokenUsage};
use charm_telemetry_datadog as _;
use charm_telemetry_tests::receivers::{DatadogAgent, DatadogIntake};
use charm_telemetry_tests::{binaries, process, requires, trees, workspace};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(1);

const KEY: &str = "0123456789abcdef";

/// A run of a manager whose spans go through the agent.
fn weather(agent: &DatadogAgent) {
    let url = format!("http://127.0.0.1:{}", agent.port);
    let environment = Environment::from_pairs([
        ("DD_TRACE_AGENT_URL", &*url),
        ("DD_API_KEY", "key-that-an-agent-does-not-need"),
        ("DD_SERVICE", "wsvc"),
        ("DD_LLMOBS_ML_APP", "weather-app"),
        ("CHARM_AGENT_NAME", "weather_agent"),
        ("CHARM_SPOOL_MAX_BYTES", "0"),
    ]);
    let stdout = PipeWriter::new(tempfile::tempfile().unwrap());
    let manager =
        Manager::builder().environment(environment).activate("datadog").stdout(stdout).start().unwrap();
    let run = manager.start_run(&json!({ "input": "Weather in Lyon? 中", "thread_id": "sess-42" }));
    let mut llm = run.llm_call(LlmStart::new("gpt-x").provider("openai").input("Weather in Lyon?"));
    llm.token("let me see");
    let mut usage = TokenUsage::default();
    (usage.input_tokens, usage.output_tokens) = (Some(12), Some(5));
    llm.finish(LlmEnd::new().usage(usage));
    let tool = run.tool_call("get_weather", r#"{"city": "Lyon"}"#);
    tool.fail("ValueError: no sky");
    run.finish(&json!("21 C in Lyon"));
    let report = manager.shutdown(PATIENCE);
    assert!(report.is_balanced(), "{report}");
}

/// The trace, the conversation and the application are on every span.
#[track_caller]
fn whose_they_are(spans: &[Value]) {
    let trace = spans[0]["trace_id"].as_str().unwrap();
    assert_eq!(trace.len(), 32);
    for span in spans {
        assert_eq!((&span["trace_id"], &span["session_id"]), (&json!(trace), &json!("sess-42")));
        let tags = span["tags"].as_array().unwrap();
        for tag in ["ml_app:weather-app", "service:wsvc", "session_id:sess-42", "source:charm-telemetry"] {
            assert!(tags.contains(&json!(tag)), "{tag}: {tags:?}");
        }
    }
}

#[test]
fn datadogs_test_agent_has_the_tree_the_tokens_and_the_error() {
    let Some(agent) = DatadogAgent::start() else { return };
    weather(&agent);
    let posted = agent.posted();
    let mut spans = agent.spans();
    spans.sort_by_key(|span| span["name"].as_str().unwrap().to_owned());
    let [tool, llm, root] = &spans[..] else { panic!("three spans, each once: {spans:#?}") };
    assert_eq!([tool, llm, root].map(|span| &span["name"]), ["get_weather", "gpt-x", "weather_agent"]);
    whose_they_are(&spans);
    assert_eq!(root["parent_id"], "undefined");
    assert_eq!((&tool["parent_id"], &llm["parent_id"]), (&root["span_id"], &root["span_id"]));
    let kinds = [tool, llm, root].map(|span| span["meta"]["span"]["kind"].as_str().unwrap());
    assert_eq!(kinds, ["tool", "llm", "agent"]);
    assert_eq!(root["meta"]["input"]["value"], "Weather in Lyon? 中");
    assert_eq!(llm["meta"]["output"]["messages"], json!([{ "role": "assistant", "content": "let me see" }]));
    let tokens = ["input_tokens", "output_tokens", "total_tokens"].map(|name| llm["metrics"][name].as_u64());
    assert_eq!(tokens, [Some(12), Some(5), Some(17)]);
    assert!(llm["metrics"]["time_to_first_token"].as_f64().is_some_and(|seconds| seconds < 60.0));
    assert_eq!(tool["meta"]["error"], json!({ "type": "ValueError", "message": "no sky" }));
    assert_eq!([tool, llm, root].map(|span| span["status"].as_str().unwrap()), ["error", "ok", "ok"]);
    for (headers, _) in &posted {
        assert_eq!(headers["x-datadog-evp-subdomain"], "llmobs-intake");
        assert!(
            !headers.contains_key("dd-api-key") && !headers.contains_key("content-encoding"),
            "{headers:?}"
        );
    }
}

/// What the runner says of the agent of the example; `None` after saying that the test is skipped.
fn run(variables: &[(&str, &str)]) -> Option<process::Finished> {
    let (venv, scratch) = (requires::venv()?, tempfile::tempdir().unwrap());
    let folder = scratch.path().join("agent");
    workspace::copy_folder(&workspace::root().join("examples/agents/langgraph"), &folder);
    let manifest = std::fs::read_to_string(folder.join("charm.yaml")).unwrap();
    let with_exporter = manifest.trim_end().to_owned() + "\n  telemetry: [datadog]\n";
    std::fs::write(folder.join("charm.yaml"), with_exporter).unwrap();
    let mut command = Command::new(binaries::runner());
    command.args(["run", "agent", "--json", r#"{"input":"What is 6 times 7 in words?"}"#]);
    command.env_clear().env("PATH", venv.bin()).env("CHARM_STATE_DIR", scratch.path().join("state"));
    command.envs(variables.iter().copied()).current_dir(&scratch);
    let finished = process::run(command, scratch.path());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    Some(finished)
}

#[test]
fn the_public_intake_takes_every_span_of_a_real_agent() {
    let intake = DatadogIntake::start(KEY);
    let Some(finished) = run(&[("DD_API_KEY", KEY), ("DD_LLMOBS_OVERRIDE_ORIGIN", &intake.url())]) else {
        return;
    };
    assert!(!finished.stderr.contains("datadog"), "nothing to complain of: {}", finished.stderr);
    let nodes = trees::of_datadog(&intake.spans()).nodes;
    let told: Vec<_> =
        nodes.iter().map(|node| (node.kind, node.name.as_str(), node.parent, node.tokens)).collect();
    let llm = ("llm", "", Some(0), Some((20, 8)));
    let tool = |name| ("tool", name, Some(0), None);
    let expected = [("agent", "Calculator", None, None), llm, tool("multiply"), llm, tool("spell"), llm];
    assert_eq!(told, expected);
}

#[test]
fn whoever_switched_it_off_is_told_once_that_nothing_is_sent() {
    let intake = DatadogIntake::start(KEY);
    let off = [("DD_LLMOBS_ENABLED", "false"), ("DD_LLMOBS_OVERRIDE_ORIGIN", &intake.url())];
    let Some(finished) = run(&off) else { return };
    let told = "charm: datadog: nothing is sent: `DD_LLMOBS_ENABLED` says so\n";
    assert_eq!(finished.stderr.matches(told).count(), 1, "{}", finished.stderr);
    assert!(intake.requests().is_empty());
}
