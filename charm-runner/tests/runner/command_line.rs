//! The command line itself: names, help, completions.
//! The one rule: whatever name the program has, its own texts say that name.

use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::project::{Done, Project, RUNNER, Running};

/// The runner, linked as `charm`.
fn as_charm(project: &Project, arguments: &[&str]) -> Done {
    let link = project.folder().join("charm");
    if !link.exists() {
        symlink(RUNNER, &link).unwrap();
    }
    Running::start(project.program(&link).args(arguments)).finish()
}

#[test]
fn linked_as_charm_it_does_what_the_cloud_asks_of_charm() {
    let project = Project::python("def main(city):\n    return 'sun in ' + city\n")
        .env("INPUT_JSON", r#"{"city": "Oslo"}"#);
    symlink(RUNNER, project.folder().join("charm")).unwrap();
    let mut command = project.program("sh");
    command.args(["-c", "PATH=\"$PWD:$PATH\"; charm run . --json \"$INPUT_JSON\""]);
    let done = Running::start(&mut command).finish().assert_status(0);
    assert_eq!(done.result()["output"], "sun in Oslo");
    assert_eq!(done.content("status"), "Initializing Agent Runtime...");
}

#[test]
fn help_and_usage_say_the_name_by_which_it_was_started() {
    let project = Project::shell("true");
    for arguments in [&["--help"][..], &["run", "--help"], &["completions", "--help"]] {
        let done = as_charm(&project, arguments).assert_status(0);
        assert!(done.stdout.contains("charm "), "{}", done.stdout);
        assert!(!done.stdout.contains("charm-runner"), "{}", done.stdout);
        let own = project.call(arguments).assert_status(0).stdout;
        assert!(own.contains("charm-runner "), "{own}");
    }
    let done = as_charm(&project, &["exporter"]).assert_status(2);
    assert!(done.stderr.contains("Usage: charm ") && done.stderr.contains("'exporters'"), "{}", done.stderr);
    assert!(as_charm(&project, &["--version"]).stdout.starts_with("charm "));
}

#[test]
fn help_has_examples_and_the_exit_codes() {
    let project = Project::shell("true");
    let help = project.call(&["--help"]).assert_status(0).stdout;
    for expected in ["Examples:", "Exit codes:", "CHARM_TELEMETRY_ON_ERROR=warn", "completions"] {
        assert!(help.contains(expected), "{expected}: {help}");
    }
    let help = project.call(&["run", "--help"]).assert_status(0).stdout;
    for expected in
        ["--json <JSON>", "--input-file <FILE>", "--telemetry-report", "--fail-on-error", "Examples:"]
    {
        assert!(help.contains(expected), "{expected}: {help}");
    }
}

#[test]
fn completions_are_scripts_that_their_shells_can_read() {
    let project = Project::shell("true");
    for shell in ["bash", "zsh", "fish"] {
        let script = project.call(&["completions", shell]).assert_status(0).stdout;
        assert!(script.contains("charm-runner") && script.contains("telemetry-report"));
        project.file("script", &script);
        let check = std::process::Command::new(shell).arg("-n").arg(project.folder().join("script")).output();
        match check {
            Ok(check) => assert!(check.status.success(), "{shell}: {check:?}"),
            Err(_) => eprintln!("not shown here: {shell} is not installed"),
        }
        assert!(as_charm(&project, &["completions", shell]).stdout.contains("charm"));
    }
}

#[test]
fn validate_says_everything_at_once_in_words_and_in_json() {
    let project = Project::shell("true").manifest("pricing: {model: cheap}\ngaols: [x]");
    let done = project.call(&["validate"]).assert_status(78);
    assert!(done.stderr.contains("gaols") && done.stderr.contains("`goals`"), "{}", done.stderr);
    assert!(done.stderr.ends_with("charm: 1 problem\n"), "{}", done.stderr);
    let json: Value =
        serde_json::from_str(&project.call(&["validate", "--json"]).assert_status(78).stdout).unwrap();
    assert_eq!(json.as_array().map(Vec::len), Some(2));
    assert_eq!((&json[0]["severity"], &json[0]["key_path"]), (&"error".into(), &"pricing.model".into()));
    assert!(json[0]["location"]["line"].is_u64());

    let valid = Project::shell("true");
    assert_eq!(valid.call(&["validate"]).assert_status(0).stdout, "`Tested` is valid\n");
    assert_eq!(valid.call(&["validate", "--json"]).assert_status(0).stdout, "[]\n");
}

#[test]
fn exporters_are_listed_in_words_and_in_json() {
    let project = Project::shell("true");
    let json: Value =
        serde_json::from_str(&project.call(&["exporters", "--json"]).assert_status(0).stdout).unwrap();
    let listed = project.call(&["exporters"]).assert_status(0).stdout;
    for exporter in json.as_array().unwrap() {
        assert!(listed.contains(exporter["name"].as_str().unwrap()));
    }
}
