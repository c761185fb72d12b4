//! The exporter for Datadog before Datadog's own test agent.
//!
//! Rule: what the agent got is read back from it; it says 200 to anything. It listens on loopback only, and is started without
//! the variables that would make it send things on.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::collections::BTreeMap;
use std::time::Duration;

use charm_telemetry_core::{Environment, LlmEnd, LlmStart, Manager, PipeWriter};
use charm_telemetry_datadog as _;
use charm_telemetry_tests::receivers::DatadogAgent;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(1);

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
    llm.finish(LlmEnd::new());
    let tool = run.tool_call("get_weather", r#"{"city": "Lyon"}"#);
    tool.fail("ValueError: no sky");
    run.finish(&json!("21 C in Lyon"));
    let report = manager.shutdown(PATIENCE);
    assert!(report.is_balanced(), "{report}");
}

#[test]
fn datadogs_test_agent_has_the_tree_the_tokens_and_the_error() {
    let Some(agent) = DatadogAgent::start() else { return };
    weather(&agent);
    let posted = agent.posted();
    let spans: BTreeMap<&str, &Value> = posted
        .iter()
        .flat_map(|(_, body)| body.as_array().unwrap())
        .map(|envelope| &envelope["spans"][0])
        .map(|span| (span["name"].as_str().unwrap(), span))
        .collect();
    assert_eq!(spans.keys().copied().collect::<Vec<_>>(), ["get_weather", "gpt-x", "weather_agent"]);
    let [tool, llm, root] = ["get_weather", "gpt-x", "weather_agent"].map(|name| spans[name]);
    assert_eq!(root["parent_id"], "undefined");
    assert_eq!((&tool["parent_id"], &llm["parent_id"]), (&root["span_id"], &root["span_id"]));
    let kinds = [tool, llm, root].map(|span| span["meta"]["span"]["kind"].as_str().unwrap());
    assert_eq!(kinds, ["tool", "llm", "agent"]);
    assert_eq!(root["meta"]["input"]["value"], "Weather in Lyon? 中");
    assert_eq!(llm["meta"]["output"]["messages"], json!([{ "role": "assistant", "content": "let me see" }]));
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
