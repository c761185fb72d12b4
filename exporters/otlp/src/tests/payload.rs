//! Whole payloads: against the golden files, and against the official types.
//!
//! Rule: the same spans as protobuf and as JSON are the same request to the official decoder.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde_json::Value;

use super::script::*;
use crate::encode::{EncodeOptions, encode};
use crate::metrics::Metrics;
use crate::options::Aggregation;
use crate::options::Protocol;
use crate::origin::Origin;
use crate::request::{self, Route, What, limits};
use crate::resource::resource;
use crate::wire::Attribute;
use crate::{json, protobuf};
use charm_telemetry_core::delivery::{Body, Destination as _, Encoding, Item};
use charm_telemetry_core::trace::FinishedSpan;

pub(super) fn the_resource() -> Vec<Attribute<'static>> {
    resource(None, Some("deployment.environment.name=test%20bed"), &settings(), "instance-1").0
}

fn origin(protocol: Protocol) -> Origin {
    Origin::new(protocol, &the_resource())
}

/// A destination of some process: it knows nothing of whose items they are.
pub(super) fn destination(what: What, protocol: Protocol) -> request::Otlp {
    let route = Route {
        url: "http://127.0.0.1:9/v1/traces".to_owned(),
        headers: Vec::new(),
        encoding: Encoding::Identity,
        protocol,
        timeout: None,
        tls: None,
    };
    request::Otlp::new(what, route, limits(512, std::time::Duration::ZERO))
}

pub(super) fn body(what: What, protocol: Protocol, items: &[Item]) -> Body {
    destination(what, protocol).assemble(items).unwrap()
}

pub(super) fn as_protobuf(spans: &[FinishedSpan], options: &EncodeOptions) -> Vec<u8> {
    let origin = origin(Protocol::Protobuf);
    let items: Vec<_> =
        spans.iter().map(|span| origin.item(&protobuf::span(&encode(span, options)))).collect();
    body(What::Spans, Protocol::Protobuf, &items).bytes
}

pub(super) fn as_json(spans: &[FinishedSpan], options: &EncodeOptions) -> Vec<u8> {
    let origin = origin(Protocol::Json);
    let items: Vec<_> = spans.iter().map(|span| origin.item(&json::span(&encode(span, options)))).collect();
    body(What::Spans, Protocol::Json, &items).bytes
}

pub(super) fn decoded(bytes: &[u8]) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(bytes).expect("the official types can read it")
}

/// Compares with `tests/data/NAME.json`.
fn check(name: &str, json: &[u8]) {
    let value: Value = serde_json::from_slice(json).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    insta::with_settings!({ snapshot_path => "../../tests/data", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, pretty);
    });
}

#[test]
fn a_run_as_it_leaves_by_default_has_no_content() {
    let mut spans = whole_run();
    spans.iter_mut().for_each(FinishedSpan::withhold_content);
    check("run_without_content", &as_json(&spans, &options()));
    for bytes in [
        as_json(&spans, &options()),
        as_json(&spans, &openinference()),
        as_protobuf(&spans, &options()),
        as_protobuf(&spans, &openinference()),
    ] {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("SECRET") && !text.contains("withheld"), "{text}");
        assert!(text.contains("ValueError"), "the class of an error is no content");
    }
}

#[test]
fn a_run_with_content_is_as_written_down() {
    check("run_with_content", &as_json(&whole_run(), &options()));
}

#[test]
fn a_run_with_openinference_is_as_written_down() {
    check("run_with_openinference", &as_json(&whole_run(), &openinference()));
}

#[test]
fn protobuf_and_json_are_the_same_request() {
    for options in [options(), openinference()] {
        let spans = whole_run();
        let from_json: ExportTraceServiceRequest =
            serde_json::from_slice(&as_json(&spans, &options)).expect("the official types can read it");
        let from_protobuf = decoded(&as_protobuf(&spans, &options));
        assert_eq!(from_protobuf, from_json);
        assert_eq!(from_protobuf.resource_spans[0].scope_spans[0].spans.len(), spans.len());
    }
}

#[test]
fn the_bytes_are_those_that_the_official_encoder_writes() {
    let bytes = as_protobuf(&whole_run(), &openinference());
    assert_eq!(decoded(&bytes).encode_to_vec(), bytes);
}

#[test]
fn a_large_batch_keeps_its_lengths_right() {
    let spans = whole_run();
    let many: Vec<_> = spans.iter().cycle().take(2000).cloned().collect();
    let request = decoded(&as_protobuf(&many, &options()));
    assert_eq!(request.resource_spans[0].scope_spans[0].spans.len(), 2000);
}

#[test]
fn the_metrics_are_as_written_down_and_the_same_in_both_encodings() {
    for aggregation in [Aggregation::Explicit, Aggregation::Exponential] {
        let mut metrics = Metrics::new(false, aggregation, 1_000_000_000);
        for span in &whole_run() {
            metrics.record(span);
        }
        let items = |protocol, written: Vec<Vec<u8>>| -> Vec<_> {
            written.iter().map(|metric| origin(protocol).item(metric)).collect()
        };
        let jsons = items(Protocol::Json, metrics.export(9_000_000_000, json::metric));
        let binaries = items(Protocol::Protobuf, metrics.export(9_000_000_000, protobuf::metric));
        let (in_json, in_protobuf) =
            (body(What::Metrics, Protocol::Json, &jsons), body(What::Metrics, Protocol::Protobuf, &binaries));
        if aggregation == Aggregation::Explicit {
            check("metrics", &in_json.bytes);
        }
        let from_protobuf = ExportMetricsServiceRequest::decode(&*in_protobuf.bytes).unwrap();
        let from_json: ExportMetricsServiceRequest = serde_json::from_slice(&in_json.bytes).unwrap();
        assert_eq!(from_protobuf, from_json, "{aggregation:?}");
        assert_eq!(from_protobuf.encode_to_vec(), in_protobuf.bytes, "{aggregation:?}");
    }
}

#[test]
fn the_content_types_are_exact() {
    for (protocol, content_type) in
        [(Protocol::Protobuf, "application/x-protobuf"), (Protocol::Json, "application/json")]
    {
        let item = [origin(protocol).item(b"")];
        assert_eq!(body(What::Spans, protocol, &item).content_type, content_type);
    }
}
