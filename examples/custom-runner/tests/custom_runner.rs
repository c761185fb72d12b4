//! The finished binary: what is linked in, seen from outside.
//!
//! Rule: an exporter that is asked for and silently not there is the failure that this test is for; it runs on whatever
//! profile it is built with.

use std::process::{Command, Output};

use serde_json::Value;

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
