//! The exporter for Datadog before Datadog's own test agent.
//!
//! Rule: what the agent got is read back from it; it says 200 to anything. It listens on loopback only, and is started without
//! the variables that would make it send things on.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use charm_telemetry_core::{Environment, LlmEnd, LlmStart, Manager, PipeWriter};
use charm_telemetry_datadog as _;
use charm_telemetry_tests::python_tool;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(1);

/// Ends with the test.
struct TestAgent {
    child: Child,
    port: u16,
    _scratch: tempfile::TempDir,
}

impl TestAgent {
    /// `None` after saying that the test is skipped.
    fn start() -> Option<Self> {
        let program = python_tool::program("datadog", "ddapm-test-agent")?;
        let scratch = tempfile::tempdir().unwrap();
        let [port, http, grpc, web] = free_ports();
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--disable-llmobs-data-forwarding"]);
        for (option, port) in
            [("-p", port), ("--otlp-http-port", http), ("--otlp-grpc-port", grpc), ("--web-ui-port", web)]
        {
            command.args([option, &port.to_string()]);
        }
        for (option, folder) in [("--snapshot-dir", "snapshots"), ("--vcr-cassettes-directory", "cassettes")]
        {
            std::fs::create_dir(scratch.path().join(folder)).unwrap();
            command.args([option, folder]);
        }
        let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DD_"));
        for (name, _) in ours {
            command.env_remove(name);
        }
        command.current_dir(&scratch).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let agent = Self { child: command.spawn().unwrap(), port, _scratch: scratch };
        agent.wait_until_ready();
        Some(agent)
    }

    fn wait_until_ready(&self) {
        let end = Instant::now() + PATIENCE;
        while self.get("/info").is_none() {
            assert!(Instant::now() < end, "the test agent is not ready after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `None` if there is no answer, or none that is JSON.
    fn get(&self, path: &str) -> Option<Value> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(connection, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// What was posted to it: the headers and the body.
    fn posted(&self) -> Vec<(BTreeMap<String, String>, Value)> {
        let requests = self.get("/test/session/requests").expect("the agent answers");
        let requests = requests.as_array().unwrap().iter();
        let ours = requests
            .filter(|request| request["url"].as_str().unwrap().ends_with("/evp_proxy/v2/api/v2/llmobs"));
        ours.map(|request| {
            let headers = request["headers"].as_object().unwrap().iter();
            let headers =
                headers.map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().to_owned()));
            (headers.collect(), serde_json::from_slice(&base64(request["body"].as_str().unwrap())).unwrap())
        })
        .collect()
    }
}

impl Drop for TestAgent {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_ports() -> [u16; 4] {
    let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
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

/// A run of a manager whose spans go through the agent.
fn weather(agent: &TestAgent) {
    let url = format!("http://127.0.0.1:{}", agent.port);
    let environment = Environment::from_pairs([
        ("DD_TRACE_AGENT_URL", &*url),
        ("DD_API_KEY", "key-that-an-agent-does-not-need"),
        ("DD_SERVICE", "wsvc"),
        ("DD_LLMOBS_ML_APP", "weather-app"),
        ("CHARM_AGENT_NAME", "weather_agent"),
        ("CHARM_SPOOL_MAX_BYTES", "0"),
    ]);
    let stdout = PipeWriter::new(tempfile::tempfile().unwrap());
    let manager =
        Manager::builder().environment(environment).activate("datadog").stdout(stdout).start().unwrap();
    let run = manager.start_run(&json!({ "input": "Weather in Lyon? 中", "thread_id": "sess-42" }));
    let mut llm = run.llm_call(LlmStart::new("gpt-x").provider("openai").input("Weather in Lyon?"));
    llm.token("let me see");
    llm.finish(LlmEnd::new());
    let tool = run.tool_call("get_weather", r#"{"city": "Lyon"}"#);
    tool.fail("ValueError: no sky");
    run.finish(&json!("21 C in Lyon"));
    let report = manager.shutdown(PATIENCE);
    assert!(report.is_balanced(), "{report}");
}

#[test]
fn datadogs_test_agent_has_the_tree_the_tokens_and_the_error() {
    let Some(agent) = TestAgent::start() else { return };
    weather(&agent);
    let posted = agent.posted();
    let spans: BTreeMap<&str, &Value> = posted
        .iter()
        .flat_map(|(_, body)| body.as_array().unwrap())
        .map(|envelope| &envelope["spans"][0])
        .map(|span| (span["name"].as_str().unwrap(), span))
        .collect();
    assert_eq!(spans.keys().copied().collect::<Vec<_>>(), ["get_weather", "gpt-x", "weather_agent"]);
    let [tool, llm, root] = ["get_weather", "gpt-x", "weather_agent"].map(|name| spans[name]);
    assert_eq!(root["parent_id"], "undefined");
    assert_eq!((&tool["parent_id"], &llm["parent_id"]), (&root["span_id"], &root["span_id"]));
    let kinds = [tool, llm, root].map(|span| span["meta"]["span"]["kind"].as_str().unwrap());
    assert_eq!(kinds, ["tool", "llm", "agent"]);
    assert_eq!(root["meta"]["input"]["value"], "Weather in Lyon? 中");
    assert_eq!(llm["meta"]["output"]["messages"], json!([{ "role": "assistant", "content": "let me see" }]));
    assert!(llm["metrics"]["time_to_first_token"].as_f64().is_some_and(|seconds| seconds < 60.0));
    assert_eq!(tool["meta"]["error"], json!({ "type": "ValueError", "message": "no sky" }));
    assert_eq!([tool, llm, root].map(|span| span["status"].as_str().unwrap()), ["error", "ok", "ok"]);
    for (headers, _) in &posted {
        assert_eq!(headers["x-datadog-evp-subdomain"], "llmobs-intake");
        assert!(
            !headers.contains_key("dd-api-key") && !headers.contains_key("content-encoding"),
            "{headers:?}"
        );
    }
}
