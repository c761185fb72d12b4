//! Exporters that are asked for and cannot be had.
//! The one rule: nothing starts without them unless that was asked for, and then it is said in every run.

use crate::project::Project;

#[test]
fn an_unknown_exporter_ends_with_78_with_its_line_and_what_is_compiled_in() {
    let project = Project::shell("touch started").telemetry("datadgo, other");
    for arguments in [&["run", "."][..], &["validate"]] {
        let done = project.call(arguments).assert_status(78);
        assert!(
            done.stderr.contains("charm.yaml:9:15: runtime.telemetry[0]: unknown exporter `datadgo`"),
            "{}",
            done.stderr
        );
        assert!(
            done.stderr.contains("runtime.telemetry[1]: unknown exporter `other`"),
            "both at once: {}",
            done.stderr
        );
        assert!(done.stderr.contains("compiled in: "), "{}", done.stderr);
    }
    assert!(!project.folder().join("started").exists());
}

#[test]
fn an_exporter_that_is_listed_twice_is_told() {
    let done = Project::shell("true").telemetry("none-such, none-such").run(&[]).assert_status(78);
    assert!(done.stderr.contains("exporter `none-such` is listed twice; once is enough"), "{}", done.stderr);
}

#[test]
fn with_warn_the_run_goes_on_and_says_so_in_a_status_event() {
    let project = Project::shell("echo ran").telemetry("datadgo").env("CHARM_TELEMETRY_ON_ERROR", "warn");
    let done = project.run(&[]).assert_status(0);
    assert_eq!(done.content("final"), "ran\n");
    let status = done.contents("status");
    let told = status
        .iter()
        .filter(|status| status.as_str().unwrap().contains("unknown exporter `datadgo`"))
        .count();
    assert_eq!(told, 1, "{status:?}");
    assert!(done.stderr.contains("unknown exporter `datadgo`"));
}

#[test]
fn a_word_that_is_neither_warn_nor_refuse_is_refused() {
    let done = Project::shell("true").env("CHARM_TELEMETRY_ON_ERROR", "maybe").run(&[]).assert_status(78);
    assert!(
        done.stderr.contains("`CHARM_TELEMETRY_ON_ERROR` is `maybe`; expected `refuse` or `warn`"),
        "{}",
        done.stderr
    );
}

#[test]
fn an_unknown_adapter_is_told_with_the_known_ones() {
    let project = Project::shell("true").manifest("");
    let mut command = project.runner();
    let text = std::fs::read_to_string(project.folder().join("charm.yaml")).unwrap();
    project.file("charm.yaml", &text.replace("type: node", "type: langgrpah"));
    let done = crate::project::Running::start(command.args(["run", "."])).finish().assert_status(78);
    assert!(
        done.stderr.contains(
            "charm.yaml:6:11: runtime.adapter.type: unknown adapter `langgrpah`; did you mean `langgraph`?"
        ),
        "{}",
        done.stderr
    );
}

#[test]
fn the_report_accounts_for_every_event_in_words_and_in_json() {
    let project = Project::shell("echo one; echo two");
    let done = project.run(&["--telemetry-report=json"]).assert_status(0);
    let json = done.stderr.lines().find_map(|line| line.strip_prefix("charm: {")).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&format!("{{{json}")).unwrap();
    assert_eq!(report["stdout"]["issued"], report["stdout"]["delivered"]);
    assert_eq!(report["events"], report["stdout"]["issued"]);
    let done = project.run(&["--telemetry-report"]).assert_status(0);
    assert!(
        done.stderr.contains("charm: exporter") && done.stderr.contains("charm: stdout"),
        "{}",
        done.stderr
    );
}
