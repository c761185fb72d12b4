//! Processes that end with much to send.
//! The one rule: what the report says is what the receiver and the spool have.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use rustix::process::Signal;
use serde_json::Value;

use crate::network::Receiver;
use crate::project::{Done, Project, assert_goes};

/// Sends its spans to this receiver as JSON, with a spool in its folder.
fn on(project: Project, receiver: &Receiver) -> Project {
    project
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
fn sixteen_thousand_events_for_a_dead_endpoint_are_accounted_for_exactly() {
    const CALLS: u64 = 8_000;
    const SPANS: u64 = CALLS + 1;
    let agent = format!(
        "def main(callbacks):\n    for n in range({CALLS}):\n        callbacks[0].on_tool_start({{'name': 't'}}, 'x', run_id=n)\n\
         \u{20}       callbacks[0].on_tool_end('y', run_id=n)\n"
    );
    for (cap, spooled, reasons) in [
        ("256MiB", SPANS..=SPANS, &[][..]),
        ("1MiB", 1..=SPANS / 2, &["spool_full"]),
        ("0", 0..=0, &["queue_full", "shutdown_deadline"]),
    ] {
        let receiver = Receiver::reserved();
        let project = Project::python(&agent);
        let done = on(project, &receiver)
            .env("CHARM_SPOOL_MAX_BYTES", cap)
            .env("CHARM_DELIVERY_MEMORY_BYTES", if cap == "0" { "256KiB" } else { "16MiB" })
            .env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "20");
        let (project, done) = (&done, done.run(&["--telemetry-report=json"]).assert_status(0));
        let report = report(&done);
        let events = &report["exporters"][0]["outcomes"];
        assert!(events["issued"].as_u64().unwrap() >= 2 * CALLS, "{cap}: {report:#}");
        assert_eq!(
            (&events["delivered"], &events["dropped"]),
            (&events["issued"], &serde_json::json!({})),
            "{cap}"
        );
        let outcomes = sent(&report);
        let dropped = outcomes["dropped"].as_object().unwrap();
        assert!(dropped.keys().all(|reason| reasons.contains(&reason.as_str())), "{cap}: {outcomes:#}");
        assert_eq!(dropped.is_empty(), reasons.is_empty(), "{cap}: {outcomes:#}");
        let dropped: u64 = dropped.values().filter_map(Value::as_u64).sum();
        let kept = outcomes["spooled"].as_u64().unwrap();
        assert!(spooled.contains(&kept), "{cap}: {outcomes:#}");
        assert_eq!(
            (&outcomes["accepted"], &outcomes["delivered"], kept + dropped),
            (&SPANS.into(), &0.into(), SPANS)
        );
        let listed = project.call(&["spool", "list", "--json"]).assert_status(0).stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(
            listed["waiting"][0]["items"].as_u64().unwrap_or_default(),
            kept,
            "{cap}: what the disk has"
        );
    }
}
