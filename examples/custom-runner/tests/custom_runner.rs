//! The finished binary: what is linked in, seen from outside.
//!
//! Rule: an exporter that is asked for and silently not there is the failure that this test is for; it runs on whatever
//! profile it is built with.

#[expect(dead_code, reason = "shared with the exporter's own tests, which use all of it")]
#[path = "../../exporters/webhook/src/tests/receiver.rs"]
mod receiver;

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use self::receiver::Receiver;

const MANIFEST: &str = "\
version: '0.4'
persona: {name: Weather, description: Tells the weather}
interface: {input: {type: object}, output: {type: string}}
runtime:
  adapter: {type: python, entry_point: 'agent:answer'}
  telemetry: [webhook]
";

const AGENT: &str = "\
def answer(place, callbacks):
    for callback in callbacks:
        callback.on_tool_start({'name': 'weather'}, place)
        callback.on_tool_end('rain')
    return 'take an umbrella'
";

const TOKEN: &str = "token-that-nobody-may-see";

fn runner(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_charm-custom-runner"));
    command.args(arguments).env_clear().env("WEBHOOK_TOKEN", TOKEN);
    command.output().expect("the runner was built before its test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the runner writes UTF-8")
}

#[test]
fn the_exporter_of_a_third_party_is_linked_in_and_describes_itself() {
    let output = runner(&["exporters", "--json"]);
    let exporters: Vec<Value> = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let webhook = exporters.iter().find(|exporter| exporter["name"] == "webhook").expect("it is linked in");
    assert_eq!(webhook["crate"], "charm-telemetry-webhook");
    assert_eq!(webhook["type"], "charm_telemetry_webhook::Webhook");
    let variables = webhook["variables"].as_array().expect("a list");
    let names: Vec<_> = variables.iter().map(|variable| &variable["names"][0]).collect();
    assert_eq!(names, ["WEBHOOK_URL", "WEBHOOK_TOKEN", "WEBHOOK_TIMEOUT"]);
    let token = &variables[1];
    assert_eq!((&token["secret"], &token["set"]), (&Value::Bool(true), &Value::Bool(true)));
}

#[test]
fn the_value_of_a_secret_is_in_no_list() {
    for arguments in [&["exporters"][..], &["exporters", "--json"]] {
        let output = runner(arguments);
        let written = text(&output.stdout) + &text(&output.stderr);
        assert!(written.contains("WEBHOOK_TOKEN"), "{written}");
        assert!(!written.contains(TOKEN), "{written}");
    }
}

#[test]
fn a_tool_call_of_a_python_agent_reaches_the_web_hook() {
    let project = tempfile::tempdir().expect("a folder can be made");
    fs::write(project.path().join("charm.yaml"), MANIFEST).expect("it is ours");
    fs::write(project.path().join("agent.py"), AGENT).expect("it is ours");
    let receiver = Receiver::answering(&[200, 200]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_charm-custom-runner"));
    command.args(["run", "--json", r#"{"place": "Oslo"}"#]).arg(project.path());
    command.env("WEBHOOK_URL", receiver.url()).env("WEBHOOK_TOKEN", TOKEN);
    let output = command.output().expect("the runner was built before its test");
    let written = text(&output.stdout) + &text(&output.stderr);
    assert!(written.contains("take an umbrella"), "{written}");

    let posted: Vec<Value> =
        (0..2).map(|_| serde_json::from_str(&receiver.next().body).expect("a body is JSON")).collect();
    assert_eq!((&posted[0]["event"], &posted[0]["input"]), (&"tool_start".into(), &"Oslo".into()));
    assert_eq!((&posted[1]["event"], &posted[1]["output"]), (&"tool_end".into(), &"rain".into()));
    assert_eq!(posted[0]["run_id"], posted[1]["run_id"]);
    assert!(!written.contains(TOKEN), "{written}");
}
