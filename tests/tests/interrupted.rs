//! A signal while 200 finished runs wait for four vendors: the real runner, receivers that work and are read back.
//!
//! Rule: nothing gets through to a receiver before the signal, so that all of it is pending; then each must have all of it.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use charm_telemetry_tests::receivers::{
    DatadogAgent, Gate, LANGSMITH_KEY, LangSmithDouble, OtelTap, SentryDouble, SentryItem,
};
use charm_telemetry_tests::{binaries, process};
use serde_json::Value;

const FINISHED: usize = 200;

/// Its last run opens the gates, interrupts the runner, and does not end by itself.
const AGENT: &str =
    r#"grep -q last "$CHARM_INPUT_FILE" || exit 0; touch "$GATE"; kill -TERM "$PPID"; exec sleep 1000"#;

/// An agent with so many inputs, and one more that it is interrupted in.
fn agent(folder: &Path) {
    let manifest = format!(
        "version: \"0.4\"\npersona: {{name: T, description: t}}\ninterface: {{input: {{}}, output: {{}}}}\nruntime:\n  \
         adapter: {{type: node, entry_point: '{AGENT}'}}\n  telemetry: [datadog, langsmith, otlp, sentry]\n"
    );
    std::fs::write(folder.join("charm.yaml"), manifest).unwrap();
    let mut inputs = String::from("[");
    for number in 0..FINISHED {
        write!(inputs, r#"{{"input": {{"n": {number}}}}}, "#).unwrap();
    }
    std::fs::write(folder.join("cases.json"), format!(r#"{inputs}{{"input": {{"n": "last"}}}}]"#)).unwrap();
}

#[test]
fn a_signal_with_200_finished_runs_pending_at_four_vendors_loses_none_of_them() {
    let (Some(tap), Some(datadog)) = (OtelTap::start(), DatadogAgent::start()) else { return };
    let (langsmith, sentry) = (LangSmithDouble::start(), SentryDouble::start());
    let scratch = tempfile::tempdir().unwrap();
    agent(scratch.path());
    let key = scratch.path().join("gate");
    let gate = |receiver| Gate::before(receiver, key.clone());
    let gates = [tap.port, datadog.port, langsmith.port(), sentry.port()].map(gate);
    let [otlp_port, datadog_port, langsmith_port, sentry_port] = [0, 1, 2, 3].map(|at: usize| gates[at].port);
    let mut command = Command::new(binaries::runner());
    command.args(["run", ".", "--input-file", "cases.json", "--telemetry-report=json"]).current_dir(&scratch);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("GATE", &key);
    command.env("CHARM_STATE_DIR", scratch.path().join("state"));
    command.env("CHARM_DELIVERY_TIMEOUT", "60s").env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "60");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{otlp_port}"));
    command.env("DD_TRACE_AGENT_URL", format!("http://127.0.0.1:{datadog_port}"));
    command.env("LANGSMITH_ENDPOINT", format!("http://127.0.0.1:{langsmith_port}"));
    command.env("LANGSMITH_API_KEY", LANGSMITH_KEY);
    command.env("SENTRY_DSN", format!("http://public@127.0.0.1:{sentry_port}/42"));
    let finished = process::run(command, scratch.path());
    assert_eq!(finished.code, Some(143), "{}", finished.stderr);

    let spans = |records: &[Value]| records.iter().filter(|record| record["spanId"].is_string()).count();
    let records = tap.records(|records| spans(records) > FINISHED);
    let langsmith = langsmith.runs();
    let arrived: [(&str, BTreeSet<String>); 4] = [
        ("otlp", traces(records.iter().map(|span| &span["traceId"]))),
        ("datadog", traces(datadog.spans().iter().map(|span| &span["trace_id"]))),
        ("langsmith", traces(langsmith.iter().map(|run| &run.main()["trace_id"]))),
        ("sentry", traces(sentry.items().iter().flat_map(spans_of_item))),
    ];
    for (vendor, traces) in &arrived {
        assert_eq!(traces.len(), FINISHED + 1, "{vendor}: and the run that was interrupted");
        assert_eq!(traces, &arrived[0].1, "{vendor}: the same runs as at otlp");
    }
    everything_is_delivered(&finished.stderr);
}

/// The ids of the traces, as 32 digits.
fn traces<'a>(ids: impl Iterator<Item = &'a Value>) -> BTreeSet<String> {
    ids.filter_map(Value::as_str).map(|id| id.replace('-', "")).collect()
}

fn spans_of_item(item: &SentryItem) -> impl Iterator<Item = &Value> {
    let spans = item.payload["items"].as_array().filter(|_| item.kind == "span");
    spans.into_iter().flatten().map(|span| &span["trace_id"])
}

/// Nothing is dropped, spooled or pending anywhere.
fn everything_is_delivered(stderr: &str) {
    let line = stderr.lines().find_map(|line| line.strip_prefix("charm: {")).expect("there is a report");
    let report: Value = serde_json::from_str(&format!("{{{line}")).unwrap();
    for delivery in report["deliveries"].as_array().unwrap() {
        let outcomes = &delivery["outcomes"];
        assert_eq!(outcomes["delivered"], outcomes["accepted"], "{delivery:#}");
        assert_eq!(
            (&outcomes["spooled"], &outcomes["pending"], &outcomes["dropped"]),
            (&0.into(), &0.into(), &serde_json::json!({}))
        );
    }
}
