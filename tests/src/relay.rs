//! The code that Sentry itself reads payloads with, as a judge: `sentry_relay`, Relay's own normaliser.
//!
//! Rule: a payload is right if it comes out with everything that went in, without an error and without a remark.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::requires;

/// Reads payloads on stdin with the times at which they came, writes what the normaliser makes of each. The bounds of times
/// are those of Sentry's own servers.
const JUDGE: &str = r#"
import datetime, json, sys
from sentry_relay.exceptions import RelayError
from sentry_relay.processing import StoreNormalizer

def judge(payload, received):
    received = datetime.datetime.fromtimestamp(received, datetime.timezone.utc).isoformat()
    normalizer = StoreNormalizer(
        project_id=1, protocol_version="7", client="charm/1", enable_trimming=True, received_at=received,
        max_secs_in_past=30 * 24 * 3600, max_secs_in_future=60,
    )
    try:
        return normalizer.normalize_event(payload)
    except RelayError as error:
        return {"errors": [str(error) or type(error).__name__]}

print(json.dumps([judge(*case) for case in json.load(sys.stdin)]))
"#;

/// The normaliser.
#[derive(Debug)]
pub struct Relay(PathBuf);

/// What the normaliser made of a payload.
#[derive(Debug)]
pub struct Judged {
    /// What is left of it, and what was added.
    pub payload: Value,
    /// What it found, and what is gone.
    pub faults: Vec<String>,
}

impl Relay {
    /// `None` after saying that the calling test is skipped.
    pub fn find() -> Option<Self> {
        Some(Self(requires::python_module("sentry_relay")?.program("python3")))
    }

    /// What it makes of a payload that comes a second after it was over.
    pub fn judge(&self, payload: &Value) -> Judged {
        self.judge_at(payload, payload["timestamp"].as_f64().unwrap_or_default() + 1.0)
    }

    /// What it makes of a payload that comes so many seconds after 1970.
    pub fn judge_at(&self, payload: &Value, received: f64) -> Judged {
        let judged = ask(&self.0, JUDGE, &json!([[payload, received]]));
        Judged::new(payload, judged[0].clone())
    }

    /// What it makes of many.
    pub fn judge_all(&self, payloads: &[Value]) -> Vec<Judged> {
        let received = |payload: &Value| payload["timestamp"].as_f64().unwrap_or_default() + 1.0;
        let cases: Vec<_> = payloads.iter().map(|payload| json!([payload, received(payload)])).collect();
        let judged = ask(&self.0, JUDGE, &Value::Array(cases));
        let judged = judged.as_array().into_iter().flatten().cloned();
        payloads.iter().zip(judged).map(|(payload, judged)| Judged::new(payload, judged)).collect()
    }
}

impl Judged {
    fn new(sent: &Value, taken: Value) -> Self {
        let mut faults = Vec::new();
        for place in ["errors", "_meta"] {
            let said = &taken[place];
            if !said.is_null() {
                faults.push(format!("{place}: {said}"));
            }
        }
        if faults.is_empty() {
            missing("", sent, &taken, &mut faults);
        }
        Self { payload: taken, faults }
    }
}

/// What was sent and is not there any more.
fn missing(path: &str, sent: &Value, taken: &Value, faults: &mut Vec<String>) {
    match (sent, taken) {
        (Value::Object(fields), _) => {
            for (name, value) in fields {
                let inner = if path == "/tags" { tag(taken, name) } else { &taken[name] };
                missing(&format!("{path}/{name}"), value, inner, faults);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (number, (value, inner)) in items.iter().zip(others).enumerate() {
                missing(&format!("{path}/{number}"), value, inner, faults);
            }
        }
        _ if is_same(sent, taken) => {}
        _ => faults.push(format!("{path} was {sent} and is {taken}")),
    }
}

/// It makes a list of pairs of them.
fn tag<'a>(tags: &'a Value, name: &str) -> &'a Value {
    let mut pairs = tags.as_array().into_iter().flatten();
    pairs.find(|pair| pair[0] == name).map_or(&Value::Null, |pair| &pair[1])
}

/// Times come back to the microsecond, and whole numbers as such.
fn is_same(sent: &Value, taken: &Value) -> bool {
    match (sent.as_f64(), taken.as_f64()) {
        (Some(sent), Some(taken)) => (sent - taken).abs() < 1e-6,
        _ => sent == taken,
    }
}

/// What a Python program makes of JSON.
///
/// # Panics
/// It fails; it has printed why.
pub fn ask(python: &Path, program: &str, question: &Value) -> Value {
    let mut process = Command::new(python)
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = process.stdin.take().expect("it is piped");
    stdin.write_all(question.to_string().as_bytes()).expect("python reads");
    drop(stdin);
    let output = process.wait_with_output().expect("python ends");
    assert!(output.status.success(), "the program has printed why");
    serde_json::from_slice(&output.stdout).expect("it writes JSON")
}
