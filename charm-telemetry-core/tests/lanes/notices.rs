//! Whoever is told may behave badly himself.
//!
//! Rule: code of the program that is called back panics for itself alone.

use std::time::Duration;

use charm_telemetry_core::testing::MemoryWriter;
use charm_telemetry_core::{
    DropReason, Event, EventWriter, LaneLimits, LaneState, LlmEnd, LlmStart, Manager,
};

use crate::exporters::{Fails, Fine, Panics, lane, small_event, stream};

#[test]
fn a_listener_that_panics_ends_neither_a_lane_nor_the_pump() {
    let fine = Fine::default();
    let limits = LaneLimits { stuck_after: Duration::ZERO, ..LaneLimits::default() };
    let seen = MemoryWriter::new();
    let manager = Manager::builder()
        .stdout(seen.clone())
        .limits(limits)
        .exporter("fails", Fails)
        .exporter("panics", Panics)
        .exporter("fine", fine.clone())
        .on_notice(|notice| panic!("cannot be told that {notice}"))
        .start()
        .unwrap();
    stream(&manager, 100).finish("done");
    let report = manager.shutdown(Duration::from_secs(20));
    let fails = lane(&report, "fails");
    assert_eq!(fails.outcomes.dropped.by(DropReason::HookError), 100, "{report}");
    assert_eq!(fails.state, LaneState::Finished);
    assert_eq!(lane(&report, "fine").outcomes.dropped.total(), 0, "{report}");
    assert_eq!(report.stdout_state, LaneState::Finished);
    assert_eq!(report.stdout.delivered, report.events);
}

/// Panics at the first token.
struct Clumsy;

impl EventWriter for Clumsy {
    fn event(&mut self, event: &Event) {
        assert!(event.call.is_none(), "calls are too much");
    }

    fn flush(&mut self) -> std::io::Result<bool> {
        Ok(true)
    }

    fn is_full(&self) -> bool {
        false
    }
}

#[test]
fn a_writer_that_panics_is_given_up_and_exporters_still_get_everything() {
    let fine = Fine::default();
    let (tell, told) = std::sync::mpsc::channel();
    let builder = Manager::builder().stdout(Clumsy).exporter("fine", fine.clone());
    let manager = builder.on_notice(move |notice| tell.send(notice.to_string()).unwrap()).start().unwrap();
    stream(&manager, 50).finish("done");
    let report = manager.shutdown(Duration::from_secs(20));
    assert_eq!(lane(&report, "fine").outcomes.dropped.total(), 0);
    assert!(report.stdout.dropped.by(DropReason::ReaderGone) >= 52, "{report}");
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told, ["stdout cannot be written: the writer panicked: calls are too much"]);
}

/// Never comes back.
struct Blocked;

impl EventWriter for Blocked {
    fn event(&mut self, _event: &Event) {}

    fn flush(&mut self) -> std::io::Result<bool> {
        loop {
            std::thread::park();
        }
    }

    fn is_full(&self) -> bool {
        false
    }
}

#[test]
fn a_report_without_the_figures_of_the_pump_says_so_and_is_not_balanced() {
    let builder = Manager::builder().stdout(Blocked).exporter("fine", Fine::default());
    let manager = builder.start().unwrap();
    let run = manager.start_run(&"hi");
    let mut call = run.llm_call(LlmStart::new("model"));
    call.token("hello");
    call.finish(LlmEnd::new());
    run.finish("hello");
    let report = manager.shutdown(Duration::from_millis(200));
    assert_eq!(report.stdout_state, LaneState::Stuck);
    assert!(!report.is_balanced());
    let stdout = report.to_string().lines().nth(1).unwrap().to_owned();
    assert!(
        stdout.starts_with("stdout ") && stdout.ends_with("stuck: these figures are not known"),
        "{stdout}"
    );
    assert_eq!(serde_json::to_value(&report).unwrap()["stdout_state"], "stuck");
}

/// Holds everything.
struct Slow;

impl EventWriter for Slow {
    fn event(&mut self, _event: &Event) {}

    fn flush(&mut self) -> std::io::Result<bool> {
        std::thread::sleep(Duration::from_millis(50));
        Ok(false)
    }

    fn is_full(&self) -> bool {
        false
    }
}

#[test]
fn what_stdout_could_not_take_by_the_deadline_is_told() {
    let manager = Manager::builder().stdout(Slow).start().unwrap();
    manager.start_run(&"hi").finish("hello");
    let report = manager.shutdown(Duration::from_millis(50));
    assert_eq!(report.stdout_state, LaneState::CutOff);
    assert!(report.is_balanced(), "{report}");
    assert_eq!(report.stdout.dropped.by(DropReason::ShutdownDeadline), 4);
}

#[test]
fn a_backlog_at_the_end_does_not_cost_a_wait_for_stdout_for_each_of_its_parts() {
    let fine = Fine::default();
    let builder = Manager::builder().stdout(Slow).exporter("fine", fine.clone());
    let manager = builder.start().unwrap();
    let run = manager.start_run(&"hi");
    // So many parts that a wait for each would be longer than the deadline by far.
    for _ in 0..40_000 {
        run.emit(small_event());
    }
    run.finish("hello");
    let report = manager.shutdown(Duration::from_millis(500));
    assert_eq!(report.stdout_state, LaneState::CutOff, "{report}");
    assert_eq!(lane(&report, "fine").outcomes.dropped.total(), 0, "{report}");
    assert_eq!(report.events, 40_004);
}
