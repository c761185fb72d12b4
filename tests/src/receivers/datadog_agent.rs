//! Datadog's own test agent.
//!
//! Rule: it says 200 to anything, so what it got is read back; it is started without the variables that would make it send
//! things on.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{Program, free_port, get, poll};
use crate::python_tool;

/// A running one.
#[derive(Debug)]
pub struct DatadogAgent {
    /// For `DD_TRACE_AGENT_URL`.
    pub port: u16,
    _program: Program,
    _scratch: TempDir,
}

/// A request: its headers, in lower case, and its body.
pub type Posted = (BTreeMap<String, String>, Value);

impl DatadogAgent {
    /// Starts it; `None` after saying that the calling test is skipped.
    ///
    /// # Panics
    /// It does not get ready.
    pub fn start() -> Option<Self> {
        let program = python_tool::program("datadog", "ddapm-test-agent")?;
        let (scratch, port) = (tempfile::tempdir().expect("a scratch folder"), free_port());
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--disable-llmobs-data-forwarding", "-p", &port.to_string()]);
        for option in ["--otlp-http-port", "--otlp-grpc-port", "--web-ui-port"] {
            command.args([option, &free_port().to_string()]);
        }
        for (option, folder) in [("--snapshot-dir", "snapshots"), ("--vcr-cassettes-directory", "cassettes")]
        {
            std::fs::create_dir(scratch.path().join(folder)).expect("the scratch folder can be written to");
            command.args([option, folder]);
        }
        let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DD_"));
        for (name, _) in ours {
            command.env_remove(name);
        }
        command.current_dir(&scratch);
        let mut program = Program::start(command);
        poll("the test agent is ready", || {
            program.must_run();
            get(port, "/info")
        });
        Some(Self { port, _program: program, _scratch: scratch })
    }

    /// All that was posted to it, as it has it: with the bodies in base64.
    ///
    /// # Panics
    /// It does not answer.
    pub fn requests(&self) -> Vec<Value> {
        let answer = get(self.port, "/test/session/requests").expect("the agent answers");
        serde_json::from_str(&answer).expect("it answers with a list")
    }

    /// What was posted for LLM Observability.
    ///
    /// # Panics
    /// It does not answer.
    pub fn posted(&self) -> Vec<Posted> {
        let requests = self.requests();
        let ours = requests.iter().filter(|request| {
            request["url"].as_str().is_some_and(|url| url.ends_with("/evp_proxy/v2/api/v2/llmobs"))
        });
        ours.map(|request| (headers(request), body(request))).collect()
    }

    /// The spans of it, out of what is around them.
    ///
    /// # Panics
    /// It does not answer.
    pub fn spans(&self) -> Vec<Value> {
        let bodies = self.posted().into_iter().map(|(_, body)| body);
        let envelopes = bodies.flat_map(|body| body.as_array().cloned().expect("the body is a list"));
        let spans = envelopes.map(|envelope| envelope["spans"].as_array().cloned().expect("a list of spans"));
        spans.flatten().collect()
    }
}

fn headers(request: &Value) -> BTreeMap<String, String> {
    let headers = request["headers"].as_object().into_iter().flatten();
    headers
        .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

fn body(request: &Value) -> Value {
    let bytes = base64(request["body"].as_str().expect("the body is a text"));
    serde_json::from_slice(&bytes).expect("it is JSON")
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0_usize, 0);
    for digit in text.bytes().filter(|&byte| byte != b'=') {
        let value = DIGITS.iter().position(|&known| known == digit).expect("it is base64");
        held = held << 6 | value;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits).expect("eight bits are left"));
        }
        held &= (1 << bits) - 1;
    }
    bytes
}
