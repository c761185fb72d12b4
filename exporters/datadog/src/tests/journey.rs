//! The whole way: a manager, its lane, the delivery, a receiver; and what happens when the receiver fails.
//!
//! Rule: what arrived is read back, and what did not is accounted for.

use std::time::{Duration, UNIX_EPOCH};

use charm_telemetry_core::delivery::{Destination as _, Item};
use charm_telemetry_core::testing::{Answer, MemoryWriter, ReceiverDouble};
use charm_telemetry_core::{Environment, LlmEnd, LlmStart, Manager, Secret};
use serde_json::{Value, json};

use super::{KEY, PATIENCE, exporter, intake, named, variables, weather};
use crate::request::{Intake, item};
use crate::settings::{Format, Route};

fn manager(environment: Environment) -> Manager {
    Manager::builder()
        .environment(environment)
        .activate("datadog")
        .stdout(MemoryWriter::new())
        .start()
        .unwrap()
}

/// A tool that searches and asks a model, and fails, and with it the run.
fn research(manager: &Manager) {
    let run = manager.start_run(&json!({ "input": "find it", "thread_id": "t-1" }));
    let research = run.tool_call("research", "it");
    research
        .retriever_call("index", "where is it")
        .finish(&json!([{ "page_content": "here", "metadata": { "source": "a.md" } }]));
    let mut llm = research.llm_call(LlmStart::new("gpt-x").provider("openai").input("where?"));
    llm.token("he");
    llm.token("re");
    llm.finish(LlmEnd::new());
    research.fail("ValueError: not there");
    run.fail("ValueError: not there");
}

#[test]
fn a_run_in_a_manager_arrives_as_a_tree_both_ways() {
    for format in [Format::Public, Format::Agent] {
        let receiver = intake::strict(format);
        let manager = manager(variables(&receiver, format));
        research(&manager);
        let report = manager.shutdown(PATIENCE);
        assert!(report.is_balanced(), "{report}");
        let spans = intake::spans(&receiver, format);
        let [search, llm, tool, agent] =
            ["index", "gpt-x", "research", "weather_agent"].map(|name| named(&spans, name));
        assert_eq!(spans.len(), 4);
        assert_eq!(agent["parent_id"], "undefined");
        assert_eq!(tool["parent_id"], agent["span_id"]);
        assert_eq!((&search["parent_id"], &llm["parent_id"]), (&tool["span_id"], &tool["span_id"]));
        assert!(
            spans.iter().all(|span| span["trace_id"] == agent["trace_id"] && span["session_id"] == "t-1")
        );
        assert_eq!(search["meta"]["output"]["documents"], json!([{ "text": "here", "name": "a.md" }]));
        assert_eq!(llm["meta"]["output"]["messages"], json!([{ "role": "assistant", "content": "here" }]));
        let failed: Vec<_> =
            spans.iter().filter(|span| span["status"] == "error").map(|span| &span["name"]).collect();
        assert_eq!(failed, ["research", "weather_agent"]);
        assert_eq!(agent["meta"]["error"], json!({ "type": "ValueError", "message": "not there" }));
    }
}

#[test]
fn the_key_is_in_its_header_and_nowhere_else() {
    let receiver = intake::strict(Format::Public);
    let mut harness = exporter(&variables(&receiver, Format::Public));
    weather(&mut harness);
    harness.shutdown(PATIENCE).unwrap();
    for request in receiver.requests() {
        assert_eq!(request.header("dd-api-key"), Some(KEY));
        assert!(!request.text().contains(KEY) && !request.path.contains(KEY));
        let elsewhere = request
            .headers
            .iter()
            .filter(|(name, value)| value.contains(KEY) && !name.eq_ignore_ascii_case("dd-api-key"));
        assert_eq!(elsewhere.count(), 0);
    }
}

#[test]
fn a_key_that_an_agent_says_is_taken_out_of_every_field() {
    let receiver = intake::strict(Format::Public);
    let manager = manager(variables(&receiver, Format::Public));
    let run = manager.start_run(&json!({ "input": KEY }));
    run.tool_call("t", KEY).fail(format!("Traceback (most recent call last):\n{KEY}\nValueError: {KEY}"));
    run.llm_call(LlmStart::new("m").input(KEY)).finish(LlmEnd::new().output(KEY));
    run.fail(KEY);
    manager.shutdown(PATIENCE);
    let spans = Value::from(intake::spans(&receiver, Format::Public)).to_string();
    assert!(!spans.contains(KEY), "{spans}");
    assert!(spans.contains("[DD_API_KEY_REDACTED]"));
}

/// Runs against a receiver that first answers so; the spans that it took in the end.
fn taken_after(first: Answer) -> (ReceiverDouble, Vec<Value>) {
    let receiver = intake::strict(Format::Agent);
    receiver.script([first]);
    let mut harness = exporter(&variables(&receiver, Format::Agent));
    weather(&mut harness);
    harness.shutdown(PATIENCE).unwrap();
    let requests = receiver.requests();
    let taken =
        requests.iter().skip(1).flat_map(|request| intake::read(request, Format::Agent).unwrap()).collect();
    (receiver, taken)
}

#[test]
fn what_failed_for_now_is_sent_again_with_the_same_ids() {
    for first in [
        Answer::new(503),
        Answer::new(408),
        Answer::reset(),
        Answer::new(429).header("x-ratelimit-reset", "1"),
    ] {
        let (receiver, taken) = taken_after(first);
        let requests = receiver.requests();
        assert_eq!((requests.len(), taken.len()), (2, 4));
        assert_eq!(requests[0].body, requests[1].body);
    }
}

#[test]
fn what_is_too_much_at_once_is_split() {
    let (receiver, taken) = taken_after(Answer::new(413));
    assert_eq!((receiver.requests().len(), taken.len()), (3, 4));
}

#[test]
fn one_span_that_is_refused_costs_no_other() {
    let receiver = ReceiverDouble::start();
    receiver.answer_with(|request| Answer::new(if request.text().contains("bad_tool") { 400 } else { 202 }));
    let mut harness = exporter(&variables(&receiver, Format::Public));
    weather(&mut harness);
    harness.shutdown(PATIENCE).unwrap();
    let accepted: Vec<_> =
        receiver.requests().into_iter().filter(|request| !request.text().contains("bad_tool")).collect();
    let spans = accepted.iter().flat_map(|request| intake::read(request, Format::Public).unwrap());
    assert_eq!(spans.count(), 3);
}

#[test]
fn what_nobody_takes_waits_on_disk_without_the_key_and_is_sent_by_another_application_under_its_own_name() {
    let state = tempfile::tempdir().unwrap();
    let receiver = intake::strict(Format::Public);
    let started_as = |ml_app: &str| {
        let mut environment = variables(&receiver, Format::Public);
        environment.set("CHARM_SPOOL_MAX_BYTES", "10MB");
        environment.set("CHARM_STATE_DIR", state.path());
        environment.set("DD_LLMOBS_ML_APP", ml_app);
        exporter(&environment)
    };
    receiver.script([Answer::new(403)]);
    let mut harness = started_as("weather-app");
    weather(&mut harness);
    harness.shutdown(Duration::from_secs(2)).unwrap();
    assert_eq!(receiver.take_requests().len(), 1);
    assert!(!files(state.path()).concat().contains(KEY));

    let mut other = started_as("other-app");
    other.run_start(&json!({})).unwrap();
    other.run_end(&json!({})).unwrap();
    other.shutdown(PATIENCE).unwrap();
    let mut arrived = std::collections::BTreeMap::new();
    for request in receiver.requests() {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let attributes = &body["data"]["attributes"];
        let (app, spans) = (attributes["ml_app"].as_str().unwrap(), attributes["spans"].as_array().unwrap());
        assert!(spans.iter().all(|span| span["tags"][0] == format!("ml_app:{app}")), "{body}");
        *arrived.entry(app.to_owned()).or_insert(0) += spans.len();
    }
    assert_eq!(arrived, [("other-app".to_owned(), 1), ("weather-app".to_owned(), 4)].into());
}

#[test]
fn a_request_is_for_one_application() {
    let route = Route::Public { url: "http://127.0.0.1:9".to_owned(), key: Secret::new(KEY) };
    let items = ["a", "b"].map(|app| item(Format::Public, app, UNIX_EPOCH, b"{}"));
    let intake = Intake(route);
    assert!(intake.assemble(&items).is_err(), "it is halved");
    assert!(intake.assemble(&items[..1]).is_ok());
    assert!(intake.assemble(&[Item::new(*b"{}")]).is_err(), "it names none");
}

#[test]
fn no_span_goes_to_the_address_of_the_other_format() {
    let public = Intake(Route::Public { url: "http://127.0.0.1:9".to_owned(), key: Secret::new(KEY) });
    let agent = Intake(Route::Agent { url: "http://127.0.0.1:9".to_owned() });
    let [of_public, of_agent] =
        [Format::Public, Format::Agent].map(|format| item(format, "a", UNIX_EPOCH, b"{}"));
    for (intake, own, other) in [(public, &of_public, &of_agent), (agent, &of_agent, &of_public)] {
        assert!(intake.assemble(std::slice::from_ref(own)).is_ok());
        let why = intake.assemble(&[own.clone(), other.clone()]).err().unwrap().to_string();
        assert_eq!(why, "the span is in the format of another address");
    }
}

fn files(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()]
            }
        })
        .collect()
}

#[test]
fn a_mere_check_sends_nothing() {
    let receiver = ReceiverDouble::start();
    let problems =
        Manager::builder().environment(variables(&receiver, Format::Agent)).activate("datadog").check();
    assert!(!problems.has_errors());
    drop(exporter(&variables(&receiver, Format::Agent)));
    assert!(receiver.requests().is_empty());
}
