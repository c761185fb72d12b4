//! Payloads for Sentry before the code that Sentry itself reads them with.
//!
//! Rule: the payloads are the files that the exporter's own tests compare with what it sends; and the judge has to find
//! fault with one that is wrong, or its silence means nothing.

use std::io::Write as _;
use std::process::{Command, Stdio};

use charm_telemetry_tests::{requires, workspace};
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

/// What the normaliser makes of a payload.
fn judge(python: &requires::Venv, payload: &Value) -> Value {
    let mut process = Command::new(python.program("python3"))
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = process.stdin.take().expect("it is piped");
    stdin.write_all(payload.to_string().as_bytes()).expect("python reads");
    drop(stdin);
    let output = process.wait_with_output().expect("python ends");
    assert!(output.status.success(), "the normaliser has printed why");
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
