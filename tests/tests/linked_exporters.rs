//! What is compiled in is there, in debug and in release, and what it needs is told.
//! Rule: each test asks a binary of its own kind; only a linked program shows what the linker left out.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

const RUNNER: &str = env!("CARGO_BIN_EXE_runner-with-exporters");
const TWINS: &str = env!("CARGO_BIN_EXE_runner-with-twins");

const SECRETS: [&str; 3] = ["fails-secret-1", "panics-secret-2", "webhook-secret-3"];

/// Runs a runner in a new project that lists these exporters.
fn call(runner: &str, telemetry: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let manifest = format!(
        "version: \"0.4\"\npersona: {{name: T, description: t}}\ninterface: {{input: {{}}, output: {{}}}}\nruntime:\n  \
         adapter: {{type: node, entry_point: echo hi}}\n  telemetry: [{telemetry}]\n"
    );
    fs::write(folder.path().join("charm.yaml"), manifest).unwrap();
    let mut command = Command::new(runner);
    command.current_dir(folder.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn said(output: &Output) -> String {
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    stdout + &stderr
}

#[test]
fn every_exporter_that_is_named_in_the_code_is_linked() {
    let output = call(RUNNER, "", &["exporters", "--json"], &[]);
    let exporters: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<_> =
        exporters.as_array().unwrap().iter().map(|exporter| exporter["name"].as_str().unwrap()).collect();
    for name in ["fails", "panics", "webhook"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(names.is_sorted());
    let fails = exporters.as_array().unwrap().iter().find(|exporter| exporter["name"] == "fails").unwrap();
    assert_eq!(fails["description"], "Answers every token with an error that holds its secret.");
    assert_eq!(fails["variables"][0]["secret"], true);
    assert_eq!(fails["variables"][1]["default"], "1s");
}

#[test]
fn a_misspelt_name_is_told_with_its_line_a_suggestion_and_what_is_compiled_in() {
    let output = call(RUNNER, "webhok", &["run"], &[]);
    assert_eq!(output.status.code(), Some(78));
    let expected = "charm: ./charm.yaml:6:15: runtime.telemetry[0]: unknown exporter `webhok`; did you mean `webhook`? compiled in: ";
    assert!(said(&output).starts_with(expected), "{}", said(&output));
    assert!(said(&output).contains("fails, ") && said(&output).contains("webhook\n"), "{}", said(&output));
}

#[test]
fn the_missing_variables_of_all_exporters_are_told_together() {
    let output = call(RUNNER, "fails, panics, webhook", &["run"], &[]);
    assert_eq!(output.status.code(), Some(78));
    let said = said(&output);
    for expected in [
        "exporter `fails` needs `FAILS_KEY`: A key; it is not set",
        "exporter `panics` needs `PANICS_KEY` (or `OLD_PANICS_KEY`): A key; none is set",
        "exporter `webhook` needs `WEBHOOK_URL`: Where to post; it is not set",
        "exporter `webhook` needs `WEBHOOK_TOKEN` (or `OLD_WEBHOOK_TOKEN`)",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    // Elsewhere they may be set.
    let output = call(RUNNER, "fails, panics, webhook", &["validate"], &[]);
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn two_exporters_of_one_name_are_refused_naming_both_types() {
    for arguments in [&["run"][..], &["validate"], &["exporters"]] {
        let output = call(TWINS, "", arguments, &[]);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        let said = said(&output);
        assert!(said.contains("`twin`") && said.contains("Castor") && said.contains("Pollux"), "{said}");
    }
}

#[test]
fn exporters_that_fail_and_panic_with_their_secrets_show_none() {
    let environment = [
        ("FAILS_KEY", SECRETS[0]),
        ("OLD_PANICS_KEY", SECRETS[1]),
        ("WEBHOOK_TOKEN", SECRETS[2]),
        ("WEBHOOK_URL", "http://127.0.0.1:1/"),
        ("FAILS_EVERY", "webhook-secret-3"),
        ("RUST_BACKTRACE", "1"),
    ];
    let good = [&environment[..4], &environment[5..]].concat();
    for (arguments, environment, status) in [
        (&["run", ".", "--telemetry-report"][..], &good[..], 0),
        (&["run", ".", "--json", "{}", "--telemetry-report=json"], &good, 0),
        (&["validate"], &good, 0),
        (&["exporters"], &good, 0),
        (&["exporters", "--json"], &good, 0),
        // Another variable that holds the value of a secret, and cannot be read.
        (&["run"], &environment, 78),
    ] {
        let output = call(RUNNER, "fails, panics, webhook", arguments, environment);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        for secret in SECRETS {
            assert!(!said.contains(secret), "{arguments:?}: {secret} in {said}");
        }
        if arguments[0] == "run" && status == 0 {
            assert!(
                said.contains("[FAILS_KEY_REDACTED]") && said.contains("[OLD_PANICS_KEY_REDACTED]"),
                "{said}"
            );
        }
    }
}
