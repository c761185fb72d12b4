//! Arize Phoenix, which stores traces and shows them by its own interface.
//!
//! Rule: its data are in a scratch folder, and it sends nothing on.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{Program, free_port, get, poll};
use crate::requires;

/// A running one.
#[derive(Debug)]
pub struct Phoenix {
    /// For `/v1/traces`.
    pub port: u16,
    _program: Program,
    _data: TempDir,
}

impl Phoenix {
    /// Starts the one that `cargo xtask test` installed; `None` after saying that the calling test is skipped.
    ///
    /// # Panics
    /// It does not get ready.
    pub fn start() -> Option<Self> {
        let program = requires::installed("phoenix", "bin/phoenix")?;
        let (port, grpc) = (free_port(), free_port());
        let data = tempfile::tempdir().expect("a scratch folder");
        let mut command = Command::new(program);
        command.arg("serve").env("PHOENIX_WORKING_DIR", data.path()).env("PHOENIX_HOST", "127.0.0.1");
        command.env("PHOENIX_PORT", port.to_string()).env("PHOENIX_GRPC_PORT", grpc.to_string());
        command.env("PHOENIX_TELEMETRY_ENABLED", "false");
        let mut program = Program::start(command);
        poll("Phoenix is up", || {
            program.must_run();
            get(port, "/healthz")
        });
        Some(Self { port, _program: program, _data: data })
    }

    /// The spans of a project, when there are so many or more: it answers before it stores.
    ///
    /// # Panics
    /// They do not come.
    pub fn spans(&self, project: &str, count: usize) -> Vec<Value> {
        let path = format!("/v1/projects/{project}/spans?limit=100");
        poll("the spans are stored", || {
            let answer: Value = serde_json::from_str(&get(self.port, &path)?).ok()?;
            answer["data"].as_array().filter(|spans| spans.len() >= count).cloned()
        })
    }
}
