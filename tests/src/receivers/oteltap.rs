//! `oteltap`, which prints what it receives over OTLP: spans and metrics.
//!
//! Rule: it decodes with OpenTelemetry's own definitions, which makes it a judge of our encoder.

use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Program, free_port, poll};
use crate::requires;

const PATIENCE: Duration = Duration::from_mins(2);

/// A running one.
#[derive(Debug)]
pub struct OtelTap {
    /// For `/v1/traces` and `/v1/metrics`.
    pub port: u16,
    lines: mpsc::Receiver<String>,
    _program: Program,
}

impl OtelTap {
    /// Starts it; `None` after saying that the calling test is skipped.
    ///
    /// # Panics
    /// It does not get ready.
    pub fn start() -> Option<Self> {
        let (program, port) = (requires::venv()?.program("oteltap"), free_port());
        assert!(program.is_file(), "oteltap is in tests/requirements.txt: renew the environment");
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string()]).env("PYTHONUNBUFFERED", "1");
        let (mut program, lines) = Program::start_read(command);
        poll("oteltap listens", || {
            program.must_run();
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(Self { port, lines, _program: program })
    }

    /// What it printed until `enough` says that all is there.
    ///
    /// # Panics
    /// It does not all come.
    pub fn records(&self, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let end = Instant::now() + PATIENCE;
        let mut records = Vec::new();
        while !enough(&records) {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("not all came: {records:#?}"));
            // Besides the records it says where it listens.
            records.extend(serde_json::from_str(&line).ok());
        }
        records
    }
}
