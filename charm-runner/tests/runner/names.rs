//! Exporters that are asked for and cannot be had.
//! The one rule: nothing starts without them unless that was asked for, and then it is said in every run.

use crate::project::{Done, Project, Running};

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
    let done = Running::start(command.args(["run", "."])).finish().assert_status(78);
    assert!(
        done.stderr.contains(
            "charm.yaml:6:11: runtime.adapter.type: unknown adapter `langgrpah`; did you mean `langgraph`?"
        ),
        "{}",
        done.stderr
    );
}

/// With types that do not fit, and names that nobody knows.
const FAULTY: &str = r"version: 0.4
persona: {name: Faulty, description: [not, a, text]}
interface: {input: {}, output: {}}
runtime:
  adapter:
    type: pyton
    entry_point: main:agent
    environment_variables: [API_THING, 7]
  telemetry: [datadgo, otlp, otlp, 3]
policies: {execution_timeout_seconds: soon}
";

fn call_with_manifest(project: &Project, manifest: &str, command: &str) -> Done {
    let mut runner = project.runner();
    project.file("charm.yaml", manifest);
    Running::start(runner.args([command, "."])).finish()
}

#[cfg(all(feature = "datadog", feature = "langsmith", feature = "otlp", feature = "sentry"))]
#[test]
fn types_and_names_that_are_wrong_are_told_together_in_the_order_of_the_file() {
    let project = Project::shell("touch started").env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "soon");
    let said = ["run", "validate"].map(|command| {
        let done = call_with_manifest(&project, FAULTY, command).assert_status(78);
        let lines = done.stderr.lines().map(|line| line.strip_prefix("charm: ").unwrap_or(line).to_owned());
        lines.filter(|line| !line.ends_with(" problems")).collect::<Vec<_>>().join("\n")
    });
    assert_eq!(said[0], said[1], "`run` and `validate` say the same");
    insta::assert_snapshot!(said[0], @r#"
    ./charm.yaml:1:10: version: expected the version of the contract, `"0.4"` or `"0.4.1"`, found the number `0.4`; put it in quotes: `"0.4"`
    ./charm.yaml:2:38: persona.description: expected a text, found a list
    ./charm.yaml:6:11: runtime.adapter.type: unknown adapter `pyton`; did you mean `python`? known: command, crewai, custom, langchain, langgraph, node, python
    ./charm.yaml:8:40: runtime.adapter.environment_variables[1]: expected a text, found the number `7`; put it in quotes: `"7"`
    ./charm.yaml:9:15: runtime.telemetry[0]: unknown exporter `datadgo`; did you mean `datadog`? compiled in: datadog, langsmith, otlp, sentry
    ./charm.yaml:9:30: runtime.telemetry[2]: exporter `otlp` is listed twice; once is enough
    ./charm.yaml:9:36: runtime.telemetry[3]: expected a text, found the number `3`; put it in quotes: `"3"`
    ./charm.yaml:10:39: policies.execution_timeout_seconds: expected a whole number of at least 1, found the text `soon`
    `CHARM_TELEMETRY_SHUTDOWN_TIMEOUT` is not a number of seconds above 0; try `5`
    "#);
    assert!(!project.folder().join("started").exists());
}

#[cfg(all(feature = "datadog", feature = "langsmith", feature = "otlp", feature = "sentry"))]
#[test]
fn a_variable_that_is_missing_is_told_beside_a_fault_of_the_manifest() {
    let project = Project::shell("true");
    let manifest = FAULTY.replace("[datadgo, otlp, otlp, 3]", "datadog");
    let run = call_with_manifest(&project, &manifest, "run").assert_status(78).stderr;
    let needs = "runtime.telemetry: exporter `datadog` needs `DD_API_KEY`";
    assert!(run.contains(&format!("charm.yaml:9:14: {needs}")), "{run}");
    let validate = call_with_manifest(&project, &manifest, "validate").assert_status(78).stderr;
    assert!(validate.contains(&format!("charm.yaml:9:14: warning: {needs}")), "{validate}");
    // In a file that cannot be read it may be set.
    project.file(".env", "DD_API_KEY two words\n");
    let run = call_with_manifest(&project, &manifest, "run").assert_status(78).stderr;
    assert!(run.contains(&format!("charm.yaml:9:14: warning: {needs}")), "{run}");
    assert!(run.contains("./.env:1:"), "{run}");
}

#[test]
fn what_a_faulty_manifest_calls_secret_is_in_no_problem() {
    const SECRET: &str = "maybe-sk-12345";
    let project = Project::shell("true").env("API_THING", SECRET).env("CHARM_TELEMETRY_ON_ERROR", SECRET);
    for command in ["run", "validate"] {
        let said = call_with_manifest(&project, FAULTY, command).assert_status(78).stderr;
        assert!(said.contains("`CHARM_TELEMETRY_ON_ERROR` is `[API_THING_REDACTED]`"), "{said}");
        assert!(!said.contains(SECRET), "{said}");
    }
}
