//! Nobody waits for a bad exporter.
//!
//! Rule: the agent's time is compared with its time without exporters, in the same test.

use std::time::{Duration, Instant};

use charm_telemetry_core::testing::MemoryWriter;
use charm_telemetry_core::{
    DropReason, Event, EventWriter, LaneLimits, LaneState, LlmEnd, LlmStart, Manager, ManagerBuilder,
    Registry, Report,
};

use crate::exporters::{Fails, Fine, Hangs, Panics, REGISTRATIONS, Sleeps, lane, small_event, stream};

const TOKENS: usize = 10_000;

/// An agent that gets its tokens from a fast model: 20 every millisecond.
fn agent_time(builder: ManagerBuilder) -> (Duration, Manager, MemoryWriter) {
    let seen = MemoryWriter::new();
    let manager = builder.stdout(seen.clone()).on_notice(|_| {}).start().expect("nothing is wrong with it");
    let run = manager.start_run(&"go");
    let mut call = run.llm_call(LlmStart::new("model"));
    let start = Instant::now();
    for _ in 0..TOKENS / 20 {
        (0..20).for_each(|_| call.token("token "));
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = start.elapsed();
    call.finish(LlmEnd::new());
    run.finish("done");
    (took, manager, seen)
}

#[test]
fn an_agent_is_as_fast_beside_exporters_that_sleep_hang_and_panic_as_beside_none() {
    // The machine may be busy with other things. An exporter that stalls the agent does so every time.
    let mut attempts = Vec::new();
    while attempts.len() < 5 {
        let (alone, manager, _) = agent_time(Manager::builder());
        manager.shutdown(Duration::from_secs(1));
        let together = agent_time_beside_bad_exporters();
        attempts.push((alone, together));
        if together <= alone.mul_f64(1.1) {
            return;
        }
    }
    panic!("alone and together: {attempts:?}");
}

/// The agent's time beside all of them; checks what became of the events.
fn agent_time_beside_bad_exporters() -> Duration {
    let fine = Fine::default();
    let (took, manager, seen) = agent_time(
        Manager::builder()
            .exporter("sleeps", Sleeps(Duration::from_secs(1)))
            .exporter("hangs", Hangs)
            .exporter("panics", Panics)
            .registry(Registry::from_slice(&REGISTRATIONS).expect("there is one"))
            .activate("panics-anew")
            .limits(LaneLimits { first_restart: Duration::from_millis(1), ..LaneLimits::default() })
            .exporter("fine", fine.clone()),
    );
    let report = manager.shutdown(Duration::from_millis(1500));
    let dropped = |name: &str| {
        let outcomes = &lane(&report, name).outcomes;
        assert_eq!(outcomes.issued, report.events, "{report}");
        outcomes.dropped.clone()
    };
    assert_eq!(dropped("fine").total(), 0);
    assert_eq!(fine.seen().iter().filter(|(_, what)| what == "token ").count(), TOKENS);
    assert!(fine.seen().is_sorted_by_key(|(sequence, _)| *sequence));
    assert_eq!(lane(&report, "hangs").state, LaneState::Stuck);
    assert_eq!(dropped("hangs").by(DropReason::Stuck), 1);
    assert!(dropped("hangs").by(DropReason::ShutdownDeadline) >= TOKENS as u64, "{report}");
    assert!(dropped("sleeps").by(DropReason::ShutdownDeadline) >= TOKENS as u64 - 5, "{report}");
    check_panicking(&report);
    assert_eq!(seen.events().iter().filter(|event| event["type"] == "delta").count(), TOKENS);
    took
}

/// What has a reason of its own adds up to everything, exporter by exporter and event by event.
fn check_panicking(report: &Report) {
    // Its hooks are those for tokens, the start and the end of the run; the others are the status, and the model's start and
    // end.
    let with_hook = TOKENS as u64 + 2;
    assert_eq!(report.events, with_hook + 3, "{report}");

    let once = lane(report, "panics");
    let reasons: Vec<_> = once.outcomes.dropped.iter().collect();
    let rest = report.events - 2;
    assert_eq!(
        reasons,
        [(DropReason::ExporterPanic, 1), (DropReason::ExporterUnavailable, rest)],
        "{report}"
    );
    assert_eq!((once.outcomes.ignored, once.outcomes.delivered, once.restarts), (1, 0, 0), "{report}");

    let anew = lane(report, "panics-anew");
    let by = |reason| anew.outcomes.dropped.by(reason);
    let (panics, waited) = (by(DropReason::ExporterPanic), by(DropReason::ShutdownDeadline));
    assert!(panics > 1, "it was built again: {report}");
    assert_eq!(panics + waited, anew.outcomes.dropped.total(), "for no other reason: {report}");
    assert_eq!(anew.outcomes.ignored + panics + waited, report.events, "{report}");
    assert_eq!(anew.outcomes.delivered, 0, "{report}");
    assert!(anew.outcomes.ignored <= 3, "{report}");
    // One restart for each panic, but for the last one if the end came first.
    assert!((panics - 1..=panics).contains(&anew.restarts), "{report}");
}

/// With one exporter, which never returns.
fn hanging(limits: LaneLimits) -> Manager {
    let manager = Manager::builder().stdout(MemoryWriter::new()).limits(limits);
    manager.exporter("hangs", Hangs).on_notice(|_| {}).start().expect("nothing is wrong with it")
}

#[test]
fn a_shutdown_ends_by_its_deadline_whatever_an_exporter_does() {
    let manager = hanging(LaneLimits::default());
    stream(&manager, 3).finish("done");
    let start = Instant::now();
    let report = manager.shutdown(Duration::from_millis(300));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(lane(&report, "hangs").outcomes.dropped.by(DropReason::Stuck), 1);
}

#[test]
fn tokens_go_first_when_a_lane_is_full() {
    let manager = hanging(LaneLimits { max_events: 100, ..LaneLimits::default() });
    let run = stream(&manager, 1000);
    for _ in 0..50 {
        run.emit(small_event());
    }
    run.finish("done");
    let report = manager.shutdown(Duration::from_millis(200));
    let dropped = &lane(&report, "hangs").outcomes.dropped;
    // The 50 actions, the end of the call and the end of the run waited to the end: they displaced tokens.
    assert!(dropped.by(DropReason::ShutdownDeadline) >= 52, "{report}");
    assert!(dropped.by(DropReason::QueueFull) >= 900, "{report}");
}

#[test]
fn a_lane_is_bounded_by_bytes_as_well() {
    let manager = hanging(LaneLimits { max_bytes: 100_000, ..LaneLimits::default() });
    let run = stream(&manager, 1);
    for _ in 0..20 {
        run.agent_action("search", &"x".repeat(10_000));
    }
    run.finish("done");
    let report = manager.shutdown(Duration::from_millis(200));
    let dropped = &lane(&report, "hangs").outcomes.dropped;
    assert!(dropped.by(DropReason::QueueFull) >= 8, "{report}");
    assert!(dropped.by(DropReason::ShutdownDeadline) <= 15, "{report}");
}

#[test]
fn a_hook_that_fails_loses_its_event_and_nothing_else() {
    let manager = Manager::builder()
        .stdout(MemoryWriter::new())
        .exporter("fails", Fails)
        .on_notice(|_| {})
        .start()
        .unwrap();
    stream(&manager, 10).finish("done");
    let report = manager.shutdown(Duration::from_secs(5));
    let lane = lane(&report, "fails");
    assert_eq!(lane.outcomes.dropped.by(DropReason::HookError), 10);
    assert_eq!(lane.outcomes.dropped.total(), 10);
    assert_eq!(lane.last_error.as_deref(), Some("refused `t9 `"));
    assert_eq!(lane.state, LaneState::Finished);
}

/// A reader that has gone while much was held for it.
struct Gone;

impl EventWriter for Gone {
    fn event(&mut self, _event: &Event) {}

    fn flush(&mut self) -> std::io::Result<bool> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn is_full(&self) -> bool {
        true
    }
}

#[test]
fn when_the_reader_of_stdout_has_gone_exporters_still_get_everything() {
    let fine = Fine::default();
    let builder = Manager::builder().stdout(Gone).exporter("fine", fine.clone()).on_notice(|_| {});
    let manager = builder.start().unwrap();
    stream(&manager, 50).finish("done");
    // Not by the end: nothing keeps the events from them before.
    let started = Instant::now();
    while !fine.seen().iter().any(|(_, what)| what == "run_end") {
        assert!(started.elapsed() < Duration::from_secs(20), "the events never came");
        std::thread::sleep(Duration::from_millis(1));
    }
    let report = manager.shutdown(Duration::from_secs(5));
    assert_eq!(lane(&report, "fine").outcomes.dropped.total(), 0);
    assert_eq!(report.stdout.dropped.by(DropReason::ReaderGone), report.events);
}
