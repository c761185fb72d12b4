//! An exporter that panicked is built again.
//!
//! Rule: only the event of the panic is lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use charm_telemetry_core::testing::MemoryWriter;
use charm_telemetry_core::{
    DropReason, EnvironmentReader, ExporterDescriptor, HookContext, HookResult, LaneLimits, Manager,
    Registration, Registry, TelemetryExporter,
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
    let dropped = &lane(&report, "panics").outcomes.dropped;
    assert_eq!(dropped.by(DropReason::ExporterPanic), 1);
    assert!(dropped.by(DropReason::ExporterUnavailable) >= 100, "{report}");
}
