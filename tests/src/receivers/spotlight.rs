//! Sentry's Spotlight, which keeps the envelopes it is sent and gives them back.
//!
//! Rule: it would listen on every interface and tell its makers of itself; here it does neither.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Program, free_port, get, poll};
use crate::requires;

/// Loaded before it. Whoever listens listens on loopback, and whoever connects elsewhere is refused.
const AT_HOME: &str = r#"
const net = require("net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  if (typeof args[0] === "object" && args[0] !== null) args[0] = { ...args[0], host: "127.0.0.1" };
  else if (typeof args[1] === "string") args[1] = "127.0.0.1";
  else args.splice(1, 0, "127.0.0.1");
  return listen.apply(this, args);
};
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  const host = (options && options.host) || "localhost";
  if (!["127.0.0.1", "localhost", "::1"].includes(host)) {
    process.nextTick(() => this.destroy(new Error("it stays at home")));
    return this;
  }
  return connect.apply(this, args);
};
"#;

/// A running one.
#[derive(Debug)]
pub struct Spotlight {
    /// For `/api/PROJECT/envelope/`.
    pub port: u16,
    _program: Program,
    _scratch: TempDir,
}

impl Spotlight {
    /// Starts the one that `cargo xtask test` installed; `None` after saying that the calling test is skipped.
    ///
    /// # Panics
    /// It does not get ready.
    pub fn start() -> Option<Self> {
        let node = requires::program("node")?;
        let script = requires::installed("spotlight", "node_modules/@spotlightjs/spotlight/dist/run.js")?;
        let (port, scratch) = (free_port(), tempfile::tempdir().expect("a scratch folder"));
        let at_home: PathBuf = scratch.path().join("at-home.cjs");
        std::fs::write(&at_home, AT_HOME).expect("the scratch folder can be written to");
        let mut command = Command::new(node);
        command.arg("--require").arg(&at_home).arg(script).args(["server", "-p", &port.to_string()]);
        command.current_dir(&scratch);
        let mut program = Program::start(command);
        poll("Spotlight is up", || {
            program.must_run();
            get(port, "/health")
        });
        Some(Self { port, _program: program, _scratch: scratch })
    }

    /// The envelopes it has, when there are so many: each a header and a list of pairs of an item's header and its payload.
    ///
    /// # Panics
    /// They do not come.
    pub fn envelopes(&self, count: usize) -> Vec<Value> {
        poll("Spotlight has the envelopes", || self.replayed(count))
    }

    /// It has no list: whoever listens to its stream is first told all that it keeps.
    fn replayed(&self, count: usize) -> Option<Vec<Value>> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        write!(connection, "GET /stream?client=test HTTP/1.0\r\nHost: 127.0.0.1:{}\r\n\r\n", self.port)
            .ok()?;
        let lines = BufReader::new(connection).lines().map_while(Result::ok);
        let data = lines.filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?.trim()).ok());
        let envelopes: Vec<Value> = data.filter(Value::is_array).take(count).collect();
        (envelopes.len() == count).then_some(envelopes)
    }

    /// What its own reader of traces says of a trace.
    ///
    /// # Panics
    /// It does not answer.
    pub fn trace(&self, trace_id: &str) -> String {
        let arguments = json!({ "name": "get_traces", "arguments": { "traceId": trace_id } });
        let call =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": arguments }).to_string();
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        connection.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket has a time-out");
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n",
            self.port,
            call.len()
        );
        connection.write_all((head + &call).as_bytes()).expect("it reads");
        let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
        lines.find_map(|line| text(line.strip_prefix("data:").unwrap_or(&line))).expect("it answers")
    }
}

fn text(line: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(line.trim()).ok()?;
    Some(answer["result"]["content"][0]["text"].as_str()?.to_owned())
}
