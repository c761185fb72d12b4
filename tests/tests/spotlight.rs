//! Envelopes for Sentry before Spotlight, which Sentry's own SDKs send to while an agent is developed.
//!
//! Rule: Spotlight says 200 to anything, so what it kept is read back; and it is shown to lose what is broken.

use std::time::Duration;

use charm_telemetry_core::testing::MemoryWriter;
use charm_telemetry_core::{Environment, LlmEnd, LlmStart, Manager, TokenUsage};
use charm_telemetry_sentry as _;
use charm_telemetry_tests::receivers::Spotlight;
use serde_json::{Value, json};

/// A run with a model and a tool that fails; its trace id.
fn run_agent(port: u16, lifecycle: &str) -> String {
    let environment = Environment::from_pairs([
        ("SENTRY_DSN", format!("http://public@127.0.0.1:{port}/42").as_str()),
        ("SENTRY_TRACE_LIFECYCLE", lifecycle),
        ("SENTRY_SEND_DEFAULT_PII", "true"),
        ("CHARM_SPOOL_MAX_BYTES", "0"),
        ("CHARM_AGENT_NAME", "weather bot"),
    ]);
    let builder = Manager::builder().environment(environment).stdout(MemoryWriter::new());
    let manager = builder.activate("sentry").start().expect("everything is set");
    let run = manager.start_run(&json!({ "input": "Wie wird das Wetter in Köln? ☂" }));
    let id = run.id().to_string().replace('-', "");
    let mut llm = run.llm_call(LlmStart::new("gpt-4o").provider("openai").input(&"Köln?"));
    llm.token("let me see");
    llm.finish(LlmEnd::new().usage(TokenUsage::new(10, 5)));
    run.tool_call("get_weather", r#"{"city":"Köln"}"#).fail("ValueError: no sky");
    run.finish("rain");
    let report = manager.shutdown(Duration::from_secs(30));
    assert!(report.is_balanced(), "{report}");
    id
}

/// Every item of this type that Spotlight has: its header and its payload.
fn items<'a>(envelopes: &'a [Value], kind: &str) -> Vec<(&'a Value, &'a Value)> {
    let items = envelopes.iter().flat_map(|envelope| envelope[1].as_array().into_iter().flatten());
    let items = items.map(|item| (&item[0], &item[1]));
    items.filter(|(header, _)| header["type"] == kind).collect()
}

#[test]
fn spotlight_has_the_spans_and_the_failure_on_the_span_that_failed() {
    let Some(spotlight) = Spotlight::start() else { return };
    let trace = run_agent(spotlight.port, "stream");
    let envelopes = spotlight.envelopes(2);
    let spans = items(&envelopes, "span");
    let [(header, payload)] = spans[..] else { panic!("one envelope of spans: {envelopes:#?}") };
    assert_eq!(header["content_type"], "application/vnd.sentry.items.span.v2+json");
    let spans = payload["items"].as_array().expect("a list of spans");
    assert_eq!((header["item_count"].as_u64(), spans.len()), (Some(3), 3));
    let named = |name: &str| spans.iter().find(|span| span["name"] == name).expect("the span is there");
    let [root, llm, tool] =
        ["invoke_agent weather bot", "chat gpt-4o", "execute_tool get_weather"].map(named);
    for (span, parent) in [(root, &Value::Null), (llm, &root["span_id"]), (tool, &root["span_id"])] {
        assert_eq!((&span["trace_id"], &span["parent_span_id"]), (&json!(trace), parent), "{span:#}");
    }
    assert_eq!(llm["attributes"]["gen_ai.usage.input_tokens"], json!({ "value": 10, "type": "integer" }));
    assert_eq!(tool["attributes"]["gen_ai.tool.call.arguments"]["value"], r#"{"city":"Köln"}"#);
    assert_eq!(tool["status"], "error");
    let events = items(&envelopes, "event");
    let [(_, event)] = events[..] else { panic!("one event: {envelopes:#?}") };
    assert_eq!(event["contexts"]["trace"]["span_id"], tool["span_id"]);
    assert_eq!(event["exception"]["values"][0]["value"], "no sky");
}

#[test]
fn spotlight_s_own_reader_draws_the_tree_of_a_transaction() {
    let Some(spotlight) = Spotlight::start() else { return };
    let trace = run_agent(spotlight.port, "static");
    let envelopes = spotlight.envelopes(2);
    assert_eq!(items(&envelopes, "transaction").len(), 1, "{envelopes:#?}");
    let drawn = spotlight.trace(&trace);
    let [(_, transaction)] = items(&envelopes, "transaction")[..] else { panic!("one: {envelopes:#?}") };
    // By the ids that it shows: it names a span of which an error event came first by its transaction.
    let lines: Vec<_> = drawn.lines().collect();
    let at = |span: &Value| {
        let id = format!("[{}", &span["span_id"].as_str().expect("spans have ids")[..8]);
        lines
            .iter()
            .position(|line| line.contains(&id))
            .unwrap_or_else(|| panic!("`{id}` is missing in: {drawn}"))
    };
    let root = at(&transaction["contexts"]["trace"]);
    let children = transaction["spans"].as_array().expect("a transaction has spans");
    assert_eq!(children.len(), 2, "{transaction:#}");
    for child in children.iter().map(at) {
        assert!(child > root && (lines[child].contains('├') || lines[child].contains('└')), "{drawn}");
    }
    assert!(!spotlight.trace(&"1".repeat(32)).contains("get_weather"), "another trace is another");
}
