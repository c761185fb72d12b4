//! An exporter that panicked is built again.
//!
//! Rule: only the event of the panic is lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use charm_telemetry_core::testing::MemoryWriter;
use charm_telemetry_core::{
    DropReason, EnvironmentReader, ExporterDescriptor, HookContext, HookResult, LaneLimits, Manager,
    Outcomes, RawValue, Registration, Registry, TelemetryExporter,
};

use crate::exporters::{Panics, lane, stream};

static BUILT: AtomicU64 = AtomicU64::new(0);
static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Panics at every third token.
struct Stumbles;

impl TelemetryExporter for Stumbles {
    fn on_llm_new_token(&mut self, _cx: &HookContext<'_>, token: &str) -> HookResult {
        assert!(!token.starts_with("t3 "), "the third is too much");
        SEEN.lock().expect("nobody panics in here").push(token.to_owned());
        Ok(())
    }
}

static DESCRIPTOR: ExporterDescriptor = ExporterDescriptor {
    name: "stumbles",
    type_name: "Stumbles",
    crate_name: "tests",
    crate_version: "0",
    doc: "",
    variables: &[],
};

static REGISTRATIONS: [Registration; 1] = [Registration { descriptor: &DESCRIPTOR, build }];

#[expect(clippy::unnecessary_wraps, reason = "the type of a factory")]
fn build(_reader: &mut EnvironmentReader<'_>) -> Option<Box<dyn TelemetryExporter>> {
    BUILT.fetch_add(1, Ordering::Relaxed);
    Some(Box::new(Stumbles))
}

#[test]
fn after_a_panic_the_exporter_is_built_again_and_goes_on() {
    let limits = LaneLimits { first_restart: Duration::from_millis(1), ..LaneLimits::default() };
    let notices = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&notices);
    let manager = Manager::builder()
        .registry(Registry::from_slice(&REGISTRATIONS).unwrap())
        .activate("stumbles")
        .limits(limits)
        .stdout(MemoryWriter::new())
        .on_notice(move |notice| told.lock().unwrap().push(notice.to_string()))
        .start()
        .unwrap();
    stream(&manager, 6).finish("done");
    let report = manager.shutdown(Duration::from_secs(5));
    let lane = lane(&report, "stumbles");
    assert_eq!(lane.restarts, 1);
    assert_eq!(lane.outcomes.dropped.by(DropReason::ExporterPanic), 1);
    assert_eq!(lane.outcomes.dropped.total(), 1);
    assert_eq!(BUILT.load(Ordering::Relaxed), 2);
    assert_eq!(*SEEN.lock().unwrap(), ["t0 ", "t1 ", "t2 ", "t4 ", "t5 "]);
    let notices = notices.lock().unwrap();
    assert_eq!(*notices, ["exporter `stumbles` panicked: the third is too much; it starts again in 1ms"]);
}

#[test]
fn an_exporter_that_cannot_be_built_again_is_given_up_and_counted() {
    let manager = Manager::builder()
        .stdout(MemoryWriter::new())
        .exporter("panics", Panics)
        .on_notice(|_| {})
        .start()
        .unwrap();
    stream(&manager, 100).finish("done");
    let report = manager.shutdown(Duration::from_secs(5));
    let panics = lane(&report, "panics");
    let Outcomes { issued, delivered, ignored, dropped, .. } = &panics.outcomes;
    assert_eq!(dropped.by(DropReason::ExporterPanic), 1);
    // It has no hook for the first status, and panics at the start of the run.
    assert_eq!((*delivered, *ignored), (0, 1), "{report}");
    assert_eq!(dropped.by(DropReason::ExporterUnavailable), issued - 2, "{report}");
    assert_eq!(panics.restarts, 0);
}

#[test]
fn an_exporter_that_cannot_be_built_again_holds_nothing_and_is_not_waited_for() {
    /// Panics at the first token.
    struct OneToken;
    impl TelemetryExporter for OneToken {
        fn on_llm_new_token(&mut self, _cx: &HookContext<'_>, _token: &str) -> HookResult {
            panic!("one is too much")
        }
    }
    // Had it to wait before it could give up, this test would not end.
    let pause = Duration::from_hours(1);
    let limits =
        LaneLimits { first_restart: pause, last_restart: pause, max_events: 8, ..LaneLimits::default() };
    let (tell, told) = std::sync::mpsc::channel();
    let manager = Manager::builder()
        .stdout(MemoryWriter::new())
        .limits(limits)
        .exporter("one-token", OneToken)
        .on_notice(move |notice| tell.send(notice.to_string()).unwrap())
        .start()
        .unwrap();
    let run = stream(&manager, 1);
    let notice = told.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(
        notice,
        "exporter `one-token` panicked: one is too much; it cannot be built again, so all its events are dropped from now on"
    );
    // Its queue is gone: what comes now is counted at once, and never as what a full queue has displaced.
    for _ in 0..200 {
        run.agent_action("search", "x");
    }
    run.finish("done");
    let report = manager.shutdown(Duration::from_secs(20));
    let dropped = &lane(&report, "one-token").outcomes.dropped;
    assert_eq!(dropped.by(DropReason::ExporterPanic), 1, "{report}");
    assert!(dropped.by(DropReason::ExporterUnavailable) >= 200, "{report}");
    assert_eq!(dropped.by(DropReason::QueueFull), 0, "{report}");
    assert_eq!(told.try_iter().count(), 0, "told once");
}

#[test]
fn what_an_exporter_has_no_hook_for_is_ignored_also_if_that_was_not_known_when_it_came() {
    /// Waits in its only hook until it is told to go on.
    struct Waits(std::sync::mpsc::Receiver<()>);
    impl TelemetryExporter for Waits {
        fn on_run_start(&mut self, _cx: &HookContext<'_>, _inputs: &RawValue) -> HookResult {
            Ok(self.0.recv()?)
        }
        fn on_agent_action(&mut self, cx: &HookContext<'_>, _tool: &str, _input: &str) -> HookResult {
            self.on_run_start(cx, RawValue::NULL)
        }
    }
    let (go_on, waits) = std::sync::mpsc::channel();
    let seen = MemoryWriter::new();
    let builder = Manager::builder().stdout(seen.clone()).exporter("waits", Waits(waits));
    let manager = builder.on_notice(|_| {}).start().unwrap();
    let run = stream(&manager, 100);
    // They wait behind the start of the run; only then the lane learns that there is no hook for them.
    while seen.text().matches("delta").count() < 100 {
        std::thread::yield_now();
    }
    run.agent_action("search", "x");
    run.finish("done");
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    let report = manager.shutdown(Duration::from_secs(20));
    let outcomes = &lane(&report, "waits").outcomes;
    assert_eq!((outcomes.delivered, outcomes.dropped.total()), (2, 0), "{report}");
    assert_eq!(outcomes.ignored, report.events - 2);
}
