//! The OTLP exporter against receivers that others wrote, read back through their own interfaces.
//!
//! Rule: what a receiver shows is compared, not that it answered 200; it ends with the test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use charm_telemetry_core::{Environment, LlmEnd, LlmStart, Manager, PipeWriter, RunId, TokenUsage};
use charm_telemetry_otlp as _;
use charm_telemetry_tests::requires;
use serde_json::{Value, json};

/// Phoenix takes half a minute to start on an idle machine.
const PATIENCE: Duration = Duration::from_mins(3);

#[test]
fn oteltap_reads_the_spans_and_the_metrics() {
    let Some(venv) = requires::venv() else { return };
    let (program, port) = (venv.program("oteltap"), free_port());
    assert!(program.is_file(), "oteltap is in tests/requirements.txt: renew the environment");
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string()]).env("PYTHONUNBUFFERED", "1").stdout(Stdio::piped());
    let mut receiver = Receiver::start(command);
    let lines = receiver.lines();
    wait_for_port(port);
    run_agent(port, &[]);

    let wanted = [
        "chat gpt-4o",
        "execute_tool weather",
        "invoke_agent weather bot",
        "gen_ai.client.token.usage",
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.operation.time_per_output_chunk",
    ];
    let end = Instant::now() + PATIENCE;
    let mut seen = String::new();
    while !wanted.iter().all(|name| seen.contains(name)) {
        let left = end.saturating_duration_since(Instant::now());
        let line = lines.recv_timeout(left).unwrap_or_else(|_| panic!("not all came: {seen}"));
        // Besides the records it says where it listens.
        if serde_json::from_str::<Value>(&line).is_ok() {
            seen.push_str(&line);
        }
    }
    assert!(seen.contains("ValueError"), "{seen}");
    assert!(!seen.contains("SECRET"), "content stays at home by default");
}

#[test]
fn phoenix_shows_the_tree_the_tokens_the_messages_and_the_error() {
    let phoenix_program =
        requires::heavy("CHARM_TEST_PHOENIX", "the program `phoenix` of `arize-phoenix` from PyPI");
    let Some(program) = phoenix_program else { return };
    let (port, grpc, data) = (free_port(), free_port(), tempfile::tempdir().expect("a scratch folder"));
    let mut receiver = Receiver::start(phoenix(&program, port, grpc, data.path()));
    receiver.drain();
    wait_for_health(port);
    let capture = ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY");
    let project = ("OTEL_RESOURCE_ATTRIBUTES", "openinference.project.name=charm");
    let id = run_agent(port, &[capture, project, ("OTEL_METRICS_EXPORTER", "none")]);

    let spans = stored_spans(port, 3);
    let named = |name: &str| spans.iter().find(|span| span["name"] == name).expect("the span is stored");
    let (agent, llm) = (named("invoke_agent weather bot"), named("chat gpt-4o"));
    let tool = named("execute_tool weather");
    for (span, kind) in [(agent, "AGENT"), (llm, "LLM"), (tool, "TOOL")] {
        assert_eq!(span["span_kind"], kind);
        assert_eq!(span["context"]["trace_id"], id.to_string().replace('-', ""));
    }
    for child in [llm, tool] {
        assert_eq!(child["parent_id"], agent["context"]["span_id"]);
    }
    assert_eq!(agent["parent_id"], Value::Null);
    let attributes = &llm["attributes"];
    assert_eq!(attributes["llm.model_name"], "gpt-4o");
    assert_eq!(attributes["llm.token_count.prompt"], 120);
    assert_eq!(attributes["llm.token_count.completion"], 7);
    let asked = "llm.input_messages.0.message.contents.0.message_content.text";
    let asked_short = "llm.input_messages.0.message.content";
    let text = [asked, asked_short].iter().find_map(|key| attributes[*key].as_str());
    assert_eq!(text, Some("SECRET question"), "{attributes:#}");
    assert_eq!(tool["status_code"], "ERROR");
    assert_eq!(tool["status_message"], "ValueError: SECRET city");
    assert!(tool["events"].to_string().contains("exception"));
    assert_ne!(agent["end_time"], agent["start_time"]);
}

/// A run with a streamed answer and a tool that fails.
fn run_agent(port: u16, more: &[(&str, &str)]) -> RunId {
    let mut environment = Environment::from_pairs(more.iter().copied());
    environment.set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"));
    environment.set("CHARM_SPOOL_MAX_BYTES", "0");
    environment.set("CHARM_AGENT_NAME", "weather bot");
    let stdout = PipeWriter::new(tempfile::tempfile().expect("a scratch file"));
    let manager = Manager::builder().environment(environment).stdout(stdout).activate("otlp").start();
    let manager = manager.expect("all is well");
    let run = manager.start_run(&json!({ "input": "SECRET question" }));
    let id = run.id();
    let asked = json!([{ "role": "user", "content": "SECRET question" }]);
    let mut call = run.llm_call(LlmStart::new("gpt-4o").provider("openai").input(&asked));
    call.token("SECRET");
    call.token(" answer");
    call.finish(LlmEnd::new().output(&"SECRET answer").usage(TokenUsage::new(120, 7)));
    run.tool_call("weather", r#"{"city":"Oslo"}"#).fail("ValueError: SECRET city");
    run.finish("SECRET answer");
    manager.shutdown(Duration::from_secs(30));
    id
}

fn phoenix(program: &Path, port: u16, grpc: u16, data: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("serve").env("PHOENIX_WORKING_DIR", data).env("PHOENIX_HOST", "127.0.0.1");
    command.env("PHOENIX_PORT", port.to_string()).env("PHOENIX_GRPC_PORT", grpc.to_string());
    command.env("PHOENIX_TELEMETRY_ENABLED", "false").stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Phoenix answers before it stores.
fn stored_spans(port: u16, count: usize) -> Vec<Value> {
    let path = "/v1/projects/charm/spans?limit=100";
    poll("the spans are stored", || {
        let answer: Value = serde_json::from_str(&get(port, path)?).ok()?;
        answer["data"].as_array().filter(|spans| spans.len() >= count).cloned()
    })
}

fn wait_for_health(port: u16) {
    poll("Phoenix is up", || get(port, "/healthz"));
}

fn wait_for_port(port: u16) {
    poll("the receiver listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
}

/// The body of an answer with the status 200.
fn get(port: u16, path: &str) -> Option<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    connection.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(connection, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n").ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200 ").then(|| body.to_owned())
}

fn poll<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("not within {PATIENCE:?}: {what}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// A program that ends when this goes, also when a test panics.
struct Receiver(Child);

impl Receiver {
    fn start(mut command: Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("can't start {command:?}: {error}")))
    }

    /// Its output, read by a thread that ends with it.
    fn lines(&mut self) -> mpsc::Receiver<String> {
        let (sender, lines) = mpsc::channel();
        let output = self.0.stdout.take().expect("its output is a pipe");
        std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        lines
    }

    fn drain(&mut self) {
        let output = self.0.stdout.take().expect("its output is a pipe");
        std::thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).for_each(drop));
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
