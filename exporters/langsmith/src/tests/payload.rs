//! What a run looks like on the wire.
//!
//! Rule: a golden file for the whole, a test for each rule; `CHARM_BLESS=1` writes the file anew.

use std::collections::BTreeMap;
use std::time::Duration;

use charm_telemetry_core::testing::RecordedRequest;
use charm_telemetry_core::trace::TelemetrySettings;
use charm_telemetry_core::{
    Environment, EnvironmentReader, ErrorText, EventKind, LlmEnd, LlmStart, StreamEvent, TokenUsage,
};
use serde_json::{Value, json};

use super::checker::Run;
use super::support::{Harness, exporter, finish, ingested, plain, recorded_run, runs};
use crate::multipart;
use crate::run_parts::{Operation, RunParts};

pub(super) fn settings(pairs: &[(&str, &str)]) -> TelemetrySettings {
    let environment = Environment::from_pairs(pairs.iter().copied());
    TelemetrySettings::read(&mut EnvironmentReader::new(&environment))
}

/// The runs of one agent run that `drive` makes.
fn sent(variables: &[(&str, &str)], all: &[(&str, &str)], drive: impl FnOnce(&mut Harness)) -> Vec<Run> {
    let double = plain();
    let mut harness = exporter(&double, variables).configured(settings(all));
    drive(&mut harness);
    finish(&mut harness);
    runs(&double)
}

fn one_tool(input: &str, output: &str) -> Run {
    let mut runs = sent(&[], &[], |harness| {
        harness.run_start(&json!({})).unwrap();
        let call = harness.new_call();
        harness.tool_start(call, "tool", input).unwrap();
        harness.tool_end(call, "tool", output).unwrap();
        harness.run_end(&json!({ "output": 1 })).unwrap();
    });
    runs.remove(1)
}

fn one_call(start: LlmStart, end: LlmEnd) -> Run {
    let mut runs = sent(&[], &[], |harness| {
        harness.run_start(&json!({})).unwrap();
        let call = harness.new_call();
        harness.llm_start(call, start).unwrap();
        harness.llm_end(call, end).unwrap();
        harness.run_end(&json!({})).unwrap();
    });
    runs.remove(1)
}

/// Ids by the order of their first place in `dotted_order`, so that two recordings can be compared.
fn masked(runs: &[Run]) -> Value {
    let mut text: Vec<Value> = runs
        .iter()
        .map(|run| json!({ "operation": run.operation, "main": run.main, "fields": run.fields }))
        .collect();
    text.sort_by_key(|run| run["main"]["dotted_order"].as_str().map(|order| (order.len(), order.to_owned())));
    let mut json = serde_json::to_string_pretty(&text).unwrap();
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    for run in &text {
        let next = ids.len();
        ids.entry(run["main"]["id"].as_str().unwrap().to_owned()).or_insert(next);
    }
    for (id, number) in ids {
        json = json.replace(&id, &format!("<id {number}>"));
    }
    let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    serde_json::from_str(&json.replace(&platform, "<platform>")).unwrap()
}

#[test]
fn a_whole_run_is_as_in_the_golden_file() {
    let all = [
        ("CHARM_AGENT_NAME", "agent"),
        ("CHARM_TELEMETRY_TAGS", "team=search"),
        ("CHARM_AGENT_VERSION", "2"),
    ];
    let got = masked(&sent(&[("LANGSMITH_PROJECT", "proj-x")], &all, recorded_run));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/data/run.json");
    if std::env::var_os("CHARM_BLESS").is_some() {
        std::fs::write(file, serde_json::to_string_pretty(&got).unwrap() + "\n").unwrap();
    }
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(
        got, expected,
        "if the change is meant: CHARM_BLESS=1 cargo test -p charm-telemetry-langsmith"
    );
}

#[test]
fn a_part_is_written_byte_for_byte_as_the_sdk_writes_it() {
    let empty = RunParts {
        operation: Operation::Patch,
        id: "01a20424-c179-7307-88b1-945483712f33",
        main: r#"{"id":"é"}"#,
        inputs: "",
        outputs: "{}",
        events: "",
        extra: "",
        error: "",
    };
    let body = multipart::body(&[empty]);
    let boundary = multipart::CONTENT_TYPE.split_once("boundary=").unwrap().1;
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"patch.01a20424-c179-7307-88b1-945483712f33\"\r\n\
         Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{{\"id\":\"é\"}}\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"patch.01a20424-c179-7307-88b1-945483712f33.outputs\"\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}\r\n--{boundary}--\r\n"
    );
    assert_eq!(String::from_utf8(body.clone()).unwrap(), expected);
    assert_eq!(multipart::data_bytes(&body), 13);
}

#[test]
fn the_first_token_gives_the_time_to_it_and_no_token_leaves_in_an_event() {
    let runs = sent(&[], &[], recorded_run);
    let model = runs.iter().find(|run| run.name() == "fake-1").unwrap();
    assert_eq!(
        *model.field("events"),
        json!([{ "name": "new_token", "time": "2025-01-01T00:00:00.020001Z" }])
    );
    assert_eq!(model.main["start_time"], "2025-01-01T00:00:00.010000Z");
}

#[test]
fn a_foreign_trace_header_changes_no_trace_id() {
    let remote = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let runs = sent(&[], &[("TRACEPARENT", remote)], recorded_run);
    let root = runs.iter().find(|run| run.main["parent_run_id"].is_null()).unwrap();
    assert!(runs.iter().all(|run| run.main["trace_id"] == root.main["id"]));
    assert_eq!(root.metadata()["charm_traceparent"], remote);
}

#[test]
fn nested_and_parallel_calls_hang_where_they_were_made() {
    let runs = sent(&[], &[], |harness| {
        harness.run_start(&json!({})).unwrap();
        let outer = harness.new_call();
        let inner = harness.new_call_in(outer);
        let beside = harness.new_call();
        harness.tool_start(outer, "outer", "").unwrap();
        harness.tool_start(beside, "beside", "").unwrap();
        harness.retriever_start(inner, "inner", "fjords").unwrap();
        harness.clock().advance(Duration::from_nanos(1_500));
        harness.tool_end(beside, "beside", "").unwrap();
        harness.retriever_end(inner, &json!([{ "page_content": "deep" }])).unwrap();
        harness.tool_end(outer, "outer", "").unwrap();
        harness.run_end(&json!({})).unwrap();
    });
    let by_name = |name: &str| runs.iter().find(|run| run.name() == name).unwrap();
    let (root, outer, inner) = (by_name("agent"), by_name("outer"), by_name("inner"));
    assert_eq!(inner.main["parent_run_id"], outer.main["id"]);
    assert_eq!(by_name("beside").main["parent_run_id"], root.main["id"]);
    assert_eq!(inner.main["dotted_order"].as_str().unwrap().split('.').count(), 3);
    assert_eq!(inner.main["run_type"], "retriever");
    assert_eq!(*inner.field("inputs"), json!({ "query": "fjords" }));
    assert_eq!(*inner.field("outputs"), json!({ "documents": [{ "page_content": "deep" }] }));
}

#[test]
fn inputs_and_outputs_are_objects_whatever_they_were() {
    for (input, output, inputs, outputs) in [
        ("Oslo", "rain", json!({ "input": "Oslo" }), json!({ "output": "rain" })),
        (r#"{"q":1}"#, "[1]", json!({ "q": 1 }), json!({ "output": [1] })),
        ("{not json}", "{'a': 1}", json!({ "input": "{not json}" }), json!({ "output": "{'a': 1}" })),
        ("", "", json!({ "input": "" }), json!({ "output": "" })),
    ] {
        let run = one_tool(input, output);
        assert_eq!((run.field("inputs"), run.field("outputs")), (&inputs, &outputs));
    }
    for (input, output, inputs, outputs) in [
        (
            json!("hi"),
            json!("Hello"),
            json!({ "messages": [{ "role": "user", "content": "hi" }] }),
            json!({ "role": "assistant", "content": "Hello" }),
        ),
        (
            json!(["a", "b"]),
            json!([{ "role": "ai" }]),
            json!({ "prompts": ["a", "b"] }),
            json!({ "messages": [{ "role": "ai" }] }),
        ),
        (json!({ "prompt": 1 }), json!({ "x": 2 }), json!({ "prompt": 1 }), json!({ "x": 2 })),
    ] {
        let run = one_call(LlmStart::new("zz").input(&input), LlmEnd::new().output(&output));
        assert_eq!((run.field("inputs"), run.field("outputs")), (&inputs, &outputs));
    }
}

#[test]
fn numbers_that_are_too_large_and_half_characters_are_no_reason_for_a_refusal() {
    let run = one_tool(r#"{"id":123456789012345678901234567890,"f":1e999}"#, r#"{"half":"\ud800"}"#);
    assert_eq!(*run.field("inputs"), json!({ "id": "123456789012345678901234567890", "f": "1e999" }));
    assert_eq!(*run.field("outputs"), json!({ "half": "\u{fffd}" }));
}

#[test]
fn an_error_is_its_class_its_text_and_its_traceback_and_parameters_are_where_langchain_has_them() {
    let mut runs = sent(&[], &[], |harness| {
        harness.run_start(&json!({})).unwrap();
        let call = harness.new_call();
        harness.tool_start(call, "t", "x").unwrap();
        let error = ErrorText::new("no sky").error_type("weather.NoSky").traceback("Traceback ...");
        harness.feed(Some(call), EventKind::ToolError { tool_name: "t".into(), error }).unwrap();
        harness.run_end(&json!({})).unwrap();
    });
    assert_eq!(*runs.remove(1).field("error"), json!("weather.NoSky: no sky\n\nTraceback ..."));
    let parameters = serde_json::from_str(r#"{"temperature": 0, "max_tokens": 9, "top_k": 4}"#).unwrap();
    let run = one_call(LlmStart::new("zz").parameters(parameters), LlmEnd::new());
    let expected = json!({ "model": "zz", "temperature": 0.0, "max_tokens": 9, "top_k": 4 });
    assert_eq!(run.field("extra")["invocation_params"], expected);
    assert_eq!(
        (&run.metadata()["ls_temperature"], &run.metadata()["ls_max_tokens"]),
        (&json!(0.0), &json!(9))
    );
}

#[test]
fn tokens_and_the_model_are_where_the_cost_is_computed_from() {
    let mut usage = TokenUsage::new(7, 3);
    usage.cache_read_tokens = Some(4);
    usage.cache_write_tokens = Some(1);
    usage.reasoning_tokens = Some(2);
    let run = one_call(LlmStart::new("zz").provider("openai"), LlmEnd::new().model("zz-2025").usage(usage));
    let expected = json!({
        "ls_provider": "openai", "ls_model_name": "zz", "ls_model_type": "chat", "charm_response_model": "zz-2025",
        "usage_metadata": {
            "input_tokens": 7, "output_tokens": 3, "total_tokens": 10,
            "input_token_details": { "cache_read": 4, "cache_creation": 1 }, "output_token_details": { "reasoning": 2 },
        },
    });
    assert_eq!(*run.metadata(), expected);
    assert_eq!(run.field("extra")["invocation_params"], json!({ "model": "zz" }));
}

#[test]
fn a_failed_run_and_an_abandoned_call_say_so() {
    let runs = sent(&[], &[], |harness| {
        harness.run_start(&json!({})).unwrap();
        let call = harness.new_call();
        harness.tool_start(call, "left open", "x").unwrap();
        harness.error("ValueError: \"quoted\"\n  line 2 \u{1}").unwrap();
    });
    assert_eq!(*runs[0].field("error"), json!("ValueError: \"quoted\"\n  line 2 \u{1}"));
    assert_eq!(runs[0].metadata()["charm_error_type"], "ValueError");
    assert_eq!(*runs[1].field("error"), json!("aborted: the run ended before the call did"));
    assert!(runs[1].main["end_time"].is_string());
}

#[test]
fn a_run_that_waits_for_a_person_has_the_mark_and_an_error_because_either_alone_says_something_else() {
    let suspended = |variables: &[(&str, &str)], all: &[(&str, &str)]| {
        let mut runs = sent(variables, all, |harness| {
            harness.run_start(&json!({})).unwrap();
            harness.run_end(&json!({ "status": "suspended", "output": "wait" })).unwrap();
        });
        runs.remove(0)
    };
    for all in [&[][..], &[("CHARM_TELEMETRY_CONTENT", "off")]] {
        let run = suspended(&[], all);
        assert_eq!(run.metadata()["ls_is_error_interrupt"], true);
        assert_eq!(*run.field("error"), json!("suspended: the run waits for a person"));
    }
    let hidden = suspended(&[("LANGSMITH_HIDE_METADATA", "true")], &[]);
    assert!(!hidden.fields.contains_key("error"), "without the mark it would have failed");
    let done = sent(&[], &[], |harness| {
        harness.run_start(&json!({})).unwrap();
        harness.run_end(&json!({ "output": "wait" })).unwrap();
    });
    assert!(!done[0].fields.contains_key("error"));
    assert!(done[0].metadata().get("ls_is_error_interrupt").is_none());
}

#[test]
fn actions_and_artifacts_are_events_of_the_run_around_them() {
    let drive = |harness: &mut Harness| {
        harness.run_start(&json!({})).unwrap();
        harness.agent_action("search", "{\"q\":1}").unwrap();
        harness
            .stream_event(StreamEvent::artifact("map", "https://maps.example.org/1", "image/png"))
            .unwrap();
        harness.run_end(&json!({})).unwrap();
    };
    let runs = sent(&[], &[], drive);
    let time = "2025-01-01T00:00:00.000000Z";
    let artifact = StreamEvent::artifact("map", "https://maps.example.org/1", "image/png");
    let artifact: Value = serde_json::from_str(artifact.json()).unwrap();
    let expected = json!([
        { "name": "agent_action", "time": time, "kwargs": { "tool": "search", "tool_input": "{\"q\":1}" } },
        { "name": "artifact", "time": time, "kwargs": artifact },
    ]);
    assert_eq!(*runs[0].field("events"), expected);
    let hidden = sent(&[("LANGSMITH_HIDE_OUTPUTS", "true")], &[], drive);
    let bare = json!([{ "name": "agent_action", "time": time }, { "name": "artifact", "time": time }]);
    assert_eq!(*hidden[0].field("events"), bare);
}

#[test]
fn a_name_is_cut_to_128_characters_and_never_empty() {
    let runs = sent(&[], &[], |harness| {
        harness.run_start(&json!({})).unwrap();
        for name in ["é".repeat(200).as_str(), " "] {
            let call = harness.new_call();
            harness.tool_start(call, name, "x").unwrap();
            harness.tool_end(call, name, "x").unwrap();
        }
        harness.run_end(&json!({})).unwrap();
    });
    let names: Vec<_> = runs.iter().map(Run::name).collect();
    assert_eq!(names, ["agent", "tool", "é".repeat(128).as_str()]);
}

#[test]
fn what_is_hidden_is_nowhere_in_the_bytes() {
    let secrets = ["in-secret", "out-secret", "tool-secret", "token-secret", "error-secret"];
    let drive = |harness: &mut Harness| {
        harness.run_start(&json!({ "q": "in-secret" })).unwrap();
        harness.agent_action("search", "tool-secret").unwrap();
        let call = harness.new_call();
        harness.llm_start(call, LlmStart::new("m").provider("p").input("in-secret")).unwrap();
        harness.token(call, "token-secret").unwrap();
        harness.llm_end(call, LlmEnd::new().usage(TokenUsage::new(1, 1))).unwrap();
        let call = harness.new_call();
        harness.tool_start(call, "t", "in-secret").unwrap();
        harness.tool_end(call, "t", "out-secret").unwrap();
        harness.error("ValueError: error-secret").unwrap();
    };
    let found = |variables: &[(&str, &str)], all: &[(&str, &str)]| -> Vec<&str> {
        let double = plain();
        let mut harness = exporter(&double, variables).configured(settings(all));
        drive(&mut harness);
        finish(&mut harness);
        let bytes: String = ingested(&double).iter().map(RecordedRequest::text).collect();
        assert!(!bytes.contains(super::support::KEY));
        secrets.into_iter().filter(|secret| bytes.contains(secret)).collect()
    };
    assert_eq!(found(&[], &[]), secrets);
    assert_eq!(
        found(&[("LANGSMITH_HIDE_INPUTS", "true")], &[]),
        ["out-secret", "token-secret", "error-secret"]
    );
    assert_eq!(found(&[("LANGCHAIN_HIDE_OUTPUTS", "1")], &[]), ["in-secret", "error-secret"]);
    let early = [("LANGSMITH_HIDE_INPUTS", "true"), ("CHARM_LANGSMITH_POST_AFTER", "0s")];
    assert_eq!(found(&early, &[]), ["out-secret", "token-secret", "error-secret"]);
    let both = [("LANGSMITH_HIDE_INPUTS", "true"), ("LANGSMITH_HIDE_OUTPUTS", "TRUE")];
    assert_eq!(found(&both, &[]), ["error-secret"], "as in LangSmith's own SDKs");
    assert_eq!(found(&[], &[("CHARM_TELEMETRY_CONTENT", "off")]), [""; 0]);
}

#[test]
fn hidden_metadata_is_an_empty_object() {
    let runs = sent(&[("LANGSMITH_HIDE_METADATA", "true")], &[], recorded_run);
    for run in runs {
        assert_eq!(*run.metadata(), json!({}));
        assert!(run.field("extra").get("invocation_params").is_none());
    }
}

#[test]
fn a_run_that_is_larger_than_a_request_is_cut_and_says_so() {
    let quotes = "\u{1}".repeat(1024 * 1024);
    let run = one_tool(&quotes, &quotes);
    let input = run.field("inputs")["input"].as_str().unwrap();
    assert_eq!(input.len(), 128 * 1024);
    assert_eq!(run.metadata()["charm_truncated"], json!(["inputs", "outputs"]));
    let run = one_tool("x", &"y".repeat(3 * 1024 * 1024));
    assert_eq!(run.metadata()["charm_truncated"], json!(["outputs"]), "core has cut it to 1 MiB");
}

#[test]
fn a_tag_never_stands_under_a_key_that_langsmith_reads() {
    let tags = [("CHARM_TELEMETRY_TAGS", "usage_metadata=many,ls_provider=x,team=search")];
    let runs = masked(&sent(&[], &tags, recorded_run));
    let text = runs.to_string();
    assert!(text.contains("team:search") && text.contains(r#""team":"search""#), "{text}");
    assert!(!text.contains("many") && !text.contains(r#""ls_provider":"x""#), "{text}");
}
