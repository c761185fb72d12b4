//! Envelopes for Sentry before Spotlight, which Sentry's own SDKs send to while an agent is developed.
//!
//! Rule: Spotlight says 200 to anything, so what it kept is read back; and it is shown to lose what is broken.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use charm_telemetry_core::testing::MemoryWriter;
use charm_telemetry_core::{Environment, LlmEnd, LlmStart, Manager, TokenUsage};
use charm_telemetry_sentry as _;
use charm_telemetry_tests::receivers::Spotlight;
use charm_telemetry_tests::workspace;
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

/// The event that the exporter's own tests compare with what it sends: its envelope.
fn golden() -> Value {
    let file = workspace::root().join("exporters/sentry/tests/data/event.json");
    let text = std::fs::read(file).expect("the exporter's tests have made it");
    serde_json::from_slice(&text).expect("it is JSON")
}

/// That, with this said of its length.
fn event_of_length(length: impl Fn(usize) -> usize) -> Vec<u8> {
    let mut event = golden();
    event["header"]["sent_at"] = json!("2025-01-01T00:00:03Z");
    let payload = event["items"][0]["payload"].take().to_string();
    let mut item = event["items"][0]["item"].take();
    item["length"] = json!(length(payload.len()));
    format!("{}\n{item}\n{payload}\n", event["header"]).into_bytes()
}

/// Posts bytes as an envelope: the status of the answer.
fn post(port: u16, envelope: &[u8]) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    connection.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket has a time-out");
    let head = format!(
        "POST /api/42/envelope/ HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\
         Content-Type: application/x-sentry-envelope\r\nContent-Length: {}\r\n\r\n",
        envelope.len()
    );
    connection.write_all(&[head.as_bytes(), envelope].concat()).expect("it reads");
    let mut status = [0; 12];
    connection.read_exact(&mut status).expect("it answers");
    String::from_utf8_lossy(&status[9..]).into_owned()
}

#[test]
fn spotlight_says_200_to_an_envelope_of_a_wrong_length_and_loses_it() {
    let Some(spotlight) = Spotlight::start() else { return };
    let (short, right) = (event_of_length(|length| length - 10), event_of_length(|length| length));
    for envelope in [short, right] {
        assert_eq!(post(spotlight.port, &envelope), "200");
    }
    run_agent(spotlight.port, "stream");
    // The right one, then the two of the run: the wrong one would be the first of all.
    let envelopes = spotlight.envelopes(3);
    let kept = |envelope: &Value| envelope[0]["event_id"] == golden()["header"]["event_id"];
    let kept = envelopes.iter().filter(|envelope| kept(envelope)).count();
    assert_eq!(kept, 1, "{envelopes:#?}");
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
