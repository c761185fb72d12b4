//! The table of answers.

use std::time::Duration;

use charm_telemetry_core::DropReason;
use charm_telemetry_core::delivery::{Disposition, Response};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message as _;

use crate::classify::{classify, is_not_served};

fn check(status: u16, expected: &Disposition) {
    assert_eq!(classify(&Response::new(status)), *expected, "{status}");
}

fn partly(rejected: i64, reason: &str) -> ExportTraceServiceResponse {
    let partial = ExportTracePartialSuccess { rejected_spans: rejected, error_message: reason.to_owned() };
    ExportTraceServiceResponse { partial_success: Some(partial) }
}

#[test]
fn only_four_statuses_are_tried_again_by_themselves() {
    for status in [429, 502, 503, 504] {
        check(status, &Disposition::RetryAfter(None));
    }
    for status in (400..600).filter(|status| ![429, 502, 503, 504].contains(status)) {
        let answer = classify(&Response::new(status));
        assert!(!matches!(answer, Disposition::RetryAfter(_) | Disposition::Delivered), "{status}");
    }
}

#[test]
fn a_shared_table_would_be_wrong_about_500_and_408() {
    for status in [408, 500, 501, 505, 409, 425] {
        check(status, &Disposition::Drop(DropReason::PermanentStatus));
    }
}

#[test]
fn our_own_faults_keep_the_batch_until_they_are_mended() {
    for status in [301, 308, 401, 403, 404, 405, 407, 415] {
        check(status, &Disposition::Pause);
    }
    check(413, &Disposition::TooLarge);
    check(400, &Disposition::Bisect);
    check(422, &Disposition::Bisect);
}

#[test]
fn the_receiver_says_when_in_seconds_or_by_a_date() {
    let seconds = Response::new(429).with_header("Retry-After", "7");
    assert_eq!(classify(&seconds), Disposition::RetryAfter(Some(Duration::from_secs(7))));
    let past = Response::new(503).with_header("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(classify(&past), Disposition::RetryAfter(Some(Duration::ZERO)));
}

#[test]
fn a_partial_success_is_counted_and_never_tried_again() {
    let protobuf = Response::new(200)
        .with_header("content-type", "application/x-protobuf")
        .with_body(partly(3, "bad ids").encode_to_vec());
    let expected = Disposition::PartlyRejected { rejected: 3, reason: "bad ids".to_owned() };
    assert_eq!(classify(&protobuf), expected);
    for body in [
        r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"bad ids"}}"#,
        r#" {"partialSuccess":{"rejectedDataPoints":3,"errorMessage":"bad ids","more":null}}"#,
    ] {
        for kind in ["application/json", "application/json; charset=utf-8", "text/plain", ""] {
            assert_eq!(classify(&said(kind, body)), expected, "{kind} {body}");
        }
    }
    for body in [
        r#"{"partialSuccess":{"rejectedSpans":3,"errorMessage":null}}"#,
        r#"{"partialSuccess":{"rejectedSpans":"3"}}"#,
        r#"{"partialSuccess":{"rejectedSpans":3,"errorMessage":7}}"#,
    ] {
        let silent = Disposition::PartlyRejected { rejected: 3, reason: String::new() };
        assert_eq!(classify(&said("application/json", body)), silent, "{body}");
    }
}

#[test]
fn a_partial_success_of_any_length_is_read() {
    for length in 0..300 {
        let reason = "x".repeat(length);
        let answer = Response::new(200).with_body(partly(5, &reason).encode_to_vec());
        assert_eq!(classify(&answer), Disposition::PartlyRejected { rejected: 5, reason }, "{length}");
    }
}

fn said(content_type: &str, body: &str) -> Response {
    let response = Response::new(200).with_body(body);
    if content_type.is_empty() { response } else { response.with_header("content-type", content_type) }
}

#[test]
fn a_warning_is_let_through_and_is_no_loss() {
    let expected = Disposition::PartlyRejected { rejected: 0, reason: "slow down".to_owned() };
    for rejected in [0, -1] {
        let warning = Response::new(200).with_body(partly(rejected, "slow down").encode_to_vec());
        assert_eq!(classify(&warning), expected, "{rejected}");
    }
    for count in ["", r#""rejectedSpans":0,"#, r#""rejectedSpans":"-1","#, r#""rejectedSpans":null,"#] {
        let body = format!(r#"{{"partialSuccess":{{{count}"errorMessage":"slow down"}}}}"#);
        assert_eq!(classify(&said("application/json", &body)), expected, "{body}");
    }
}

#[test]
fn what_cannot_be_read_is_no_loss() {
    for response in [
        Response::new(200).with_body(partly(-1, "").encode_to_vec()),
        Response::new(200).with_body(partly(0, "").encode_to_vec()),
        Response::new(200),
        Response::new(204),
        Response::new(200).with_body("ok"),
        Response::new(200)
            .with_body([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        said("application/json", "{}"),
        said("application/json", r#"{"partialSuccess":null}"#),
        said("application/json", r#"{"partialSuccess":{"rejectedSpans":null,"errorMessage":null}}"#),
        said("application/json", r#"{"partialSuccess":{"rejectedSpans":3"#),
        said("application/json", "<html>"),
    ] {
        assert_eq!(classify(&response), Disposition::Delivered, "{response:?}");
    }
}

#[test]
fn a_receiver_that_knows_no_metrics_is_told_from_one_that_is_ill() {
    for (status, expected) in
        [(404, true), (405, true), (501, true), (503, false), (401, false), (200, false)]
    {
        assert_eq!(is_not_served(&Response::new(status)), expected, "{status}");
    }
}
