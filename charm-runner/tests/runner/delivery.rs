//! Processes that end with much to send.
//! The one rule: what the report says is what the receiver and the spool have.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use rustix::process::Signal;
use serde_json::Value;

use crate::network::Receiver;
use crate::project::{Done, Project, assert_goes};

fn project(agent: &str, receiver: &Receiver) -> Project {
    Project::shell(agent)
        .telemetry("otlp")
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &receiver.url("/v1/traces"))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .env("OTEL_METRICS_EXPORTER", "none")
        .env("CHARM_STATE_DIR", "state")
}

/// The report on the last line of stderr that is one.
fn report(done: &Done) -> Value {
    let lines = done.stderr.lines().rev().filter_map(|line| line.strip_prefix("charm: {"));
    lines.map(|rest| serde_json::from_str(&format!("{{{rest}")).unwrap()).next().expect("a report")
}

/// What became of what `otlp` sends.
fn sent(report: &Value) -> &Value {
    &report["deliveries"][0]["outcomes"]
}

#[test]
fn a_signal_in_mid_run_with_200_finished_runs_pending_loses_none_of_them() {
    const FINISHED: usize = 200;
    let receiver = Receiver::start();
    // The last run is the one that is interrupted.
    let agent = "grep -q last \"$CHARM_INPUT_FILE\" && { echo $$; exec sleep 1000; }; exit 0";
    let project = project(agent, &receiver).env("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let mut cases = String::from("[");
    for number in 0..FINISHED {
        write!(cases, r#"{{"input": {{"n": {number}}}}}, "#).unwrap();
    }
    project.file("cases.json", &format!(r#"{cases}{{"input": {{"n": "last"}}}}]"#));
    let mut running = project.start(&["--input-file", "cases.json", "--telemetry-report=json"]);
    let pid: i64 = running.next_event("thinking")["content"].as_str().unwrap().trim().parse().unwrap();
    assert!(receiver.requests().is_empty(), "all of it is pending");
    running.signal(Signal::TERM);
    let done = running.finish().assert_status(143);
    assert_goes(pid);
    let spans = receiver.spans();
    let traces: BTreeSet<_> = spans.iter().map(|span| span["traceId"].as_str().unwrap()).collect();
    assert_eq!(traces.len(), FINISHED + 1, "and the run that was interrupted");
    let report = report(&done);
    assert_eq!(sent(&report)["accepted"], spans.len());
    assert_eq!(
        (&sent(&report)["delivered"], &sent(&report)["dropped"]),
        (&spans.len().into(), &serde_json::json!({}))
    );
}

#[test]
fn sixteen_thousand_events_for_a_dead_endpoint_are_accounted_for_exactly() {
    const CALLS: u64 = 8_000;
    for cap in ["256MiB", "0", "64KiB"] {
        let receiver = Receiver::reserved();
        let events = format!(
            "i=0; while [ $i -lt {CALLS} ]; do i=$((i+1)); \
             echo '__CHARM_EVENT__{{\"type\":\"thinking\",\"content\":\"Using Tool: t\\nInput: x\"}}'; \
             echo '__CHARM_EVENT__{{\"type\":\"tool_usage\",\"tool\":\"t\",\"count\":1}}'; done"
        );
        let project = project(&events, &receiver).env("CHARM_SPOOL_MAX_BYTES", cap);
        let done = project
            .env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "2")
            .run(&["--telemetry-report=json"])
            .assert_status(0);
        let report = report(&done);
        println!("{cap}: {report:#}");
    }
}
