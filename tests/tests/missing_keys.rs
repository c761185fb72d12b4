//! Four exporters of which nobody has set anything: the real runner says what is missing, and does as it is told.
//!
//! Rule: the runner's own binary with every vendor in it; OTLP needs no key, which is shown and not passed over.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::process::Command;

use charm_telemetry_core::testing::ReceiverDouble;
use charm_telemetry_tests::process::{self, Finished};
use charm_telemetry_tests::{binaries, trees};
use serde_json::Value;

/// What is told of each, after the place in `charm.yaml`.
const MISSING: [&str; 3] = [
    "charm.yaml:6:15: runtime.telemetry[0]: exporter `datadog` needs `DD_API_KEY` (or `DATADOG_API_KEY`): ",
    "charm.yaml:6:24: runtime.telemetry[1]: exporter `langsmith` needs `LANGSMITH_API_KEY` (or `LANGCHAIN_API_KEY`): ",
    "charm.yaml:6:41: runtime.telemetry[3]: exporter `sentry` needs `SENTRY_DSN`: ",
];

/// Runs an agent that is this command of a shell.
fn run(agent: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    let scratch = tempfile::tempdir().unwrap();
    let manifest = format!(
        "version: \"0.4\"\npersona: {{name: T, description: t}}\ninterface: {{input: {{}}, output: {{}}}}\nruntime:\n  \
         adapter: {{type: node, entry_point: '{agent}'}}\n  telemetry: [datadog, langsmith, otlp, sentry]\n"
    );
    std::fs::write(scratch.path().join("charm.yaml"), manifest).unwrap();
    let mut command = Command::new(binaries::runner());
    command.args(["run", "."]).args(arguments).current_dir(&scratch).env_clear();
    command
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("CHARM_STATE_DIR", scratch.path().join("state"));
    process::run(
        {
            command.envs(variables.iter().copied());
            command
        },
        scratch.path(),
    )
}

#[test]
fn what_every_exporter_lacks_is_told_at_once_and_nothing_runs() {
    let finished = run("echo it runs", &["--json", "{}"], &[]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(78), ""), "{}", finished.stderr);
    let lines: Vec<_> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), MISSING.len(), "one line each, and OTLP lacks nothing: {lines:#?}");
    for (line, expected) in lines.iter().zip(MISSING) {
        assert!(line.starts_with(&format!("charm: ./{expected}")), "{expected}: {line}");
    }
}

#[test]
fn one_key_more_is_one_line_less() {
    let keys = [
        ("DATADOG_API_KEY", "0123456789"),
        ("LANGCHAIN_API_KEY", "0123456789"),
        ("SENTRY_DSN", "http://a@127.0.0.1:1/1"),
    ];
    for (index, key) in keys.into_iter().enumerate() {
        let finished = run("echo it runs", &[], &[key]);
        assert_eq!(finished.code, Some(78), "{}", finished.stderr);
        for (at, expected) in MISSING.iter().enumerate() {
            assert_eq!(finished.stderr.contains(expected), at != index, "{key:?}: {}", finished.stderr);
        }
    }
}

#[test]
fn with_a_warning_each_the_agent_runs_and_what_is_complete_reports() {
    for (agent, arguments, code, last) in [
        ("echo it runs", &["--json", "{}"][..], 0, r#"{"output":"it runs\n","status":"success"}"#),
        ("echo it fails; exit 3", &["--fail-on-error"], 1, ""),
        ("echo it fails; exit 3", &[], 0, ""),
    ] {
        let otlp = ReceiverDouble::start();
        let endpoint = otlp.url("");
        let variables = [
            ("CHARM_TELEMETRY_ON_ERROR", "warn"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ];
        let finished = run(agent, arguments, &variables);
        assert_eq!(finished.code, Some(code), "{}", finished.stderr);
        let events: Vec<Value> = finished
            .stdout
            .lines()
            .filter_map(|line| serde_json::from_str(line.strip_prefix("__CHARM_EVENT__")?).ok())
            .collect();
        for expected in MISSING {
            let told = format!("telemetry: ./{expected}");
            let statuses = events.iter().filter(|event| {
                event["type"] == "status" && event["content"].as_str().unwrap().starts_with(&told)
            });
            assert_eq!(statuses.count(), 1, "{expected}: {events:#?}");
            assert_eq!(finished.stderr.matches(expected).count(), 1, "{expected}: {}", finished.stderr);
        }
        let said = agent.split(';').next().unwrap().replacen("echo ", "", 1) + "\n";
        assert!(events.iter().any(|event| event["content"] == said), "{events:#?}");
        assert!(finished.stdout.trim_end().ends_with(last), "{}", finished.stdout);
        let posted = otlp.requests();
        let traces = posted.iter().find(|request| request.path == "/v1/traces").unwrap().json();
        let spans = traces["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone();
        let tree = trees::of_otlp(&spans);
        let failed = agent.ends_with('3');
        assert_eq!(
            tree.nodes.iter().map(|node| (node.kind, node.failed)).collect::<Vec<_>>(),
            [("agent", failed)]
        );
    }
}
