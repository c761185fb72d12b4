//! How much goes into a request, and what an answer counts for.
//!
//! Rule: the real destination in a real delivery, whose own accounts are compared with what the receiver got.

use std::time::Duration;

use charm_telemetry_core::delivery::{Delivery, DeliveryConfig, DeliveryOutcomes, Encoding, Limits};
use charm_telemetry_core::testing::{Answer, ReceiverDouble};
use charm_telemetry_core::{DropReason, LlmEnd, LlmStart};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message as _;
use serde_json::json;

use super::end_to_end::{DEADLINE, manager, of_path, spans};
use super::payload::the_resource;
use super::script::*;
use crate::encode::encode;
use crate::options::Protocol;
use crate::origin::Origin;
use crate::protobuf;
use crate::request::{self, Route, What, limits};

/// Sends these spans to a receiver under these limits, in one request if they fit.
fn delivered(receiver: &ReceiverDouble, limits: Limits, inputs: &[&str]) -> DeliveryOutcomes {
    let route = Route {
        url: receiver.url("/v1/traces"),
        headers: Vec::new(),
        encoding: Encoding::Identity,
        protocol: Protocol::Protobuf,
        timeout: None,
        tls: None,
    };
    let mut config = DeliveryConfig::default();
    config.tell = Some(std::sync::Arc::new(|_| {}));
    let handle = Delivery::start(request::Otlp::new(What::Spans, route, limits), config).unwrap();
    let origin = Origin::new(Protocol::Protobuf, &the_resource());
    for input in inputs {
        let span = llm_span(&json!(input), &json!("x"));
        handle.send(origin.item(&protobuf::span(&encode(&span, &options()))));
    }
    handle.shutdown(DEADLINE);
    let outcomes = handle.report().outcomes;
    assert!(outcomes.is_balanced(), "{outcomes:?}");
    outcomes
}

fn an_hour() -> Limits {
    limits(512, Duration::from_hours(1))
}

#[test]
fn a_request_has_4_mib_and_a_span_63() {
    const MIB: usize = 1024 * 1024;
    let limits = limits(7, Duration::from_secs(3));
    assert_eq!((limits.max_items, limits.linger), (7, Duration::from_secs(3)));
    assert_eq!((limits.max_body_bytes, limits.max_item_bytes), (4 * MIB, 63 * MIB));
}

#[test]
fn large_spans_are_spread_over_requests() {
    let receiver = ReceiverDouble::start();
    let variables = [
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY"),
        ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
        ("OTEL_METRICS_EXPORTER", "none"),
    ];
    let manager = manager(&receiver, &variables);
    let large = "x".repeat(900 * 1024);
    let run = manager.start_run(&json!({}));
    for _ in 0..8 {
        run.llm_call(LlmStart::new("m")).finish(LlmEnd::new().output(&large));
    }
    run.finish("x");
    manager.shutdown(DEADLINE);
    let requests = of_path(&receiver.requests(), "/v1/traces");
    assert_eq!(spans(&requests).len(), 9);
    let sizes: Vec<_> = requests.iter().map(|request| request.body.len()).collect();
    assert!(sizes.iter().all(|size| *size <= 4 * 1024 * 1024), "{sizes:?}");
    assert!(sizes.iter().any(|size| *size > 2 * 1024 * 1024), "and not one by one: {sizes:?}");
}

#[test]
fn a_span_that_is_too_large_is_lost_alone() {
    let receiver = ReceiverDouble::start();
    let mut limits = an_hour();
    limits.max_item_bytes = 10_000;
    let large = "x".repeat(10_000);
    let outcomes = delivered(&receiver, limits, &[&large]);
    assert_eq!((outcomes.dropped.by(DropReason::TooLarge), outcomes.dropped.total()), (1, 1));
    assert!(receiver.requests().is_empty());
    let outcomes = delivered(&receiver, limits, &["small", &large, "small"]);
    assert_eq!((outcomes.delivered, outcomes.dropped.by(DropReason::TooLarge)), (2, 1));
    assert_eq!(spans(&receiver.requests()).len(), 2);
}

#[test]
fn a_partial_success_is_believed_as_far_as_there_were_spans() {
    for (rejected, delivered_spans, lost) in [(0, 3, 0), (1, 2, 1), (3, 0, 3), (99, 0, 3)] {
        let receiver = ReceiverDouble::start();
        let partial =
            ExportTracePartialSuccess { rejected_spans: rejected, error_message: "bad ids".to_owned() };
        let answer = ExportTraceServiceResponse { partial_success: Some(partial) };
        receiver.answer_always(Answer::new(200).body(answer.encode_to_vec()));
        let outcomes = delivered(&receiver, an_hour(), &["a", "b", "c"]);
        assert_eq!((outcomes.delivered, outcomes.requests), (delivered_spans, 1), "{rejected}");
        assert_eq!(outcomes.dropped.by(DropReason::Rejected), lost, "{rejected}");
        assert_eq!((outcomes.dropped.total(), receiver.requests().len()), (lost, 1), "{rejected}");
    }
}
