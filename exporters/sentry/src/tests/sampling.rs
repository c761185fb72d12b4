//! Which runs and which failures are sent, by all the variables that have a say.
//!
//! Rule: what was not sent is in the account of losses, under `sample_rate`.

use std::collections::BTreeSet;

use charm_telemetry_core::RunId;
use charm_telemetry_core::testing::ReceiverDouble;
use charm_telemetry_core::trace::{Sampler, TraceId};
use serde_json::{Value, json};

use super::account::Account;
use super::end_to_end::{finish, payloads, run, spans, start};
use super::strict::Envelope;

/// What comes of a run in which a tool fails, and of one in which nothing does.
fn sent(variables: &[(&str, &str)]) -> Vec<Envelope> {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    let manager = start(&receiver, state.path(), variables);
    run(&manager);
    manager.start_run(&json!({})).finish("");
    finish(manager, &receiver)
}

/// Spans and transactions, failures, and what was reported.
#[track_caller]
fn check(variables: &[(&str, &str)], traces: usize, failures: usize, lost: &[(&str, u64)]) -> Vec<Envelope> {
    let envelopes = sent(variables);
    let arrived = spans(&envelopes).len() + payloads(&envelopes, "transaction").len();
    assert_eq!((arrived, payloads(&envelopes, "event").len()), (traces, failures), "{variables:?}");
    let account = Account::of(&envelopes);
    let expected = lost.iter().map(|(category, quantity)| ((*category).to_owned(), *quantity)).collect();
    assert_eq!(account.reported, expected, "{variables:?}");
    assert!(account.reasons.iter().all(|reason| reason == "sample_rate"), "{variables:?}");
    envelopes
}

/// What stands over the event: whether the spans of its trace are sent.
fn sampled(envelopes: &[Envelope]) -> &Value {
    let event = envelopes.iter().find(|envelope| envelope.type_of(0) == "event").expect("there is one");
    &event.header["trace"]["sampled"]
}

const NO_TRACES: (&str, &str) = ("SENTRY_TRACES_SAMPLE_RATE", "0");
const ALL_TRACES: (&str, &str) = ("SENTRY_TRACES_SAMPLE_RATE", "1");
const NOTHING: (&str, &str) = ("CHARM_TELEMETRY_SAMPLE_RATE", "0");
const KEEP_ERRORS: (&str, &str) = ("CHARM_TELEMETRY_SAMPLE_KEEP_ERRORS", "true");
const STATIC: (&str, &str) = ("SENTRY_TRACE_LIFECYCLE", "static");

#[test]
fn the_rate_of_traces_leaves_out_runs_and_not_their_failures() {
    let envelopes = check(&[NO_TRACES], 0, 1, &[("span", 5)]);
    assert_eq!(sampled(&envelopes), "false");
    let envelopes = check(&[NO_TRACES, STATIC], 0, 1, &[("transaction", 2), ("span", 5)]);
    assert_eq!(sampled(&envelopes), "false");
}

#[test]
fn a_run_that_the_operator_leaves_out_for_all_exporters_sends_no_failures_either() {
    check(&[NOTHING], 0, 0, &[("error", 1), ("span", 5)]);
    check(&[NOTHING, STATIC], 0, 0, &[("error", 1), ("transaction", 2), ("span", 5)]);
}

#[test]
fn a_run_of_a_trace_that_is_not_recorded_sends_its_failures_alone() {
    let parent = ("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
    let envelopes = check(&[parent, ALL_TRACES], 0, 1, &[("span", 5)]);
    assert_eq!(sampled(&envelopes), "false");
}

#[test]
fn a_failed_run_that_is_kept_besides_is_sent_whole() {
    for rate in [NO_TRACES, NOTHING] {
        let envelopes = check(&[rate, KEEP_ERRORS], 4, 1, &[("span", 1)]);
        assert_eq!(sampled(&envelopes), "true");
        check(&[rate, KEEP_ERRORS, STATIC], 1, 1, &[("transaction", 1), ("span", 1)]);
    }
}

#[test]
fn the_rate_of_sentry_wins_over_that_for_all_exporters() {
    let envelopes = check(&[ALL_TRACES, NOTHING], 5, 1, &[]);
    assert_eq!(sampled(&envelopes), "true");
}

#[test]
fn errors_have_a_sample_rate_of_their_own() {
    check(&[("SENTRY_SAMPLE_RATE", "0")], 5, 0, &[("error", 1)]);
    check(&[("SENTRY_SAMPLE_RATE", "0"), STATIC], 2, 0, &[("error", 1)]);
}

#[test]
fn a_share_of_runs_is_those_whose_traces_belong_to_it() {
    const RUNS: usize = 40;
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    let manager = start(&receiver, state.path(), &[("SENTRY_TRACES_SAMPLE_RATE", "0.5")]);
    let ids: Vec<RunId> = (0..RUNS)
        .map(|_| {
            let run = manager.start_run(&json!({}));
            let id = run.id();
            run.fail("ValueError: WHY");
            id
        })
        .collect();
    let envelopes = finish(manager, &receiver);
    let sampler = Sampler::new(0.5).unwrap();
    let traces = ids.into_iter().map(TraceId::of_run);
    let (kept, left): (Vec<_>, Vec<_>) = traces.partition(|trace| sampler.keeps(*trace));
    let names = |traces: Vec<TraceId>| traces.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let text = |trace: &Value| trace.as_str().unwrap().to_owned();
    let arrived: BTreeSet<_> = spans(&envelopes).iter().map(|span| text(&span["trace_id"])).collect();
    assert_eq!(arrived, names(kept));
    let events = envelopes.iter().filter(|envelope| envelope.type_of(0) == "event");
    let headers: Vec<_> = events.map(|event| &event.header["trace"]).collect();
    assert!(headers.iter().all(|header| header["sample_rate"] == "0.5"));
    let unsampled = headers.iter().filter(|header| header["sampled"] == "false");
    assert_eq!(unsampled.map(|header| text(&header["trace_id"])).collect::<BTreeSet<_>>(), names(left));
    assert_eq!(headers.len(), RUNS, "failures of all of them");
}
