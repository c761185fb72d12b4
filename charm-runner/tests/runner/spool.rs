//! `charm-runner spool`: looking at what waits, sending it, deleting it.
//! The one rule: what was sent is what was spooled, span by span, as the receiver has it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::network::Receiver;
use crate::project::{Done, Project, RUNNER, Running};

/// A project whose spans go to this receiver as JSON, with a spool in its folder.
pub(crate) fn project(receiver: &Receiver) -> Project {
    project_to(&receiver.url("/v1/traces"))
}

fn project_to(endpoint: &str) -> Project {
    Project::shell("echo hello")
        .telemetry("otlp")
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .env("OTEL_METRICS_EXPORTER", "none")
        .env("CHARM_STATE_DIR", "state")
        .env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "1")
}

/// Runs it so many times.
pub(crate) fn run(project: &Project, times: usize) {
    for _ in 0..times {
        project.run(&[]).assert_status(0);
    }
}

pub(crate) fn listed(project: &Project) -> Value {
    let done = project.call(&["spool", "list", "--json"]).assert_status(0);
    serde_json::from_str(&done.stdout).unwrap()
}

pub(crate) fn batches(project: &Project) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![project.folder().join("state/spool")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                dirs.push(entry.path());
            } else if entry.path().extension().is_some_and(|end| end == "batch") {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// The ids of the spans in a file of the spool, which has them as JSON.
pub(crate) fn ids_in(path: &Path) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let quoted = text.split(r#""spanId":""#).skip(1);
    quoted.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

pub(crate) fn ids(spans: &[Value]) -> BTreeSet<String> {
    spans.iter().map(|span| span["spanId"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_a_dead_receiver_did_not_take_is_listed_and_sent_once_and_then_gone() {
    let mut receiver = Receiver::reserved();
    let project = project(&receiver);
    run(&project, 2);
    let spooled: BTreeSet<String> = batches(&project).iter().flat_map(|path| ids_in(path)).collect();
    assert!(spooled.len() >= 2, "{spooled:?}");

    let list = listed(&project);
    assert_eq!(
        (list["waiting"].as_array().map(Vec::len), &list["set_aside"]),
        (Some(1), &Value::Array(vec![]))
    );
    let waiting = &list["waiting"][0];
    assert_eq!((&waiting["exporter"], &waiting["destination"]), (&"otlp".into(), &"otlp".into()));
    assert_eq!(waiting["batches"], 2);
    assert_eq!(waiting["items"], spooled.len());
    assert_eq!(waiting["address"], format!("{} http/json", receiver.url("/v1/traces")));
    assert_eq!(waiting["in_use"], false);
    let words = project.call(&["spool", "list"]).assert_status(0).stdout;
    assert!(words.starts_with("EXPORTER  DESTINATION  BATCHES  ITEMS"), "{words}");
    assert!(words.contains(&receiver.url("/v1/traces")), "{words}");

    let failed = project.call(&["spool", "send", "--deadline", "2s"]).assert_status(75);
    assert!(failed.stderr.contains("charm: otlp: no connection: "), "{}", failed.stderr);
    assert!(
        failed.stderr.contains(&format!("otlp: {} items are left, for ", spooled.len())),
        "{}",
        failed.stderr
    );

    receiver.open();
    let done = project.call(&["spool", "send", "otlp"]).assert_status(0);
    assert!(
        done.stdout.contains(&format!("delivered={} spooled=0 dropped=0", spooled.len())),
        "{}",
        done.stdout
    );
    assert_eq!((receiver.spans().len(), ids(&receiver.spans())), (spooled.len(), spooled));

    assert_eq!(listed(&project)["waiting"], Value::Array(vec![]));
    let words = project.call(&["spool", "list"]).assert_status(0).stdout;
    assert!(words.starts_with("Nothing waits to be sent in "), "{words}");
    let nothing = project.call(&["spool", "send"]).assert_status(0).stdout;
    assert_eq!(nothing, "Nothing waits to be sent.\n");
    assert!(batches(&project).is_empty());
}

#[test]
fn what_is_meant_for_another_address_stays_and_is_named() {
    let (old, new) = (Receiver::reserved(), Receiver::start());
    run(&project(&old), 1);
    let here = project(&old);
    run(&here, 1);
    let moved = here.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &new.url("/v1/traces"));
    let done = moved.call(&["spool", "send"]).assert_status(75);
    assert!(
        done.stderr.contains(&format!("left, for {} http/json", old.url("/v1/traces"))),
        "{}",
        done.stderr
    );
    assert!(new.requests().is_empty());
}

#[test]
fn exporters_that_are_not_known_or_not_configured_are_told_and_the_others_sent() {
    let mut receiver = Receiver::reserved();
    let project = project(&receiver);
    run(&project, 1);
    let done = project.call(&["spool", "send", "otpl"]).assert_status(78);
    assert!(done.stderr.contains("unknown exporter `otpl`; did you mean `otlp`?"), "{}", done.stderr);
    let done = project.call(&["spool", "send", "langsmith", "otlp"]).assert_status(78);
    assert!(done.stderr.contains("`langsmith` needs `LANGSMITH_API_KEY`"), "{}", done.stderr);
    assert_eq!(batches(&project).len(), 1, "nothing was started");

    let foreign = project.folder().join("state/spool/langsmith/00000000000000ff.00000000000017-2a");
    fs::create_dir_all(&foreign).unwrap();
    fs::write(foreign.join("00000000000000000001-3.batch"), "x").unwrap();
    receiver.open();
    let done = project.call(&["spool", "send"]).assert_status(75);
    assert!(done.stderr.contains("`langsmith` needs `LANGSMITH_API_KEY`"), "{}", done.stderr);
    assert!(
        done.stderr.contains("langsmith: 3 items are left, for an address that is not known"),
        "{}",
        done.stderr
    );
    assert!(!receiver.spans().is_empty(), "and `otlp` was sent");
}

#[test]
fn the_variables_may_stand_in_the_env_file_of_a_folder_that_is_no_project() {
    let mut receiver = Receiver::reserved();
    let project = project(&receiver);
    run(&project, 1);
    receiver.open();
    let folder = tempfile::tempdir().unwrap();
    let state = project.folder().join("state");
    let env = format!(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={}\nOTEL_EXPORTER_OTLP_PROTOCOL=http/json\nCHARM_STATE_DIR='{}'\n",
        receiver.url("/v1/traces"),
        state.display()
    );
    fs::write(folder.path().join(".env"), env).unwrap();
    let mut command = project.program(RUNNER);
    command.env_remove("CHARM_STATE_DIR").env_remove("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    command.args(["spool", "send", "--project"]).arg(folder.path());
    Running::start(&mut command).finish().assert_status(0);
    assert!(!receiver.spans().is_empty());
}

#[cfg(feature = "datadog")]
#[test]
fn from_a_folder_that_is_no_project_everything_is_sent_under_the_name_of_its_agent() {
    let mut receiver = Receiver::reserved();
    let project = project(&receiver)
        .telemetry("otlp, datadog")
        .env("CHARM_AGENT_NAME", "multi")
        .env("DD_API_KEY", "0123456789abcdef")
        .env("DD_LLMOBS_OVERRIDE_ORIGIN", &receiver.url(""));
    run(&project, 1);
    receiver.open();
    let folder = tempfile::tempdir().unwrap();
    let mut command = project.program(RUNNER);
    command.env_remove("CHARM_AGENT_NAME").env("CHARM_STATE_DIR", project.folder().join("state"));
    command.current_dir(folder.path()).args(["spool", "send"]);
    Running::start(&mut command).finish().assert_status(0);

    let bodies: Vec<Value> =
        receiver.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    let of = |key: &str| bodies.iter().filter(|body| body.get(key).is_some()).collect::<Vec<_>>();
    let (otlp, datadog) = (of("resourceSpans"), of("data"));
    assert_eq!(datadog[0]["data"]["attributes"]["ml_app"], "multi");
    let resource = otlp[0]["resourceSpans"][0]["resource"].to_string();
    assert!(resource.contains("multi") && !resource.contains("unknown_service"), "{resource}");
}

#[test]
fn a_damaged_file_is_set_aside_with_its_reason_and_the_rest_is_sent() {
    let mut receiver = Receiver::reserved();
    let project = project(&receiver);
    run(&project, 1);
    let batch = batches(&project).remove(0);
    let dir = batch.parent().unwrap();
    fs::write(dir.join("00000000000000000000-4.batch"), "holiday pictures").unwrap();
    receiver.open();
    let done = project.call(&["spool", "send"]).assert_status(75);
    assert!(done.stdout.contains("dropped=4 corrupt=4"), "{}", done.stdout);
    assert!(done.stderr.contains("4 items of the spool are lost: corrupt"), "{}", done.stderr);
    assert!(!receiver.spans().is_empty());
    let list = listed(&project);
    assert_eq!(list["waiting"], Value::Array(vec![]));
    let aside = &list["set_aside"][0];
    assert_eq!((&aside["status"], &aside["reason"]), (&"bad".into(), &"it is not a batch".into()));
    assert_eq!((&aside["damaged_items"], &aside["exporter"]), (&4.into(), &"otlp".into()));
    let words = project.call(&["spool", "list"]).assert_status(0).stdout;
    assert!(words.contains("Set aside") && words.contains("it is not a batch"), "{words}");
}

#[test]
fn purge_asks_or_needs_yes_and_deletes_what_was_named_alone() {
    let receiver = Receiver::reserved();
    let project = project(&receiver);
    run(&project, 1);
    let dir = batches(&project)[0].parent().unwrap().to_owned();
    fs::write(dir.join("00000000000000000009-2.bad"), "x").unwrap();
    let refused = project.call(&["spool", "purge"]).assert_status(2);
    assert!(refused.stderr.contains("there is nobody to ask: say --yes"), "{}", refused.stderr);
    assert_eq!(batches(&project).len(), 1);

    for not_meant in [&["langsmith"][..], &["--older-than", "1h"]] {
        let arguments = [&["spool", "purge", "--yes"], not_meant].concat();
        assert_eq!(project.call(&arguments).assert_status(0).stdout, "Nothing to delete.\n");
    }
    let done = project.call(&["spool", "purge", "--quarantined", "--yes"]).assert_status(0);
    assert_eq!(done.stdout, "Deleted 1 file that was set aside of otlp (1 B).\n");
    assert_eq!(batches(&project).len(), 1, "what waits is not set aside");

    let done = project.call(&["spool", "purge", "otlp", "--older-than", "0s", "--yes"]).assert_status(0);
    assert!(done.stdout.starts_with("Deleted 1 batch with "), "{}", done.stdout);
    assert_eq!(listed(&project)["waiting"], Value::Array(vec![]));
    assert!(!dir.exists(), "no empty directory stays");
}

/// Runs `charm-runner spool purge` at a terminal, and types this.
fn purge_at_terminal(project: &Project, typed: &str) -> Done {
    const PTY: &str = "import os, pty, sys\n\
        pid, terminal = pty.fork()\n\
        if pid == 0:\n    os.execv(sys.argv[1], [sys.argv[1], 'spool', 'purge'])\n\
        shown = b''\n\
        while b'[y/N]' not in shown:\n    shown += os.read(terminal, 1000)\n\
        os.write(terminal, sys.argv[2].encode() + b'\\n')\n\
        try:\n    while chunk := os.read(terminal, 1000):\n        shown += chunk\n\
        except OSError:\n    pass\n\
        print(shown.decode())\n\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let mut command = project.program("python3");
    command.args(["-c", PTY, RUNNER, typed]);
    Running::start(&mut command).finish()
}

#[test]
fn at_a_terminal_purge_asks_and_believes_only_a_yes() {
    let receiver = Receiver::reserved();
    let project = project(&receiver);
    run(&project, 1);
    for answer in ["", "n", "perhaps"] {
        let done = purge_at_terminal(&project, answer).assert_status(0);
        assert!(
            done.stdout.contains("Delete 1 batch with ") && done.stdout.contains("nothing was deleted"),
            "{done:?}"
        );
        assert_eq!(batches(&project).len(), 1, "{answer}");
    }
    let done = purge_at_terminal(&project, "y").assert_status(0);
    assert!(done.stdout.contains("Deleted 1 batch with "), "{done:?}");
    assert!(batches(&project).is_empty());
}

#[test]
fn what_a_process_that_runs_has_is_shown_and_left_alone() {
    let receiver = Receiver::reserved();
    let first = project(&receiver);
    // The first case is spooled while the second runs.
    let agent =
        "n=$(cat count 2>/dev/null || echo 0); echo $((n + 1)) > count; test $n = 0 || exec sleep 1000";
    let busy = Project::shell(agent)
        .telemetry("otlp")
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &receiver.url("/v1/traces"))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .env("OTEL_METRICS_EXPORTER", "none")
        .env("CHARM_STATE_DIR", first.folder().join("state").to_str().unwrap())
        .env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "1");
    busy.file("cases.json", r#"[{"name": "a", "input": {}}, {"name": "b", "input": {}}]"#);
    let running = busy.start(&["--input-file", "cases.json"]);
    let spooled = (0..400).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(25));
        !batches(&first).is_empty()
    });
    assert!(spooled, "the batch goes to disk when the first try has failed");
    let list = listed(&first);
    assert_eq!((&list["waiting"][0]["in_use"], &list["waiting"][0]["batches"]), (&true.into(), &1.into()));
    let words = first.call(&["spool", "list"]).assert_status(0).stdout;
    assert!(words.contains("(a process that runs sends it)"), "{words}");
    let purged = first.call(&["spool", "purge", "--yes"]).assert_status(0);
    assert_eq!(purged.stdout, "Nothing to delete.\n");
    assert!(purged.stderr.contains("1 file belongs to a process that runs"), "{}", purged.stderr);
    let sent = first.call(&["spool", "send"]).assert_status(0);
    assert!(
        sent.stderr.contains("in the spool of a process that runs: that one sends them"),
        "{}",
        sent.stderr
    );
    assert_eq!(batches(&first).len(), 1);
    drop(running);
}

#[test]
fn without_a_directory_for_state_that_is_said() {
    let project = Project::shell("true");
    for arguments in [&["spool", "list"][..], &["spool", "send"], &["spool", "purge", "--yes"]] {
        let mut command = project.runner();
        let done = Running::start(command.env_remove("HOME").args(arguments)).finish().assert_status(78);
        assert_eq!(done.stderr, "charm: there is no directory for state: set `CHARM_STATE_DIR`, or `HOME`\n");
    }
    for arguments in [&["spool", "list"][..], &["spool", "send"], &["spool", "purge", "--yes"]] {
        let done = project.call(arguments).assert_status(0);
        assert!(done.stdout.starts_with("Nothing ") && done.stderr.is_empty(), "{done:?}");
    }
}

#[test]
fn help_and_completions_teach_the_spool() {
    let project = Project::shell("true");
    let help = project.call(&["spool", "--help"]).assert_status(0).stdout;
    for expected in ["list", "send", "purge", "CHARM_STATE_DIR", "Examples:"] {
        assert!(help.contains(expected), "{expected}: {help}");
    }
    let help = project.call(&["spool", "send", "--help"]).assert_status(0).stdout;
    assert!(help.contains("Exit codes:") && help.contains("75 "), "{help}");
    let help = project.call(&["spool", "purge", "--help"]).assert_status(0).stdout;
    assert!(help.contains("--older-than <DURATION>") && help.contains("--yes"), "{help}");
    let script = project.call(&["completions", "bash"]).assert_status(0).stdout;
    assert!(script.contains("--older-than") && script.contains("quarantined"));
    project.call(&["spool", "purge", "--older-than", "a while"]).assert_status(2);
}

#[test]
fn validate_says_what_is_wrong_with_the_delivery_together_with_the_rest_and_once() {
    let project = Project::shell("true")
        .telemetry("otlp, datadog, langsmith")
        .env("CHARM_SPOOL_MAX_BYTES", "lots")
        .env("CHARM_SPOOL_MAX_AGE", "3 fortnights")
        .env("CHARM_DELIVERY_TIMEOUT", "soon")
        .env("CHARM_DELIVERY_MEMORY_BYTES", "-1")
        .env("CHARM_TELEMETRY_SAMPLE_RATE", "2")
        .env("CHARM_TELEMETRY_TAGS", "=")
        .env("CHARM_TELEMETRY_ON_ERROR", "shrug")
        .env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "soon")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke");
    let done = project.call(&["validate"]).assert_status(78);
    for variable in [
        "CHARM_SPOOL_MAX_BYTES",
        "CHARM_SPOOL_MAX_AGE",
        "CHARM_DELIVERY_TIMEOUT",
        "CHARM_DELIVERY_MEMORY_BYTES",
        "CHARM_TELEMETRY_SAMPLE_RATE",
        "CHARM_TELEMETRY_TAGS",
        "CHARM_TELEMETRY_ON_ERROR",
        "CHARM_TELEMETRY_SHUTDOWN_TIMEOUT",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    ] {
        assert_eq!(
            done.stderr.matches(&format!("`{variable}` is ")).count(),
            1,
            "{variable}: {}",
            done.stderr
        );
    }
    assert!(done.stderr.contains("exporter `langsmith` needs `LANGSMITH_API_KEY`"), "{}", done.stderr);
    let refused = project.run(&[]).assert_status(78);
    assert_eq!(refused.stderr.matches("`CHARM_SPOOL_MAX_BYTES` is `lots`").count(), 1, "{}", refused.stderr);
}

#[test]
fn validate_warns_of_a_directory_for_state_that_cannot_be_one() {
    let project = Project::shell("true").telemetry("otlp").env("CHARM_STATE_DIR", "charm.yaml/state");
    let done = project.call(&["validate"]).assert_status(0);
    assert!(done.stderr.contains("but `charm.yaml` is no directory"), "{}", done.stderr);
    assert_eq!(done.stdout, "`Tested` is valid, with warnings\n");
    let without = Project::shell("true").env("CHARM_STATE_DIR", "charm.yaml/state");
    assert_eq!(without.call(&["validate"]).assert_status(0).stderr, "", "nobody needs it");
}
