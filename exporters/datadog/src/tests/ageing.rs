//! Spans that became too old for Datadog while they waited.
//!
//! Rule: the age is that of the span and not that of its batch; an old span costs no other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use charm_telemetry_core::delivery::{Destination as _, Item};
use charm_telemetry_core::testing::Answer;
use charm_telemetry_core::{DropReason, Environment};
use serde_json::json;

use super::{Harness, PATIENCE, exporter_at, intake, now, variables};
use crate::request::{Intake, item};
use crate::settings::{Format, Route};

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn a_span_is_too_old_a_day_after_it_began() {
    let intake = Intake(Route::Agent { url: "http://127.0.0.1:9".to_owned() });
    let began = UNIX_EPOCH + Duration::from_nanos(1_795_366_135_198_576_785);
    let dated = item(Format::Agent, "weather-app", began, b"{}");
    assert!(!intake.is_outdated(&dated, began - HOUR), "a clock may be wrong");
    assert!(!intake.is_outdated(&dated, began + 24 * HOUR));
    assert!(intake.is_outdated(&dated, began + 24 * HOUR + Duration::from_nanos(1)));
    let undated = Item::of_kind(1, *b"weather-app\n{}");
    assert!(!intake.is_outdated(&undated, SystemTime::now()));
    assert!(intake.assemble(&[dated, undated]).is_ok(), "both can be read");
}

/// A run that began 25 hours ago and ended an hour ago, with a tool at its end.
fn long_run(harness: &mut Harness) {
    harness.run_start(&json!({})).unwrap();
    harness.clock().advance(24 * HOUR);
    let tool = harness.new_call();
    harness.tool_start(tool, "fresh", "x").unwrap();
    harness.tool_end(tool, "fresh", "y").unwrap();
    harness.run_end(&json!({})).unwrap();
}

#[test]
fn of_a_batch_that_waited_the_old_spans_are_given_up_and_the_others_arrive() {
    for format in [Format::Public, Format::Agent] {
        let (state, receiver) = (tempfile::tempdir().unwrap(), intake::strict(format));
        let mut environment: Environment = variables(&receiver, format);
        environment.set("CHARM_SPOOL_MAX_BYTES", "10MB");
        environment.set("CHARM_STATE_DIR", state.path());
        receiver.script([Answer::new(403)]);
        let mut first = exporter_at(&environment, now().saturating_sub(25 * HOUR));
        long_run(&mut first);
        first.shutdown(Duration::from_secs(2)).unwrap();
        assert_eq!(receiver.take_requests().len(), 1, "both spans were refused");

        let mut second = exporter_at(&environment, now().saturating_sub(HOUR));
        second.run_start(&json!({})).unwrap();
        second.run_end(&json!({})).unwrap();
        second.shutdown(PATIENCE).unwrap();
        let outcomes = second.exporter().line.as_ref().unwrap().delivery.report().outcomes;
        assert_eq!((outcomes.adopted, outcomes.dropped.by(DropReason::Expired)), (2, 1), "{outcomes:?}");
        let spans = intake::spans(&receiver, format);
        let mut names: Vec<_> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["fresh", "weather_agent"]);
    }
}
