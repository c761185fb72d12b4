//! Payloads for Sentry before the code that Sentry itself reads them with.
//!
//! Rule: the payloads are the files that the exporter's own tests compare with what it sends; and the judge has to find
//! fault with one that is wrong, or its silence means nothing.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use charm_telemetry_tests::{python_tool, requires, workspace};
use serde_json::{Value, json};

/// Reads a payload on stdin, writes what the normaliser says of it.
const JUDGE: &str = r#"
import json, sys
from sentry_relay.exceptions import RelayError
from sentry_relay.processing import StoreNormalizer
normalizer = StoreNormalizer(project_id=1, protocol_version="7", client="charm/1", enable_trimming=True)
try:
    print(json.dumps(normalizer.normalize_event(json.load(sys.stdin))))
except RelayError as error:
    print(json.dumps({"errors": [str(error)]}))
"#;

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

/// What the normaliser makes of a payload.
fn judge(python: &requires::Venv, payload: &Value) -> Value {
    ask(&python.program("python3"), JUDGE, payload)
}

/// What a program makes of JSON.
fn ask(python: &Path, program: &str, payload: &Value) -> Value {
    let mut process = Command::new(python)
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = process.stdin.take().expect("it is piped");
    stdin.write_all(payload.to_string().as_bytes()).expect("python reads");
    drop(stdin);
    let output = process.wait_with_output().expect("python ends");
    assert!(output.status.success(), "the judge has printed why");
    serde_json::from_slice(&output.stdout).expect("it writes JSON")
}

fn payload(name: &str) -> Value {
    let file = workspace::root().join(format!("exporters/sentry/tests/data/{name}.json"));
    let text = std::fs::read(&file).expect("the exporter's tests have made it");
    let mut envelope: Value = serde_json::from_slice(&text).expect("it is JSON");
    envelope["items"][0]["payload"].take()
}

fn is_clean(judged: &Value) -> bool {
    judged.get("errors").is_none_or(Value::is_null) && judged.get("_meta").is_none_or(Value::is_null)
}

#[test]
fn sentry_s_normaliser_changes_nothing_in_a_transaction_and_knows_agents_models_and_tools() {
    let Some(python) = requires::python_module("sentry_relay") else { return };
    let judged = judge(&python, &payload("transaction"));
    assert!(is_clean(&judged), "{judged:#}");
    assert_eq!(judged["contexts"]["trace"]["data"]["gen_ai.operation.type"], "agent");
    let spans = judged["spans"].as_array().expect("it has spans");
    let types: Vec<_> = spans.iter().map(|span| &span["data"]["gen_ai.operation.type"]).collect();
    assert_eq!(types, [&json!("ai_client"), &json!("tool"), &Value::Null], "a search is no call of a model");
}

#[test]
fn sentry_s_normaliser_changes_nothing_in_an_event() {
    let Some(python) = requires::python_module("sentry_relay") else { return };
    let judged = judge(&python, &payload("event"));
    assert!(is_clean(&judged), "{judged:#}");
    assert_eq!(judged["exception"]["values"][0]["mechanism"]["handled"], true);
}

#[test]
fn sentry_s_normaliser_changes_nothing_in_the_frames_and_causes_of_an_event() {
    let Some(python) = requires::python_module("sentry_relay") else { return };
    let payload = payload("event_traceback");
    let judged = judge(&python, &payload);
    assert!(is_clean(&judged), "{judged:#}");
    let values = |payload: &Value| payload["exception"]["values"].as_array().expect("it has some").clone();
    assert_eq!(values(&judged).len(), values(&payload).len());
    for (sent, taken) in values(&payload).iter().zip(values(&judged)) {
        assert_eq!(sent["stacktrace"]["frames"], taken["stacktrace"]["frames"]);
        assert_eq!(sent["mechanism"], taken["mechanism"]);
    }
    let mut too_many = payload;
    let last = too_many["exception"]["values"].as_array_mut().and_then(|values| values.last_mut());
    let frames = last.and_then(|last| last["stacktrace"]["frames"].as_array_mut()).expect("it has frames");
    *frames = vec![frames[0].clone(); 251];
    assert!(!is_clean(&judge(&python, &too_many)), "it takes 250");
}

#[test]
fn sentry_s_normaliser_finds_fault_with_what_is_wrong() {
    type Change = fn(&mut Value);
    let Some(python) = requires::python_module("sentry_relay") else { return };
    let changes: [Change; 5] = [
        |payload| payload["spans"][0]["status"] = json!("okay"),
        |payload| payload["platform"] = json!("rust"),
        |payload| payload["environment"] = json!("a/b"),
        |payload| payload["contexts"]["trace"]["trace_id"] = Value::Null,
        |payload| payload["transaction"] = json!("x".repeat(300)),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut payload = payload("transaction");
        change(&mut payload);
        let judged = judge(&python, &payload);
        assert!(!is_clean(&judged), "change {number} passes: {judged:#}");
    }
}

#[test]
fn sentry_s_normaliser_takes_away_the_tags_that_the_exporter_leaves_out_and_refuses_an_empty_one() {
    let Some(python) = requires::python_module("sentry_relay") else { return };
    let with_tag = |key: &str, value: &str| {
        let mut payload = payload("transaction");
        payload["tags"][key] = json!(value);
        let judged = judge(&python, &payload);
        let tags = judged["tags"].as_array().expect("it has tags").clone();
        (tags.iter().any(|tag| tag[0] == key && tag[1] == value), is_clean(&judged))
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
    json!({
        "type": "transaction", "event_id": "0".repeat(31) + "1", "transaction": root["description"],
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
    type Change = fn(&mut Value);
    let Some(python) = requires::python_module("sentry_relay") else { return };
    let judged = judge(&python, &as_transaction(&spans()));
    assert!(is_clean(&judged), "{judged:#}");
    let types = spans().into_iter().map(|span| {
        let of = |span: &Value| span["data"]["gen_ai.operation.type"].clone();
        let others = judged["spans"].as_array().expect("it has spans").iter();
        let mut found = others.filter(|other| other["span_id"] == span["span_id"]).map(of);
        found.next().unwrap_or_else(|| of(&judged["contexts"]["trace"]))
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
        let judged = judge(&python, &as_transaction(&spans));
        assert!(!is_clean(&judged), "change {number} passes: {judged:#}");
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
