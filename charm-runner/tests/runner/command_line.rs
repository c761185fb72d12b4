//! The command line itself: names, help, completions.
//! The one rule: whatever name the program has, its own texts say that name.

use std::io::BufRead as _;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::Value;

use crate::project::{BOUND, Done, Project, RUNNER, Running};

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
fn without_a_name_it_says_its_own() {
    let project = Project::shell("true");
    let mut command = project.program("bash");
    command.args(["-c", "exec -a '' \"$0\" run --bogus", RUNNER]);
    let done = Running::start(&mut command).finish().assert_status(2);
    assert!(done.stderr.contains("Usage: charm-runner run "), "{}", done.stderr);
}

#[test]
fn help_has_examples_and_the_exit_codes() {
    let project = Project::shell("true");
    let help = project.call(&["--help"]).assert_status(0).stdout;
    for expected in ["Examples:", "Exit codes:", "CHARM_TELEMETRY_ON_ERROR=warn", "completions"] {
        assert!(help.contains(expected), "{expected}: {help}");
    }
    for command in [
        &["run"][..],
        &["validate"],
        &["exporters"],
        &["completions"],
        &["spool"],
        &["spool", "list"],
        &["spool", "send"],
        &["spool", "purge"],
    ] {
        let help = project.call(&[command, &["--help"]].concat()).assert_status(0).stdout;
        let example = format!("  charm-runner {}", command.join(" "));
        assert!(help.contains("Example") && help.contains(&example), "{command:?}: {help}");
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
fn bash_completes_the_options_of_subcommands() {
    let project = Project::shell("true");
    for (name, script) in [
        ("charm-runner", project.call(&["completions", "bash"]).stdout),
        ("charm", as_charm(&project, &["completions", "bash"]).stdout),
    ] {
        for (words, expected) in [("run --inp", "--input --input-file"), ("spool pu", "purge")] {
            let (before, current) = words.split_once(' ').unwrap();
            let complete = format!(
                "{script}\nCOMP_WORDS=({name} {words}) COMP_CWORD=2\n\
                 $(complete -p {name} | sed 's/.*-F \\([^ ]*\\).*/\\1/') {name} '{current}' {before}\n\
                 echo \"${{COMPREPLY[*]}}\""
            );
            let bash = std::process::Command::new("bash").args(["-c", &complete]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), expected, "{name} {words}: {bash:?}");
        }
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
    let shared =
        ["CHARM_TELEMETRY_ON_ERROR", "CHARM_TELEMETRY_SAMPLE_RATE", "CHARM_STATE_DIR", "HTTPS_PROXY"];
    for exporter in json.as_array().unwrap() {
        assert!(listed.contains(exporter["name"].as_str().unwrap()));
        let variables = exporter["shared_variables"].as_array().unwrap();
        for name in shared {
            assert!(variables.iter().any(|variable| variable["names"][0] == name), "{name}: {exporter}");
        }
    }
    for name in shared {
        assert_eq!(listed.matches(&format!("    {name} ")).count(), 1, "{name}");
    }
}

#[test]
fn a_report_format_that_stands_apart_is_told_how_to_write_it() {
    let project = Project::shell("echo ran > ran");
    for arguments in [&["run", ".", "--telemetry-report", "json"][..], &["run", "--telemetry-report", "text"]]
    {
        let done = project.call(arguments).assert_status(2);
        let expected = format!("write `--telemetry-report={}`", arguments.last().unwrap());
        assert!(done.stderr.contains(&expected), "{}", done.stderr);
    }
    assert!(!project.folder().join("ran").exists());
    project.call(&["run", "--telemetry-report", "."]).assert_status(0);
    let help = project.call(&["run", "--help"]).assert_status(0).stdout;
    assert!(help.contains("The folder with charm.yaml, or the file itself"), "{help}");
}

#[test]
fn one_of_a_thing_is_told_in_the_singular() {
    let done = Project::shell("echo __CHARM_EVENT__no").run(&[]).assert_status(0);
    assert!(done.stderr.contains("charm: 1 line began with an event marker"), "{}", done.stderr);
    let done = Project::shell("echo __CHARM_EVENT__no; echo __CHARM_EVENT__no").run(&[]).assert_status(0);
    assert!(done.stderr.contains("charm: 2 lines began with an event marker"), "{}", done.stderr);
}

#[test]
fn a_variable_that_an_exporter_cannot_read_is_told_in_a_sentence() {
    let project = Project::shell("true").telemetry("otlp").env("OTEL_EXPORTER_OTLP_TIMEOUT", "10s");
    let done = project.call(&["validate"]).assert_status(78);
    let expected = "exporter `otlp`: `OTEL_EXPORTER_OTLP_TIMEOUT` is `10s`: expected";
    assert!(done.stderr.contains(expected), "{}", done.stderr);
    let done = Project::shell("true").telemetry("sentry").run(&[]).assert_status(78);
    assert!(done.stderr.contains("exporter `sentry` needs `SENTRY_DSN`"), "{}", done.stderr);
}

#[test]
fn an_entry_point_that_is_missing_is_told_with_one_that_fits_the_adapter() {
    for (adapter, example) in
        [("command", "`./agent --verbose`"), ("custom", "`main:agent`"), ("node", "`node main.js`")]
    {
        let project = Project::shell("true");
        project.runner();
        let manifest = std::fs::read_to_string(project.folder().join("charm.yaml")).unwrap();
        let manifest = manifest.replace("type: node\n    entry_point: \"true\"", &format!("type: {adapter}"));
        project.file("other.yaml", &manifest);
        let done = project.call(&["validate", "other.yaml"]).assert_status(78);
        assert!(done.stderr.contains(&format!("such as {example}")), "{}", done.stderr);
    }
}

#[test]
fn an_environment_that_is_a_pipe_is_waited_for_and_that_is_told() {
    let project = Project::python("import os\ndef main():\n    return os.environ['GREETING']\n");
    let pipe = project.folder().join(".env");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    let mut running = project.start(&[]);
    let mut stderr = running.stderr.take().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut said = String::new();
        let _ = stderr.read_line(&mut said);
        let _ = tell.send((said, stderr));
    });
    let (said, stderr) = told.recv_timeout(BOUND).expect("it says what it waits for");
    running.stderr = Some(stderr);
    assert!(said.contains("waiting for `./.env`: it is a pipe"), "{said}");
    std::fs::write(&pipe, "GREETING=late\n").unwrap();
    let done = running.finish().assert_status(0);
    assert_eq!(done.content("final"), "late");
}
