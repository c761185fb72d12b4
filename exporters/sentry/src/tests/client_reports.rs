//! The account of losses.

use std::time::{Duration, Instant, UNIX_EPOCH};

use charm_telemetry_core::DropReason;
use charm_telemetry_core::delivery::Item;
use serde_json::{Value, json};

use super::payloads::envelope_of;
use super::strict::Envelope;
use crate::client_report::{Discard, reason, report};
use crate::losses::{PERIOD, Sums};
use crate::rate_limits::Category;

#[test]
fn losses_are_summed_up() {
    let items = [
        Discard::new("ratelimit_backoff", Category::Span, 3).item(),
        Discard::new("sample_rate", Category::Error, 1).item(),
        Discard::new("ratelimit_backoff", Category::Span, 4).item(),
    ];
    let report: Value =
        serde_json::from_slice(&report(&items, UNIX_EPOCH + Duration::from_millis(1500)).unwrap()).unwrap();
    let expected = json!({"timestamp": 1.5, "discarded_events": [
        {"reason": "ratelimit_backoff", "category": "span", "quantity": 7},
        {"reason": "sample_rate", "category": "error", "quantity": 1},
    ]});
    assert_eq!(report, expected);
}

#[test]
fn every_reason_has_one_of_sentry_s_names_and_a_report_of_all_of_them_is_small() {
    let discards = DropReason::ALL.into_iter().flat_map(|why| {
        [Category::Error, Category::Transaction, Category::Span]
            .map(|category| Discard::new(reason(why), category, u64::from(u32::MAX)).item().bytes().to_vec())
    });
    let envelope = envelope_of(Category::Internal, &discards.collect::<Vec<_>>());
    Envelope::read(&envelope).unwrap();
}

#[test]
fn each_reason_is_told_as_what_it_is() {
    let expected = [
        (DropReason::QueueFull, "queue_overflow"),
        (DropReason::HookError, "internal_sdk_error"),
        (DropReason::ExporterPanic, "internal_sdk_error"),
        (DropReason::Stuck, "internal_sdk_error"),
        (DropReason::ShutdownDeadline, "network_error"),
        (DropReason::ExporterUnavailable, "internal_sdk_error"),
        (DropReason::ReaderGone, "internal_sdk_error"),
        (DropReason::SpoolFull, "cache_overflow"),
        (DropReason::TooLarge, "send_error"),
        (DropReason::Expired, "cache_overflow"),
        (DropReason::PermanentStatus, "send_error"),
        (DropReason::Rejected, "send_error"),
        (DropReason::Corrupt, "internal_sdk_error"),
        (DropReason::EncodeError, "internal_sdk_error"),
        (DropReason::RateLimited, "ratelimit_backoff"),
    ];
    assert_eq!(DropReason::ALL.map(|why| (why, reason(why))), expected);
}

#[test]
fn an_item_that_is_no_loss_is_an_error() {
    assert!(report(&[Item::new(b"hello".to_vec())], UNIX_EPOCH).is_err());
}

#[test]
fn however_much_is_lost_few_items_tell_of_it_and_nothing_is_forgotten() {
    let (mut sums, start) = (Sums::default(), Instant::now());
    sums.add("send_error", Category::Span, 1);
    let mut items = sums.due(start);
    assert_eq!(items.len(), 1, "the first is told at once");
    for millis in 0..18_652 {
        let now = start + Duration::from_millis(millis);
        let category = if millis % 2 == 0 { Category::Span } else { Category::Error };
        sums.add("send_error", category, 1);
        items.extend(sums.due(now));
    }
    assert_eq!(items.len(), 1, "the others wait for company");
    sums.add("network_error", Category::Span, 5);
    items.extend(sums.due(start + PERIOD));
    assert_eq!(items.len(), 4, "one for each kind and reason");
    let report: Value = serde_json::from_slice(&report(&items, UNIX_EPOCH).unwrap()).unwrap();
    let discards = report["discarded_events"].as_array().unwrap();
    let lost: u64 = discards.iter().map(|discard| discard["quantity"].as_u64().unwrap()).sum();
    assert_eq!(lost, 18_653 + 5);
}
