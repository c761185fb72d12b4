//! Which runs are too old to be sent.
//!
//! Rule: they are written by the encoder and judged by the destination, as on their way.

use std::time::{Duration, SystemTime};

use charm_telemetry_core::delivery::{Destination, Item};
use charm_telemetry_core::trace::{Moment, TelemetrySettings, TraceAssembler, TraceLimits, TraceOutput};
use charm_telemetry_core::{Environment, EventTime, RawValue, RunId};

use super::support::{Harness, KEY};
use crate::encode::Encoder;
use crate::request::Project;
use crate::run_parts::Operation;

const CLOUD: &str = "https://eu.api.smith.langchain.com";
const OWN: &str = "https://langsmith.example.org/api/v1";

fn harness(endpoint: &str) -> Harness {
    let variables = [("LANGSMITH_API_KEY", KEY), ("LANGSMITH_ENDPOINT", endpoint)];
    Harness::from_environment(&Environment::from_pairs(variables)).ok().unwrap()
}

fn minutes(hours: u64, minutes: u64) -> Duration {
    Duration::from_mins(60 * hours + minutes)
}

/// A run that lasted so long.
fn run(start: SystemTime, lasted: Duration, operation: Operation) -> Item {
    let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
    let at = |passed: Duration| EventTime { wall: start + passed, monotonic: passed };
    let moment = Moment { run: RunId::new(), call: None, parent: None, time: at(Duration::ZERO) };
    trace.run_start(moment, &RawValue::from_string("{}".to_owned()).unwrap());
    trace.close_all(at(lasted));
    let Some(TraceOutput::Finished(span)) = trace.next_output() else { panic!("one run") };
    let exporter = harness(CLOUD);
    Encoder::new(exporter.exporter(), &TelemetrySettings::default()).finished(&span, operation)
}

#[test]
fn langsmiths_own_servers_get_nothing_that_began_more_than_23_hours_ago() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_365_847);
    for (endpoint, lasted, after, is_outdated) in [
        (CLOUD, minutes(0, 1), minutes(22, 59), false),
        (CLOUD, minutes(0, 1), minutes(23, 1), true),
        (OWN, minutes(0, 1), minutes(23, 1), false),
        // 20 hours on disk.
        (CLOUD, minutes(5, 0), minutes(25, 0), true),
        (CLOUD, minutes(30, 0), minutes(30, 0), true),
        (CLOUD, minutes(0, 1), minutes(365 * 24 - 1, 0), true),
        // Somebody has set the clock.
        (CLOUD, minutes(0, 1), minutes(365 * 24 + 1, 0), false),
    ] {
        let project = Project::new(harness(endpoint).exporter());
        for operation in [Operation::Post, Operation::Patch] {
            let got = project.is_outdated(&run(start, lasted, operation), start + after);
            assert_eq!(got, is_outdated, "{endpoint} {lasted:?} {after:?} {operation:?}");
        }
    }
}

#[test]
fn what_cannot_be_read_and_what_is_from_the_future_is_not_too_old() {
    let project = Project::new(harness(CLOUD).exporter());
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_365_847);
    let future = run(now + minutes(48, 0), minutes(0, 1), Operation::Post);
    for item in [future, Item::of_kind(9, *b"{}"), Item::of_kind(1, *b"\x01\0\0\0x\x02\0\0\0{}")] {
        assert!(!project.is_outdated(&item, now), "{item:?}");
    }
    let old = run(now, minutes(0, 1), Operation::Post);
    assert!(!project.is_outdated(&old, SystemTime::UNIX_EPOCH), "a clock of 1970");
}
