//! Payloads for Sentry before the code that Sentry itself reads them with.
//!
//! Rule: the payloads are the files that the exporter's own tests compare with what it sends; and the judge has to find
//! fault with one that is wrong, or its silence means nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use charm_telemetry_core::testing::{MemoryWriter, ReceiverDouble};
use charm_telemetry_core::{Environment, LlmEnd, LlmStart, Manager, TokenUsage};
use charm_telemetry_sentry as _;
use charm_telemetry_tests::relay::{Judged, Relay, ask};
use charm_telemetry_tests::talkative::Talkative;
use charm_telemetry_tests::{envelope, python_tool, workspace};
use serde_json::{Value, json};

/// Reads the attributes of a span on stdin, writes what Sentry's conventions have against them.
const CONVENTIONS: &str = r#"
import json, sys
from sentry_conventions.attributes import ATTRIBUTE_METADATA
attributes, faults = json.load(sys.stdin), []
for name, attribute in attributes.items():
    known = ATTRIBUTE_METADATA.get(name)
    if known is None:
        faults.append(f"{name} is unknown")
    elif known.type.value != attribute["type"]:
        faults.append(f"{name} is {known.type.value}, not {attribute['type']}")
    elif known.deprecation and known.deprecation.replacement not in attributes:
        faults.append(f"{name} is deprecated, and {known.deprecation.replacement} is not there")
print(json.dumps(faults))
"#;

fn payload(name: &str) -> Value {
    let file = workspace::root().join(format!("exporters/sentry/tests/data/{name}.json"));
    let text = std::fs::read(&file).expect("the exporter's tests have made it");
    let mut envelope: Value = serde_json::from_slice(&text).expect("it is JSON");
    envelope["items"][0]["payload"].take()
}

#[track_caller]
fn assert_clean(judged: &Judged) {
    assert!(judged.faults.is_empty(), "{:#?} in {:#}", judged.faults, judged.payload);
}

#[test]
fn sentry_s_normaliser_changes_nothing_in_a_transaction_and_knows_agents_models_and_tools() {
    let Some(relay) = Relay::find() else { return };
    let judged = relay.judge(&payload("transaction"));
    assert_clean(&judged);
    assert_eq!(judged.payload["contexts"]["trace"]["data"]["gen_ai.operation.type"], "agent");
    let spans = judged.payload["spans"].as_array().expect("it has spans");
    let types: Vec<_> = spans.iter().map(|span| &span["data"]["gen_ai.operation.type"]).collect();
    assert_eq!(types, [&json!("ai_client"), &json!("tool"), &Value::Null], "a search is no call of a model");
}

#[test]
fn sentry_s_normaliser_changes_nothing_in_a_transaction_with_every_status() {
    let Some(relay) = Relay::find() else { return };
    let transaction = payload("transaction_statuses");
    let spans = transaction["spans"].as_array().expect("it has spans").iter();
    let statuses: BTreeSet<_> = spans.filter_map(|span| span["status"].as_str()).collect();
    assert_eq!(statuses, BTreeSet::from(["aborted", "cancelled", "internal_error", "ok"]));
    assert_clean(&relay.judge(&transaction));
}

#[test]
fn sentry_s_normaliser_changes_nothing_in_an_event() {
    let Some(relay) = Relay::find() else { return };
    let judged = relay.judge(&payload("event"));
    assert_clean(&judged);
    assert_eq!(judged.payload["exception"]["values"][0]["mechanism"]["handled"], true);
}

#[test]
fn sentry_s_normaliser_changes_nothing_in_the_frames_and_causes_of_an_event() {
    let Some(relay) = Relay::find() else { return };
    let payload = payload("event_traceback");
    assert_clean(&relay.judge(&payload));
    let mut too_many = payload;
    let last = too_many["exception"]["values"].as_array_mut().and_then(|values| values.last_mut());
    let frames = last.and_then(|last| last["stacktrace"]["frames"].as_array_mut()).expect("it has frames");
    *frames = vec![frames[0].clone(); 251];
    assert!(!relay.judge(&too_many).faults.is_empty(), "it takes 250");
}

type Change = fn(&mut Value);

/// Changes of a right payload, each of which the normaliser has to find fault with.
#[track_caller]
fn finds_fault_with(relay: &Relay, payload: &Value, changes: &[Change]) {
    let wrong = changes.iter().map(|change| {
        let mut payload = payload.clone();
        change(&mut payload);
        payload
    });
    let wrong: Vec<_> = wrong.collect();
    for (number, judged) in relay.judge_all(&wrong).iter().enumerate() {
        assert!(!judged.faults.is_empty(), "change {number} passes: {:#}", judged.payload);
    }
}

/// Wrong in a transaction and in an event.
const WRONG_IN_BOTH: [Change; 13] = [
    |payload| payload["platform"] = json!("rust"),
    |payload| payload["environment"] = json!("a/b"),
    |payload| payload["release"] = json!("a\nb"),
    |payload| payload["release"] = json!("a/b"),
    |payload| payload["event_id"] = json!("short"),
    |payload| payload["level"] = json!("severe"),
    |payload| payload["transaction"] = json!("x".repeat(300)),
    |payload| payload["tags"]["tool"] = json!("a\nb"),
    |payload| payload["tags"]["tool"] = json!("x".repeat(201)),
    |payload| payload["tags"]["x".repeat(201)] = json!("long"),
    |payload| payload["contexts"]["trace"]["trace_id"] = json!("0".repeat(32)),
    |payload| payload["contexts"]["trace"]["parent_span_id"] = json!("short"),
    |payload| payload["contexts"]["trace"]["status"] = json!("error"),
];

#[test]
fn sentry_s_normaliser_finds_fault_with_what_is_wrong_in_a_transaction() {
    let Some(relay) = Relay::find() else { return };
    let transaction = payload("transaction");
    finds_fault_with(&relay, &transaction, &WRONG_IN_BOTH);
    let changes: [Change; 13] = [
        |payload| payload["contexts"]["trace"]["trace_id"] = Value::Null,
        |payload| payload["contexts"]["trace"]["span_id"] = json!("0".repeat(16)),
        |payload| payload["start_timestamp"] = Value::Null,
        |payload| payload["start_timestamp"] = json!(payload["timestamp"].as_f64().expect("a time") + 1.0),
        |payload| payload["spans"][0]["status"] = json!("okay"),
        |payload| payload["spans"][0]["status"] = json!("error"),
        |payload| payload["spans"][0]["start_timestamp"] = Value::Null,
        |payload| {
            payload["spans"][0]["timestamp"] =
                json!(payload["start_timestamp"].as_f64().expect("a time") - 1.0);
        },
        |payload| payload["spans"][0]["span_id"] = Value::Null,
        |payload| payload["spans"][0]["span_id"] = json!("0".repeat(16)),
        |payload| payload["spans"][0]["trace_id"] = json!("0".repeat(32)),
        |payload| payload["spans"][0]["trace_id"] = Value::Null,
        |payload| payload["spans"][0]["parent_span_id"] = json!("short"),
    ];
    finds_fault_with(&relay, &transaction, &changes);
}

#[test]
fn sentry_s_normaliser_finds_fault_with_what_is_wrong_in_an_event() {
    let Some(relay) = Relay::find() else { return };
    let event = payload("event");
    finds_fault_with(&relay, &event, &WRONG_IN_BOTH);
    let changes: [Change; 4] = [
        |payload| payload["exception"]["values"][0]["mechanism"] = json!({ "handled": true }),
        |payload| {
            let exception = payload["exception"]["values"][0].as_object_mut().expect("there is one");
            exception.retain(|name, _| !["type", "value"].contains(&name.as_str()));
        },
        |payload| payload["exception"]["values"][0]["value"] = json!("x".repeat(9000)),
        |payload| payload["extra"] = json!({ "traceback": "x".repeat(17_000) }),
    ];
    finds_fault_with(&relay, &event, &changes);
}

#[test]
fn sentry_s_normaliser_finds_fault_with_times_that_are_too_early_or_too_late() {
    const DAY: f64 = 24.0 * 3600.0;
    let Some(relay) = Relay::find() else { return };
    for name in ["transaction", "event"] {
        let payload = payload(name);
        let end = payload["timestamp"].as_f64().expect("it has an end");
        for received in [end - 50.0, end + 29.0 * DAY] {
            assert_clean(&relay.judge_at(&payload, received));
        }
        for received in [end - 70.0, end + 31.0 * DAY] {
            assert!(!relay.judge_at(&payload, received).faults.is_empty(), "{name}, {received} and {end}");
        }
    }
}

#[test]
fn sentry_s_normaliser_takes_away_the_tags_that_the_exporter_leaves_out_and_refuses_an_empty_one() {
    let Some(relay) = Relay::find() else { return };
    let with_tag = |key: &str, value: &str| {
        let mut payload = payload("transaction");
        payload["tags"][key] = json!(value);
        let judged = relay.judge(&payload);
        let tags = judged.payload["tags"].as_array().expect("it has tags").clone();
        let no_word = judged.payload["errors"].is_null() && judged.payload["_meta"].is_null();
        (tags.iter().any(|tag| tag[0] == key && tag[1] == value), no_word)
    };
    for key in ["release", "dist", "user", "filename", "function", "environment"] {
        assert_eq!(with_tag(key, "x"), (false, true), "{key} is gone without a word");
    }
    for key in ["region", "run_id", "agent", "tool", "level", "url", "server_name", "transaction"] {
        assert_eq!(with_tag(key, "x"), (true, true), "{key} stays");
    }
    for empty in ["", " "] {
        assert_eq!(with_tag("tool", empty), (false, false), "`{empty}` is an error");
    }
}

/// The spans of the second version, of a run with a model, a tool and a search.
fn spans() -> Vec<Value> {
    payload("spans")["items"].as_array().expect("it has spans").clone()
}

/// The normaliser's library has no entrance for spans of the second version: they are shown to it as the transaction that
/// they would make. Names, times, ids and attributes stay as they are; `error` has another word there.
fn as_transaction(spans: &[Value]) -> Value {
    let classic = |span: &Value| {
        let attributes = span["attributes"].as_object().expect("it has attributes").iter();
        let data: serde_json::Map<_, _> =
            attributes.map(|(name, attribute)| (name.clone(), attribute["value"].clone())).collect();
        let status = if span["status"] == "error" { "internal_error" } else { "ok" };
        json!({
            "trace_id": span["trace_id"], "span_id": span["span_id"], "parent_span_id": span["parent_span_id"],
            "op": data["sentry.op"], "origin": data["sentry.origin"], "status": status, "description": span["name"],
            "start_timestamp": span["start_timestamp"], "timestamp": span["end_timestamp"], "data": data,
        })
    };
    let (roots, others): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span["is_segment"] == true);
    let root = classic(roots.first().expect("there is a root"));
    // The bound of a transaction's name; that of a span has none.
    let name: String = root["description"].as_str().unwrap_or_default().chars().take(200).collect();
    json!({
        "type": "transaction", "event_id": "0".repeat(31) + "1", "transaction": name,
        "start_timestamp": root["start_timestamp"], "timestamp": root["timestamp"],
        "platform": root["data"]["sentry.platform"], "release": root["data"]["sentry.release"],
        "environment": root["data"]["sentry.environment"],
        "contexts": { "trace": {
            "trace_id": root["trace_id"], "span_id": root["span_id"], "op": root["op"], "origin": root["origin"],
            "status": root["status"], "data": root["data"],
        } },
        "spans": others.into_iter().map(classic).collect::<Vec<_>>(),
    })
}

#[test]
fn sentry_s_normaliser_takes_what_spans_of_the_second_version_say_and_knows_agents_models_and_tools() {
    let Some(relay) = Relay::find() else { return };
    let judged = relay.judge(&as_transaction(&spans()));
    assert_clean(&judged);
    let types = spans().into_iter().map(|span| {
        let of = |span: &Value| span["data"]["gen_ai.operation.type"].clone();
        let others = judged.payload["spans"].as_array().expect("it has spans").iter();
        let mut found = others.filter(|other| other["span_id"] == span["span_id"]).map(of);
        found.next().unwrap_or_else(|| of(&judged.payload["contexts"]["trace"]))
    });
    assert_eq!(types.collect::<Vec<_>>(), expected_types());
    let changes: [Change; 4] = [
        |span| span["span_id"] = json!("short"),
        |span| span["end_timestamp"] = json!(1),
        |span| span["attributes"]["sentry.environment"]["value"] = json!("a/b"),
        |span| span["attributes"]["sentry.platform"]["value"] = json!("rust"),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut spans = spans();
        spans.iter_mut().for_each(change);
        let judged = relay.judge(&as_transaction(&spans));
        assert!(!judged.faults.is_empty(), "change {number} passes: {:#}", judged.payload);
    }
}

/// By the operation of each: a search is no call of a model.
fn expected_types() -> Vec<Value> {
    let of = |span: Value| match span["attributes"]["gen_ai.operation.name"]["value"].as_str() {
        Some("invoke_agent") => json!("agent"),
        Some("execute_tool") => json!("tool"),
        Some("chat") => json!("ai_client"),
        _ => Value::Null,
    };
    let types: Vec<_> = spans().into_iter().map(of).collect();
    for kind in ["agent", "tool", "ai_client"] {
        assert!(types.contains(&json!(kind)), "{kind} in {types:?}");
    }
    types
}

#[test]
fn sentry_s_conventions_know_each_attribute_of_a_span_of_the_second_version_its_type_and_its_present_name() {
    // The run of this house, the tags of the operator, and what OpenTelemetry names and Sentry does not.
    const OURS: [&str; 5] =
        ["charm.run_id", "region", "team-name", "gen_ai.retrieval.documents", "gen_ai.retrieval.query.text"];
    let Some(python) = python_tool::program("sentry-conventions", "python3") else { return };
    let mut seen = 0;
    for span in spans() {
        let mut attributes = span["attributes"].as_object().expect("it has attributes").clone();
        attributes.retain(|name, _| !OURS.contains(&name.as_str()));
        seen += attributes.len();
        assert_eq!(ask(&python, CONVENTIONS, &Value::Object(attributes)), json!([]), "{}", span["name"]);
    }
    assert!(seen > 60, "{seen} attributes are too few to be true");
    let wrong = json!({
        "gen_ai.usage.input_tokens": { "value": 1.5, "type": "double" },
        "gen_ai.usage.input_tokens.cached": { "value": 1, "type": "integer" },
        "gen_ai.made_up": { "value": "x", "type": "string" },
    });
    let faults = ask(&python, CONVENTIONS, &wrong);
    assert_eq!(faults.as_array().map(Vec::len), Some(3), "{faults:#}");
}

/// A run with all that is odd: names that are too long, failures of all kinds, a call that nobody ends.
fn odd_run(manager: &Manager) {
    let run = manager.start_run(&json!({ "input": "hm?" }));
    let mut llm = run.llm_call(LlmStart::new("m".repeat(300)).provider("openai").input(&"hm?"));
    llm.token("well");
    llm.finish(LlmEnd::new().usage(TokenUsage::new(10, 5)));
    let stack =
        "TypeError: no sky\n    at look (/app/sky.js:3:7)\n    at main (/app/node_modules/x/y.js:9:1)";
    for error in [stack, "no class at all", "Traceback that is none", "", "ValueError: \n\n"] {
        run.tool_call(&"tool \n".repeat(50), "hm").fail(error);
    }
    run.tool_call("", "hm").fail("weather.NoSky: no sky");
    run.llm_call(LlmStart::new("m")).fail("RateLimitError: slow down");
    run.retriever_call("almanac", "hm").fail("x".repeat(20_000));
    run.tool_call("slow", "hm").let_go();
    run.fail("RuntimeError: \u{2614} broke");
}

/// What Sentry is sent of that with these variables.
fn sent(variables: &[(&str, &str)]) -> Vec<Vec<u8>> {
    let receiver = ReceiverDouble::start();
    let mut environment = Environment::from_pairs(variables.iter().copied());
    environment.set("SENTRY_DSN", receiver.url("/42").replacen("http://", "http://public@", 1));
    environment.set("CHARM_SPOOL_MAX_BYTES", "0");
    environment.set("CHARM_AGENT_NAME", "weather bot ".repeat(30));
    environment.set("CHARM_AGENT_VERSION", "1/2\n3");
    environment.set("CHARM_TELEMETRY_TAGS", "team name=search,user=me,region=eu");
    let builder = Manager::builder().environment(environment).stdout(MemoryWriter::new());
    let manager = builder.activate("sentry").start().expect("everything is set");
    odd_run(&manager);
    let report = manager.shutdown(Duration::from_secs(30));
    assert!(report.is_balanced(), "{report}");
    receiver.take_requests().into_iter().map(|request| request.body).collect()
}

/// Everything of these envelopes that the normaliser can read, judged: how many there were.
#[track_caller]
fn judge_sent(relay: &Relay, bodies: &[Vec<u8>]) -> [Vec<Value>; 2] {
    let of = |kind| envelope::payloads(bodies.iter().map(Vec::as_slice), kind);
    let mut transactions = of("transaction");
    let spans =
        of("span").into_iter().flat_map(|payload| payload["items"].as_array().cloned().unwrap_or_default());
    let spans: Vec<_> = spans.collect();
    if !spans.is_empty() {
        transactions.push(as_transaction(&spans));
    }
    let events = of("event");
    for judged in relay.judge_all(&[transactions.clone(), events.clone()].concat()) {
        assert_clean(&judged);
    }
    [transactions, events]
}

#[test]
fn sentry_s_normaliser_changes_nothing_in_what_an_odd_run_sends() {
    let Some(relay) = Relay::find() else { return };
    for lifecycle in ["static", "stream"] {
        for content in ["on", "off", "default"] {
            let bodies = sent(&[("SENTRY_TRACE_LIFECYCLE", lifecycle), ("CHARM_TELEMETRY_CONTENT", content)]);
            let [transactions, events] = judge_sent(&relay, &bodies);
            assert_eq!((transactions.len(), events.len()), (1, 9), "{lifecycle} {content}");
            let all = json!(events).to_string();
            assert_eq!(all.contains("[content withheld]"), content == "off", "{all}");
            assert_eq!(all.contains(r#""platform":"node""#), content != "off", "{all}");
            assert_eq!(all.contains(r#""traceback":"Traceback that is none"#), content != "off", "{all}");
        }
    }
}

#[test]
fn sentry_s_normaliser_changes_nothing_in_what_the_runner_sends_of_a_run_that_fails() {
    let Some(relay) = Relay::find() else { return };
    let Some(agent) = Talkative::new() else { return };
    for lifecycle in ["static", "stream"] {
        let variables = [("SENTRY_TRACE_LIFECYCLE", lifecycle), ("CHARM_TELEMETRY_CONTENT", "on")];
        let finished = agent.run("fail QUESTION", &variables);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let bodies: Vec<_> = agent.take("sentry").into_iter().map(|request| request.body).collect();
        let [transactions, events] = judge_sent(&relay, &bodies);
        assert_eq!((transactions.len(), events.len()), (1, 4), "the tool, the model, the search and the run");
    }
}
