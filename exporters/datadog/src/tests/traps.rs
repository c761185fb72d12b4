//! What has gone wrong for others: one test for each trap of the formats.
//!
//! Rule: a test says in its name what must not happen again.

use std::time::Duration;

use charm_telemetry_core::{ErrorText, EventKind, LlmEnd, LlmStart, TokenUsage};
use serde_json::{Value, json};

use super::{arrived, arrived_with, named, weather};
use crate::settings::Format;

const BOTH: [Format; 2] = [Format::Public, Format::Agent];

/// One call of a model that streams.
fn model(harness: &mut super::Harness, end: LlmEnd) {
    harness.run_start(&json!({})).unwrap();
    let call = harness.new_call();
    harness.llm_start(call, LlmStart::new("gpt-x").provider("openai")).unwrap();
    for _ in 0..3 {
        harness.clock().advance(Duration::from_millis(500));
        harness.token(call, "a").unwrap();
    }
    harness.llm_end(call, end).unwrap();
    harness.run_end(&json!({})).unwrap();
}

#[test]
fn the_model_stands_where_each_format_has_it() {
    let [public, agent] = BOTH.map(|format| named(&arrived(format, weather), "gpt-x")["meta"].clone());
    assert_eq!(public["metadata"]["model_name"], "gpt-x");
    assert_eq!(public["metadata"]["model_provider"], "openai");
    assert_eq!((&agent["model_name"], &agent["model_provider"]), (&json!("gpt-x"), &json!("openai")));
}

#[test]
fn a_model_is_priced_by_its_full_name_and_keeps_the_one_that_was_asked_for() {
    let spans = arrived(Format::Agent, |harness| model(harness, LlmEnd::new().model("gpt-x-2026")));
    let meta = &named(&spans, "gpt-x")["meta"];
    assert_eq!(
        (&meta["model_name"], &meta["metadata"]["requested_model"]),
        (&json!("gpt-x-2026"), &json!("gpt-x"))
    );
}

#[test]
fn times_are_nanoseconds_but_those_of_tokens_are_seconds() {
    for format in BOTH {
        let spans = arrived(format, |harness| model(harness, LlmEnd::new()));
        let llm = named(&spans, "gpt-x");
        assert_eq!(llm["duration"], 1_500_000_000_u64);
        assert_eq!(llm["metrics"], json!({ "time_to_first_token": 0.5, "time_per_output_token": 0.5 }));
    }
}

#[test]
fn no_digit_of_a_moment_is_lost() {
    for format in BOTH {
        for past in 1..4 {
            let mut began = 0;
            let spans = arrived(format, |harness| {
                harness.clock().advance(Duration::from_nanos(past));
                let wall = harness.clock().now().wall.duration_since(std::time::UNIX_EPOCH).unwrap();
                began = u64::try_from(wall.as_nanos()).unwrap();
                harness.run_start(&json!({})).unwrap();
                harness.run_end(&json!({})).unwrap();
            });
            assert_eq!(spans[0]["start_ns"].as_u64(), Some(began), "a float has not that many digits");
        }
    }
}

#[test]
fn tokens_that_nobody_counted_are_not_sent_as_zero() {
    let spans = arrived(Format::Public, |harness| model(harness, LlmEnd::new()));
    let llm = named(&spans, "gpt-x");
    assert!(!llm["metrics"].as_object().unwrap().keys().any(|name| name.ends_with("_tokens")));
    assert_eq!(llm["meta"]["metadata"]["streamed_tokens"], 3);
}

#[test]
fn tokens_are_sent_as_they_were_counted_and_summed_if_the_provider_did_not() {
    let mut usage = TokenUsage::default();
    (usage.input_tokens, usage.output_tokens) = (Some(12), Some(5));
    (usage.cache_read_tokens, usage.cache_write_tokens) = (Some(4), Some(3));
    usage.reasoning_tokens = Some(2);
    for format in BOTH {
        let spans = arrived(format, |harness| model(harness, LlmEnd::new().usage(usage)));
        let metrics = &named(&spans, "gpt-x")["metrics"];
        let expected = [12, 5, 17, 4, 3, 2].map(Value::from);
        let names = [
            "input_tokens",
            "output_tokens",
            "total_tokens",
            "cache_read_input_tokens",
            "cache_write_input_tokens",
            "reasoning_output_tokens",
        ];
        assert_eq!(names.map(|name| metrics[name].clone()), expected);
        assert_eq!(named(&spans, "weather_agent")["metrics"], json!({}), "or the run would count them twice");
    }
}

#[test]
fn inputs_and_outputs_that_are_no_text_are_json_in_a_text() {
    for format in BOTH {
        let spans = arrived(format, |harness| {
            harness.run_start(&json!({ "input": "hi", "style": "brief" })).unwrap();
            harness.run_end(&json!({ "status": "success", "output": { "temp_c": 21 } })).unwrap();
        });
        let meta = &named(&spans, "weather_agent")["meta"];
        assert_eq!(meta["input"]["value"], r#"{"input":"hi","style":"brief"}"#);
        assert_eq!(meta["output"]["value"], r#"{"temp_c":21}"#);
    }
}

#[test]
fn an_error_has_its_class_and_its_stack_and_a_call_its_parameters_and_what_tools_answered() {
    for format in BOTH {
        let spans = arrived(format, |harness| {
            harness.run_start(&json!({})).unwrap();
            let call = harness.new_call();
            harness.tool_start(call, "t", "x").unwrap();
            let error = ErrorText::new("no sky").error_type("weather.NoSky").traceback("Traceback ...");
            harness.feed(Some(call), EventKind::ToolError { tool_name: "t".into(), error }).unwrap();
            let parameters = serde_json::from_str(r#"{"temperature": 0.2, "max_tokens": 9}"#).unwrap();
            let answer = json!([{ "role": "tool", "content": "21 C", "tool_call_id": "c1", "name": "t" }]);
            let call = harness.new_call();
            harness.llm_start(call, LlmStart::new("m").parameters(parameters).input(&answer)).unwrap();
            harness.llm_end(call, LlmEnd::new()).unwrap();
            harness.run_end(&json!({})).unwrap();
        });
        let (tool, llm) = (&named(&spans, "t")["meta"], &named(&spans, "m")["meta"]);
        let expected = json!({ "type": "weather.NoSky", "message": "no sky", "stack": "Traceback ..." });
        assert_eq!(tool["error"], expected);
        assert_eq!(
            (&llm["metadata"]["temperature"], &llm["metadata"]["max_tokens"]),
            (&json!(0.2), &json!(9))
        );
        let result = json!({ "name": "t", "result": "21 C", "tool_id": "c1", "type": "tool_result" });
        let message = match format {
            Format::Public => json!({ "role": "tool", "content": "21 C" }),
            Format::Agent => json!({ "role": "tool", "content": "", "tool_results": [result] }),
        };
        assert_eq!(llm["input"]["messages"], json!([message]));
    }
}

#[test]
fn an_error_of_a_tool_is_none_of_its_run() {
    for format in BOTH {
        let spans = arrived(format, weather);
        let (agent, tool) = (named(&spans, "weather_agent"), named(&spans, "bad_tool"));
        assert_eq!((&agent["status"], &tool["status"]), (&json!("ok"), &json!("error")));
        assert!(tool["tags"].as_array().unwrap().contains(&json!("error_type:ValueError")));
        assert!(tool["meta"].get("output").is_none());
    }
}

#[test]
fn a_traceback_is_the_stack_and_its_last_line_the_message() {
    let traceback = "Traceback (most recent call last):\n  File \"a.py\", line 1\nValueError: boom\n";
    let spans = arrived(Format::Public, |harness| {
        harness.run_start(&json!({})).unwrap();
        harness.error(traceback).unwrap();
    });
    let expected = json!({ "type": "ValueError", "message": "boom", "stack": traceback });
    assert_eq!(named(&spans, "weather_agent")["meta"]["error"], expected);
}

#[test]
fn what_was_open_when_the_process_ended_is_seen() {
    for format in BOTH {
        let spans = arrived(format, |harness| {
            harness.run_start(&json!({ "input": "hi" })).unwrap();
            let call = harness.new_call();
            harness.tool_start(call, "slow", "x").unwrap();
        });
        assert_eq!(spans.len(), 2);
        for span in &spans {
            assert_eq!(
                (&span["status"], &span["meta"]["error"]["type"]),
                (&json!("error"), &json!("aborted"))
            );
        }
    }
}

#[test]
fn a_run_that_waits_for_a_person_has_not_failed() {
    let spans = arrived(Format::Public, |harness| {
        harness.run_start(&json!({})).unwrap();
        harness.run_end(&json!({ "status": "suspended", "output": "sure?" })).unwrap();
    });
    assert_eq!(
        (&spans[0]["status"], &spans[0]["meta"]["metadata"]["suspended"]),
        (&json!("ok"), &json!(true))
    );
}

#[test]
fn an_action_is_no_span_and_its_arguments_are_nowhere_in_metadata() {
    for format in BOTH {
        let spans = arrived(format, |harness| {
            harness.run_start(&json!({})).unwrap();
            harness.agent_action("search", "PRIVATE").unwrap();
            harness.run_end(&json!({})).unwrap();
        });
        assert_eq!(spans.len(), 1);
        assert!(!spans[0]["meta"]["metadata"].to_string().contains("PRIVATE"));
    }
}

#[test]
fn with_content_off_no_content_is_in_any_field() {
    for format in BOTH {
        let spans = arrived_with(format, &[("CHARM_TELEMETRY_CONTENT", "off")], |harness| {
            harness.run_start(&json!({ "input": "PRIVATE", "thread_id": "t-1" })).unwrap();
            let call = harness.new_call();
            let parameters = serde_json::from_str(r#"{"temperature": 0.2}"#).unwrap();
            harness.llm_start(call, LlmStart::new("m").parameters(parameters).input("PRIVATE")).unwrap();
            harness.token(call, "PRIVATE").unwrap();
            harness.llm_error(call, "ValueError: PRIVATE").unwrap();
            let call = harness.new_call();
            harness.tool_start(call, "t", "PRIVATE").unwrap();
            harness.tool_error(call, "t", "Traceback (most recent call last):\nValueError: PRIVATE").unwrap();
            let call = harness.new_call();
            harness.retriever_start(call, "r", "PRIVATE").unwrap();
            harness.retriever_end(call, &json!([{ "text": "PRIVATE" }])).unwrap();
            harness.agent_action("t", "PRIVATE").unwrap();
            harness.error("ValueError: PRIVATE").unwrap();
        });
        assert_eq!(spans.len(), 4);
        assert!(!Value::from(spans.clone()).to_string().contains("PRIVATE"));
        assert!(spans.iter().all(|span| span["meta"]["metadata"]["content_withheld"] == true));
        assert_eq!(named(&spans, "t")["meta"]["error"]["type"], "ValueError", "the class stays");
        assert!(spans.iter().all(|span| span["session_id"] == "t-1"), "so does the session");
        let left = &named(&spans, "m")["meta"]["metadata"];
        assert_eq!((&left["temperature"], &left["streamed_tokens"]), (&json!(0.2), &json!(1)), "and numbers");
    }
}

#[test]
fn a_run_within_the_trace_of_another_product_is_a_whole_trace_that_leads_there() {
    let remote = [("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
    let apm = "4bf92f3577b34da6a3ce929d0e0e4736";
    for format in BOTH {
        let spans = arrived_with(format, &remote, weather);
        let agent = named(&spans, "weather_agent");
        assert_eq!(agent["parent_id"], "undefined", "else it would hang under a span that is not there");
        let found =
            if format == Format::Public { &agent["apm_trace_id"] } else { &agent["_dd"]["apm_trace_id"] };
        assert_eq!(found, apm);
        assert_ne!(agent["trace_id"], apm);
    }
}

#[test]
fn a_replay_gives_the_same_ids() {
    use charm_telemetry_core::trace::{SpanId, TraceId};
    let mut run = None;
    let spans = arrived(Format::Agent, |harness| {
        run = Some(harness.run_id());
        weather(harness);
    });
    let agent = named(&spans, "weather_agent");
    let run = run.unwrap();
    assert_eq!(agent["span_id"], SpanId::of_run(run).get().to_string());
    assert_eq!(agent["trace_id"], TraceId::of_run(run).to_string());
}
