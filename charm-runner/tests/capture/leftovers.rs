//! Processes that an agent leaves behind: C6 and C7.
//! The one rule: each test looks at the process itself, not only at what was counted.

use std::time::{Duration, Instant};

use charm_runner::child::Exit;
use serde_json::Value;

use crate::probe::{Probe, Setup};
use crate::recorder::{KillLater, assert_goes, command, run, runs};

/// Runs `grandchild.py` in a probe that adopts orphans; says whether what it left behind still runs, and how long the
/// end took.
fn adopted(mode: &'static str) -> (bool, Value, Duration) {
    let mut probe =
        Probe::start("grandchild.py", &Setup { arguments: vec![mode], adopt: true, ..Setup::default() });
    let left = KillLater(probe.child_pid());
    let started = Instant::now();
    let outcome = probe.outcome();
    (runs(left.0), outcome, started.elapsed())
}

#[test]
fn c6_a_grandchild_that_holds_the_pipes_delays_the_end_by_two_seconds_and_is_killed() {
    let started = Instant::now();
    let (outcome, sink) = run(command("grandchild.py", &["hold"]));
    assert!((Duration::from_secs(2)..Duration::from_secs(6)).contains(&started.elapsed()));
    assert!(
        outcome.duration < Duration::from_secs(2),
        "the agent itself ended at once: {:?}",
        outcome.duration
    );
    assert_eq!((outcome.exit, outcome.orphans_killed), (Exit::Code(3), 1));
    assert!(!outcome.gave_up_listening);
    assert_goes(sink.said_pid());
}

#[test]
fn c6_a_grandchild_without_pipes_delays_nothing_and_is_killed() {
    let started = Instant::now();
    let (outcome, sink) = run(command("grandchild.py", &["quiet"]));
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!((outcome.exit, outcome.orphans_killed), (Exit::Code(3), 1));
    assert_goes(sink.said_pid());
}

#[test]
fn c6_a_daemon_is_killed_where_orphans_are_adopted() {
    let (still_runs, outcome, took) = adopted("daemon");
    assert!(took < Duration::from_secs(2));
    assert_eq!((&outcome["code"], &outcome["orphans_killed"]), (&3.into(), &1.into()));
    assert_eq!(outcome["children"], 0);
    assert!(!still_runs);
}

#[test]
fn c6_a_daemon_that_holds_the_pipes_is_killed_where_orphans_are_adopted() {
    let (still_runs, outcome, took) = adopted("clinging");
    assert!(took < Duration::from_secs(6));
    assert_eq!((&outcome["orphans_killed"], &outcome["gave_up_listening"]), (&1.into(), &false.into()));
    assert!(!still_runs);
}

#[test]
fn c6_a_daemon_that_is_not_ours_to_kill_cannot_keep_us_by_holding_the_pipes() {
    let started = Instant::now();
    let (outcome, sink) = run(command("grandchild.py", &["clinging"]));
    let _kill = KillLater(sink.said_pid());
    assert!(started.elapsed() < Duration::from_secs(6));
    assert_eq!((outcome.exit, outcome.orphans_killed), (Exit::Code(3), 0));
    assert!(outcome.gave_up_listening && runs(sink.said_pid()));
}

#[test]
fn c6_an_agent_that_closes_its_output_and_works_on_is_waited_for() {
    let (outcome, sink) = run(command("runs_on.py", &[]));
    assert_eq!(outcome.exit, Exit::Code(4));
    assert!(outcome.duration >= Duration::from_millis(300));
    assert_eq!(sink.stdout.len(), 1);
}

#[test]
fn c7_ten_thousand_orphans_leave_no_zombie_and_the_agents_status_is_its_own() {
    let setup = Setup { arguments: vec!["10000"], adopt: true, ..Setup::default() };
    let outcome = Probe::start("orphans.sh", &setup).outcome();
    assert_eq!((&outcome["code"], &outcome["orphans_reaped"]), (&5.into(), &10_000.into()));
    assert_eq!(outcome["children"], 0);
    // On a busy machine some of the last handful have not ended by themselves when the agent has.
    assert!(outcome["orphans_killed"].as_u64().is_some_and(|killed| killed <= 25), "{outcome}");
}

#[test]
fn c7_as_process_1_orphans_are_reaped_unasked() {
    let wrapper =
        vec!["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let can = std::process::Command::new("unshare").args(&wrapper[1..]).arg("true").output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!("not shown here: this system gives no process id namespace");
        return;
    }
    let setup = Setup { arguments: vec!["2000"], wrapper, ..Setup::default() };
    let outcome = Probe::start("orphans.sh", &setup).outcome();
    assert_eq!(outcome["pid"], 1);
    assert_eq!((&outcome["code"], &outcome["orphans_reaped"]), (&5.into(), &2000.into()));
    assert_eq!(outcome["children"], 0);
}
