//! `--telemetry-report`: the account of a run, for people and for programs.
//! The one rule: what programs read is what the guide says.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::network::Receiver;
use crate::project::{Done, Project};

const GUIDE: &str = include_str!("../../../docs/run.md");

/// The report on the only line of stderr that is one.
fn report(done: &Done) -> Value {
    let json = done.stderr.lines().find_map(|line| line.strip_prefix("charm: {")).expect("a report");
    serde_json::from_str(&format!("{{{json}")).unwrap()
}

#[test]
fn the_report_accounts_for_every_event_in_words_and_in_json() {
    let project = Project::shell("echo one; echo two");
    let done = project.run(&["--telemetry-report=json"]).assert_status(0);
    let report = report(&done);
    assert_eq!(report["stdout"]["issued"], report["stdout"]["delivered"]);
    assert_eq!(report["events"], report["stdout"]["issued"]);
    let done = project.run(&["--telemetry-report"]).assert_status(0);
    assert!(
        done.stderr.contains("charm: exporter") && done.stderr.contains("charm: stdout"),
        "{}",
        done.stderr
    );
}

#[test]
fn every_member_of_the_report_for_programs_is_in_the_guide() {
    let receiver = Receiver::start();
    let project = Project::shell("echo one")
        .telemetry("otlp")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url(""))
        .env("CHARM_STATE_DIR", "state");
    let report = report(&project.run(&["--telemetry-report=json"]).assert_status(0));
    assert!(report["deliveries"][0]["last_success_age_seconds"].as_f64().unwrap() < 600.0, "{report:#}");
    let mut names = BTreeSet::new();
    members(&report, &mut names);
    assert!(names.len() > 25, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !is_in_the_guide(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// As it is written there: by itself, behind what it is a member of, or as a list.
fn is_in_the_guide(name: &str) -> bool {
    [format!("`{name}`"), format!(".{name}`"), format!("`{name}[]")].iter().any(|form| GUIDE.contains(form))
}

fn members(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                names.insert(name.clone());
                members(value, names);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| members(value, names)),
        _ => {}
    }
}
