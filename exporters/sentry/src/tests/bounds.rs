//! The bounds of an envelope and of a transaction, and what becomes of what is beyond them.
//!
//! Rule: a bound costs what is beyond it and nothing else, and what it costs is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use charm_telemetry_core::delivery::{DeliveryReport, Destination as _, reports};
use charm_telemetry_core::testing::{Answer, ReceiverDouble};
use charm_telemetry_core::{DropReason, Manager};
use serde_json::json;

use super::account::Account;
use super::end_to_end::{PATIENCE, finish, payloads, read, run, spans, start};
use super::strict::Envelope;
use crate::destination::{Account as Accounting, Project, ToProject};
use crate::rate_limits::Category;

const STATIC: (&str, &str) = ("SENTRY_TRACE_LIFECYCLE", "static");

/// A run with so many calls of a tool.
fn run_with_tools(manager: &Manager, tools: usize, name: &str, content: &str) {
    let run = manager.start_run(&json!({}));
    for _ in 0..tools {
        run.tool_call(name, content).finish(content);
    }
    run.finish("");
}

fn counts(envelopes: &[Envelope]) -> Vec<u64> {
    let of_spans = envelopes.iter().filter(|envelope| envelope.type_of(0) == "span");
    of_spans.map(|envelope| envelope.items[0].0["item_count"].as_u64().unwrap()).collect()
}

#[test]
fn an_envelope_of_spans_has_at_most_a_thousand_and_five_megabytes() {
    let project = Arc::new(Project::new("https://abc@host/42".parse().unwrap()));
    let limits = ToProject::new(Category::Span, project, Accounting::Kept(Arc::default())).limits();
    assert_eq!((limits.max_items, limits.max_body_bytes), (1000, 5_000_000));
    assert_eq!(limits.max_item_bytes, 1024 * 1024);
}

#[test]
fn a_long_run_comes_in_several_envelopes_of_at_most_a_thousand_spans() {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    let manager = start(&receiver, state.path(), &[]);
    run_with_tools(&manager, 1499, "tool", "");
    let envelopes = finish(manager, &receiver);
    let counts = counts(&envelopes);
    assert!(counts.len() >= 2 && counts.iter().all(|count| *count <= 1000), "{counts:?}");
    let ids: BTreeSet<_> = spans(&envelopes).iter().map(|span| span["span_id"].to_string()).collect();
    assert_eq!(ids.len(), 1500);
}

#[test]
fn large_spans_come_in_envelopes_of_at_most_five_megabytes() {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    let manager = start(&receiver, state.path(), &[("SENTRY_SEND_DEFAULT_PII", "true")]);
    run_with_tools(&manager, 24, "tool", &"x".repeat(200_000));
    let envelopes = finish(manager, &receiver);
    let length = |envelope: &Envelope| envelope.items[0].0["length"].as_u64().unwrap();
    let lengths: Vec<_> = envelopes.iter().map(length).collect();
    assert!(lengths.iter().all(|length| *length <= 5_000_000), "{lengths:?}");
    assert!(lengths.iter().sum::<u64>() > 9_000_000, "nothing is cut: {lengths:?}");
    assert_eq!(spans(&envelopes).len(), 25);
}

#[test]
fn spans_beyond_a_thousand_of_a_transaction_are_reported_and_the_exporter_goes_on() {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    let manager = start(&receiver, state.path(), &[STATIC]);
    run_with_tools(&manager, 1003, "tool", "");
    run_with_tools(&manager, 1, "tool", "");
    let report = manager.shutdown(PATIENCE);
    assert!(report.is_balanced(), "{report}");
    let [lane] = &report.exporters[..] else { panic!("one exporter") };
    assert_eq!(lane.outcomes.dropped.by(DropReason::HookError), 3, "{report}");
    assert!(lane.last_error.as_ref().unwrap().contains("SENTRY_TRACE_LIFECYCLE=stream"), "{report}");

    let envelopes: Vec<_> = receiver.take_requests().iter().map(read).collect();
    let transactions = payloads(&envelopes, "transaction");
    let sizes: Vec<_> = transactions.iter().map(|it| it["spans"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [1000, 1]);
    let account = Account::of(&envelopes);
    assert_eq!(account.reported, [("span".to_owned(), 3)].into());
    assert_eq!(account.reasons, [String::from("buffer_overflow")].into());
}

#[test]
fn a_transaction_that_is_too_large_even_without_content_is_reported_with_its_spans() {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    let manager = start(&receiver, state.path(), &[STATIC]);
    run_with_tools(&manager, 1000, &"t".repeat(500), "");
    run(&manager);
    let envelopes = finish(manager, &receiver);
    assert_eq!(payloads(&envelopes, "transaction").len(), 1, "the small one");
    let account = Account::of(&envelopes);
    let expected = [("span".to_owned(), 1001), ("transaction".to_owned(), 1)];
    assert_eq!((account.reported, account.reasons), (expected.into(), ["send_error".to_owned()].into()));
}

#[test]
fn a_span_that_is_too_large_alone_for_the_server_is_sent_alone_once_and_reported() {
    let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
    receiver.answer_with(|request| {
        let too_large = request.text().contains("execute_tool working");
        Answer::new(if too_large { 413 } else { 200 })
    });
    let manager = start(&receiver, state.path(), &[]);
    run(&manager);
    let envelopes = finish(manager, &receiver);
    let account = Account::of(&envelopes);
    assert_eq!(account.reported, [("span".to_owned(), 1)].into());
    assert_eq!(account.reasons, ["send_error".to_owned()].into());
    let with_it =
        envelopes.iter().filter(|envelope| format!("{envelope:?}").contains("execute_tool working"));
    let sizes: Vec<_> = with_it.flat_map(|envelope| counts(std::slice::from_ref(envelope))).collect();
    assert_eq!(sizes, [4, 2, 1], "in halves until it is alone, then no more");
    let refused = |report: &DeliveryReport| {
        report.destination == "sentry-spans"
            && report.outcomes.dropped.by(DropReason::TooLarge) == 1
            && report.outcomes.delivered == 3
    };
    assert!(reports().iter().any(refused));
}
