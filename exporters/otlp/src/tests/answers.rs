//! What becomes of an answer on the whole way from the receiver to the operator.

use std::sync::mpsc;
use std::time::Duration;

use charm_telemetry_core::Notice;
use charm_telemetry_core::delivery::NoticeKind;
use charm_telemetry_core::testing::{Answer, ReceiverDouble};
use serde_json::json;

use super::end_to_end::{DEADLINE, builder, manager, spans};

/// What the operator is told when the receiver answers like this, once. All else it takes.
fn told(answer: Answer) -> Vec<(NoticeKind, String)> {
    let receiver = ReceiverDouble::start();
    receiver.script([answer]);
    let (sender, notices) = mpsc::channel();
    let tell = move |notice: &Notice<'_>| {
        if let Notice::Delivery(notice) = notice {
            drop(sender.send((notice.kind, notice.to_string())));
        }
    };
    let manager = builder(&receiver, &[("OTEL_METRICS_EXPORTER", "none")]).on_notice(tell).start().unwrap();
    manager.start_run(&json!({})).finish("x");
    manager.shutdown(DEADLINE);
    assert_eq!(receiver.requests().len(), 1, "a partial success must not be sent again");
    notices.try_iter().collect()
}

fn partial(rejected: u32, message: &str) -> Answer {
    let body = json!({ "partialSuccess": { "rejectedSpans": rejected, "errorMessage": message } });
    Answer::new(200).header("content-type", "application/json").body(body.to_string())
}

#[test]
fn a_partial_success_is_told_as_a_loss_and_not_sent_again() {
    let notices = told(partial(1, "no such project"));
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0].0, NoticeKind::Dropped);
    assert!(notices[0].1.contains("refused the item: \"no such project\""), "{notices:?}");
}

#[test]
fn a_warning_is_told_and_is_no_loss() {
    let notices = told(partial(0, "slow down"));
    let expected = "otlp: the receiver took everything and says: \"slow down\"";
    assert_eq!(notices, [(NoticeKind::Warned, expected.to_owned())]);
    assert_eq!(told(partial(0, "")), []);
}

#[test]
fn what_was_stored_and_answered_too_late_is_sent_again_as_the_same_spans() {
    let receiver = ReceiverDouble::start();
    receiver.script([Answer::new(200).after(Duration::from_secs(3))]);
    // Without the variable the receiver would have ten seconds, and answers in time.
    let more = [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "300")];
    let manager = manager(&receiver, &more);
    manager.start_run(&json!({})).finish("x");
    let requests = receiver.wait_for_requests(2, DEADLINE);
    manager.shutdown(DEADLINE);
    assert_eq!(receiver.requests().len(), 2);
    assert_eq!(requests[0].body, requests[1].body, "the receiver knows them by their ids");
    assert_eq!(spans(&requests).len(), 2);
}
