//! From a run in a manager to a receiver on loopback, read back.
//!
//! Rule: only what arrived counts; every request is read by the strict reader, and its headers are checked.

use std::path::Path;
use std::time::{Duration, SystemTime};

use charm_telemetry_core::testing::{Answer, MemoryWriter, ReceiverDouble, RecordedRequest};
use charm_telemetry_core::{Environment, LlmEnd, LlmStart, Manager, TokenUsage};
use serde_json::{Value, json};

use super::strict::Envelope;
use crate::destination::rfc3339;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A manager with this exporter, before this receiver.
pub(super) fn start(receiver: &ReceiverDouble, state: &Path, variables: &[(&str, &str)]) -> Manager {
    let dsn = receiver.url("/42").replacen("http://", "http://public:sesame@", 1);
    let mut environment = Environment::from_pairs(variables.iter().copied());
    environment.set("SENTRY_DSN", dsn);
    environment.set("SENTRY_ENVIRONMENT", "test");
    environment.set("CHARM_STATE_DIR", state);
    environment.set("CHARM_AGENT_NAME", "Weather");
    environment.set("CHARM_AGENT_VERSION", "1.2.3");
    let builder = Manager::builder().environment(environment).activate("sentry").stdout(MemoryWriter::new());
    builder.start().expect("everything is set")
}

/// A run with a model, a tool that fails and a tool that works. `PROMPT`, `ANSWER`, .. are content.
pub(super) fn run(manager: &Manager) {
    let run = manager.start_run(&json!({"input": "PROMPT"}));
    let mut llm = run.llm_call(LlmStart::new("gpt-4o").provider("openai").input(&"PROMPT"));
    llm.token("ANSWER");
    llm.finish(LlmEnd::new().usage(TokenUsage::new(10, 5)));
    run.tool_call("broken", "ARGUMENT").fail("ValueError: WHY");
    run.tool_call("working", "ARGUMENT").finish("RESULT");
    run.finish("ANSWER");
}

/// Ends the manager and reads what arrived.
pub(super) fn finish(manager: Manager, receiver: &ReceiverDouble) -> Vec<Envelope> {
    let report = manager.shutdown(PATIENCE);
    assert!(report.is_balanced(), "{report}");
    receiver.take_requests().iter().map(read).collect()
}

pub(super) fn read(request: &RecordedRequest) -> Envelope {
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/42/envelope/"));
    assert_eq!(request.header("content-type"), Some("application/x-sentry-envelope"));
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    let client = concat!("sentry.rust.charm/", env!("CARGO_PKG_VERSION"));
    let agents: Vec<_> = request.headers.iter().filter(|(name, _)| name == "user-agent").collect();
    assert!(matches!(&agents[..], [(_, value)] if value == client), "{agents:?}");
    let auth = request.header("x-sentry-auth").unwrap();
    assert!(auth.starts_with("Sentry sentry_version=7, ") && auth.contains("sentry_key=public"), "{auth}");
    assert!(!request.text().contains("sesame"), "the secret key is in the header alone");
    Envelope::read(&request.body).unwrap()
}

/// Every payload of this type that arrived.
pub(super) fn payloads<'a>(envelopes: &'a [Envelope], kind: &str) -> Vec<&'a Value> {
    let of_kind = envelopes.iter().filter(|envelope| envelope.type_of(0) == kind);
    of_kind.map(|envelope| &envelope.items[0].1).collect()
}

pub(super) fn spans(envelopes: &[Envelope]) -> Vec<Value> {
    let lists = payloads(envelopes, "span").into_iter().map(|payload| payload["items"].as_array().unwrap());
    lists.flatten().cloned().collect()
}

fn everything(envelopes: &[Envelope]) -> String {
    format!("{envelopes:?}")
}

#[test]
fn a_run_arrives_as_spans_and_its_failure_as_an_event_on_the_failing_span() {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    let manager = start(&receiver, state.path(), &[]);
    run(&manager);
    let envelopes = finish(manager, &receiver);

    let spans = spans(&envelopes);
    let names: Vec<_> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["chat gpt-4o", "execute_tool broken", "execute_tool working", "invoke_agent Weather"]);
    let root = &spans[3]["span_id"];
    assert!(spans[..3].iter().all(|span| span["parent_span_id"] == *root));
    assert_eq!(spans[0]["attributes"]["sentry.release"]["value"], "Weather@1.2.3");
    let events = payloads(&envelopes, "event");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["contexts"]["trace"]["span_id"], spans[1]["span_id"]);
    assert_eq!(spans[1]["status"], "error");
    assert_eq!(events[0]["exception"]["values"][0]["value"], "WHY");
}

#[test]
fn content_leaves_only_where_someone_said_so_and_error_texts_unless_someone_forbade_it() {
    for (variables, content, errors) in [
        (&[][..], false, true),
        (&[("SENTRY_SEND_DEFAULT_PII", "true")], true, true),
        (&[("CHARM_TELEMETRY_CONTENT", "on")], true, true),
        (&[("CHARM_TELEMETRY_CONTENT", "off"), ("SENTRY_SEND_DEFAULT_PII", "true")], false, false),
    ] {
        for lifecycle in ["stream", "static"] {
            let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
            let mut variables = variables.to_vec();
            variables.push(("SENTRY_TRACE_LIFECYCLE", lifecycle));
            let manager = start(&receiver, state.path(), &variables);
            run(&manager);
            let arrived = everything(&finish(manager, &receiver));
            for word in ["PROMPT", "ANSWER", "ARGUMENT", "RESULT"] {
                assert_eq!(arrived.contains(word), content, "{word} {variables:?}");
            }
            assert_eq!(arrived.contains("WHY"), errors, "{variables:?}");
            assert!(arrived.contains("ValueError"), "the class of an error is no content");
        }
    }
}

#[test]
fn as_a_transaction_a_run_arrives_whole() {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    let manager = start(&receiver, state.path(), &[("SENTRY_TRACE_LIFECYCLE", "static")]);
    run(&manager);
    run(&manager);
    let envelopes = finish(manager, &receiver);
    let transactions = payloads(&envelopes, "transaction");
    assert_eq!(transactions.len(), 2, "one envelope for each");
    for transaction in transactions {
        assert_eq!(transaction["spans"].as_array().unwrap().len(), 3);
        assert_eq!(transaction["contexts"]["trace"]["op"], "gen_ai.invoke_agent");
    }
    assert!(spans(&envelopes).is_empty());
}

#[test]
fn a_limit_on_spans_stops_spans_alone_and_what_it_cost_is_reported() {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    receiver.answer_with(|request| {
        let limit = "60:span;transaction:key:quota, 30:foo_unknown:org";
        let answer = Answer::new(200);
        if request.text().contains("span.v2") { answer.header("X-Sentry-Rate-Limits", limit) } else { answer }
    });
    let manager = start(&receiver, state.path(), &[]);
    run(&manager);
    receiver.wait_for_requests(2, PATIENCE);
    run(&manager);
    let envelopes = finish(manager, &receiver);
    assert_eq!(spans(&envelopes).len(), 4, "those of the first run");
    assert_eq!(payloads(&envelopes, "event").len(), 2, "those of both");
    let reports = payloads(&envelopes, "client_report");
    let expected = json!([{"reason": "ratelimit_backoff", "category": "span", "quantity": 4}]);
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0]["discarded_events"], expected);
    let report = delivery_report("sentry-spans", 4);
    assert!(report.contains("delivered=4") && report.contains("rate_limited=4"), "{report}");
}

/// The report of the destination that dropped so many: those of other tests are in the list, too.
fn delivery_report(name: &str, dropped: u64) -> String {
    let mut reports = charm_telemetry_core::delivery::reports().into_iter();
    let dropped_so_many = |count: u64| count == dropped;
    let found = reports.find(|report| {
        report.destination == name
            && dropped_so_many(report.outcomes.dropped.by(charm_telemetry_core::DropReason::RateLimited))
            && report.outcomes.delivered == 4
    });
    found.map(|report| report.to_string()).unwrap_or_default()
}

#[test]
fn what_a_429_refused_is_neither_sent_again_nor_reported() {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    receiver.answer_with(|request| {
        let limited = request.text().contains("span.v2");
        Answer::new(if limited { 429 } else { 200 }).header("X-Sentry-Rate-Limits", "0:span:key")
    });
    let manager = start(&receiver, state.path(), &[]);
    run(&manager);
    let envelopes = finish(manager, &receiver);
    assert_eq!(payloads(&envelopes, "span").len(), 1, "sent once");
    assert_eq!(payloads(&envelopes, "client_report").len(), 0);
    assert_eq!(payloads(&envelopes, "event").len(), 1);
}

#[test]
fn an_overloaded_server_and_a_broken_connection_get_the_same_spans_again() {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    receiver.script([Answer::new(503), Answer::reset()]);
    let manager = start(&receiver, state.path(), &[]);
    run(&manager);
    receiver.wait_for_requests(4, PATIENCE);
    let envelopes = finish(manager, &receiver);
    let spans = spans(&envelopes);
    let ids: std::collections::BTreeSet<_> = spans.iter().map(|span| span["span_id"].to_string()).collect();
    assert_eq!(ids.len(), 4, "all of them, under the same ids");
    let events = payloads(&envelopes, "event");
    assert!(events.iter().all(|event| event["event_id"] == events[0]["event_id"]));
    assert_eq!(payloads(&envelopes, "client_report").len(), 0);
}

#[test]
fn an_envelope_that_is_too_large_is_split() {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    receiver.answer_with(|request| {
        let too_large = request.text().contains(r#""item_count":4"#);
        Answer::new(if too_large { 413 } else { 200 })
    });
    let manager = start(&receiver, state.path(), &[]);
    run(&manager);
    let envelopes = finish(manager, &receiver);
    let sizes: Vec<_> =
        payloads(&envelopes, "span").iter().map(|p| p["items"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [4, 2, 2]);
    assert_eq!(payloads(&envelopes, "client_report").len(), 0, "nothing is lost");
}

#[test]
fn a_span_that_is_refused_alone_is_reported() {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    receiver.answer_with(|request| {
        let bad = request.text().contains("execute_tool working");
        Answer::new(if bad { 400 } else { 200 })
    });
    let manager = start(&receiver, state.path(), &[]);
    run(&manager);
    let envelopes = finish(manager, &receiver);
    let reports = payloads(&envelopes, "client_report");
    let expected = json!([{"reason": "send_error", "category": "span", "quantity": 1}]);
    assert_eq!(reports[0]["discarded_events"], expected);
}

/// What an envelope says of when it was sent: such texts are ordered as the times are.
fn sent_at(request: &RecordedRequest) -> String {
    read(request).header["sent_at"].as_str().unwrap().to_owned()
}

#[test]
fn what_no_one_took_waits_on_disk_for_the_next_start() {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    receiver.answer_always(Answer::new(503));
    let manager = start(&receiver, state.path(), &[]);
    run(&manager);
    let report = manager.shutdown(Duration::from_secs(3));
    assert!(report.is_balanced(), "{report}");
    let first_tries: Vec<_> = receiver.take_requests().iter().map(sent_at).collect();
    receiver.answer_always(Answer::new(200));
    let second_start = SystemTime::now();
    let manager = start(&receiver, state.path(), &[]);
    manager.start_run(&json!({})).finish("");
    let envelopes = finish(manager, &receiver);
    // By it Sentry finds out that our clock is wrong: it is that of this try, not that of the first.
    for envelope in &envelopes {
        let sent_at = envelope.header["sent_at"].as_str().unwrap().to_owned();
        assert!(first_tries.iter().all(|first| *first < sent_at), "{sent_at} and {first_tries:?}");
        assert!((rfc3339(second_start)..=rfc3339(SystemTime::now())).contains(&sent_at), "{sent_at}");
    }
    assert_eq!(spans(&envelopes).len(), 5, "four of the first start, one of the second");
    assert_eq!(payloads(&envelopes, "event").len(), 1);
}
