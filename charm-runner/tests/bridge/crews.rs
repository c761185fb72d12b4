//! Real crews: what CrewAI says on its event bus, as exporters get it.
//! The one rule: models are scripted and CrewAI's own telemetry is off; nothing leaves the machine.

use charm_runner::bridge::PythonAdapter::CrewAi;
use serde_json::{Value, json};

use crate::harness::{Agent, crew_python};

const OFFLINE: &str = "
import os
os.environ.update(CREWAI_DISABLE_TELEMETRY='true', CREWAI_TRACING_ENABLED='false', OTEL_SDK_DISABLED='true')
os.environ['CREWAI_STORAGE_DIR'] = os.environ['HOME'] = os.getcwd()
";
const TOOLS: &str = include_str!("../../../tests/agents/crewai-tools/agent.py");
const STREAMED: &str = include_str!("../../../tests/agents/crewai-streamed/agent.py");

/// The records, without the prompts that CrewAI writes and its tracebacks, and the tokens.
fn told(source: &str) -> Option<Vec<Value>> {
    let agent = Agent::of(&crew_python()?, CrewAi, "agent:crew", &format!("{OFFLINE}{source}"));
    let seen = agent.run(r#"{"input": "Oslo"}"#).with_numbered_ids();
    assert!(seen.status.success(), "{seen:?}");
    let read = |line: &String| match line.strip_prefix("j:") {
        Some(record) => shortened(serde_json::from_str(record).expect("it was written as JSON")),
        None => json!(line),
    };
    Some(seen.told.iter().map(read).collect())
}

fn shortened(mut record: Value) -> Value {
    if record["type"] == "llm_start" {
        assert!(
            record["input"][0]["content"].as_str().is_some_and(|text| text.contains("Watcher")),
            "{record}"
        );
        record["input"] = json!(record["input"].as_array().map(Vec::len));
    }
    if let Some(traceback) = record.as_object_mut().and_then(|record| record.remove("traceback")) {
        assert!(traceback.as_str().is_some_and(|text| text.contains("in find_place")), "{traceback}");
    }
    record
}

/// Where a model says nothing else, CrewAI itself names this provider.
fn asked(call: &str, messages: usize) -> Value {
    json!({"type": "llm_start", "call": call, "model": "scripted-1", "provider": "openai",
        "parameters": {"temperature": 0.5}, "input": messages})
}

fn answered(call: &str, text: &str, input_tokens: u64) -> Value {
    let usage = json!({"input_tokens": input_tokens, "output_tokens": 5, "total_tokens": input_tokens + 5});
    json!({"type": "llm_end", "call": call, "model": "scripted-1", "usage": usage,
        "output": {"role": "assistant", "content": text}})
}

#[test]
fn a_crew_tells_its_models_and_tools() {
    let Some(told) = told(TOOLS) else { return };
    let map = |call: &str| {
        [
            json!({"type": "tool_start", "call": call, "tool": "find_place", "input": "{\"name\": \"Oslo\"}",
                "arguments": {"name": "Oslo"}}),
            json!({"type": "tool_error", "call": call, "tool": "find_place", "error": "no map of Oslo",
                "error_type": "ValueError"}),
        ]
    };
    let first = "Thought: first the map.\nAction: find_place\nAction Input: {\"name\": \"Oslo\"}";
    let second = "Thought: then the sky.\nAction: get_weather\nAction Input: {\"city\": \"Oslo\"}";
    let third = "Thought: I know it.\nFinal Answer: It is cloudy in Oslo.";
    let mut expected = vec![asked("#1", 2), answered("#1", first, 10)];
    // CrewAI tries a tool three times.
    expected.extend(["#2", "#3", "#4"].into_iter().flat_map(map));
    expected.extend([
        asked("#5", 4),
        answered("#5", second, 11),
        json!({"type": "tool_start", "call": "#6", "tool": "get_weather", "input": "{\"city\": \"Oslo\"}",
            "arguments": {"city": "Oslo"}}),
        json!({"type": "tool_end", "call": "#6", "tool": "get_weather", "output": "cloudy in Oslo"}),
        asked("#7", 6),
        answered("#7", third, 12),
        json!({"type": "result",
            "result": {"status": "success", "output": "It is cloudy in Oslo.", "charm_state": ""}}),
    ]);
    assert_eq!(told, expected, "{told:#?}");
}

#[test]
fn of_a_crew_whose_model_streams_the_answer_is_told_and_not_what_its_agents_say_to_each_other() {
    let Some(told) = told(STREAMED) else { return };
    assert_eq!(told.len(), 3, "start, end, result: {told:#?}");
    assert_eq!((&told[0]["type"], &told[0]["call"]), (&json!("llm_start"), &json!("#1")));
    assert_eq!(told[told.len() - 2]["output"]["content"], "Final Answer: It is cloudy.");
}
