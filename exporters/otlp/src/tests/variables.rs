//! Each variable is seen in what leaves.
//!
//! Rule: what a variable does is there with it and not there without it, so that neither a dead switch nor one that is
//! always on passes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use charm_telemetry_core::testing::{Answer, ReceiverDouble, RecordedRequest};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use super::encoding::any;
use super::end_to_end::{DEADLINE, builder, manager, of_path, run_agent, spans};
use super::payload::decoded;

const PARENT: (&str, &str) = ("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
const CONTENT: (&str, &str) = ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY");
/// Nothing is sent before the end.
const TOGETHER: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "600000");

/// Everything that the receiver was sent of one run.
struct Sent(Vec<RecordedRequest>);

impl Sent {
    fn with(variables: &[(&str, &str)]) -> Self {
        let receiver = ReceiverDouble::start();
        let manager = manager(&receiver, variables);
        run_agent(&manager);
        manager.shutdown(DEADLINE);
        let sent = Self(receiver.requests());
        assert_eq!(sent.spans().len(), 3, "{variables:?}");
        sent
    }

    fn spans(&self) -> Vec<Span> {
        spans(&self.0)
    }

    /// Spans of each request.
    fn batches(&self) -> Vec<usize> {
        of_path(&self.0, "/v1/traces")
            .iter()
            .map(|request| spans(std::slice::from_ref(request)).len())
            .collect()
    }

    fn contains(&self, text: &str) -> bool {
        self.0.iter().any(|request| request.text().contains(text))
    }

    fn resource(&self, key: &str) -> Option<String> {
        let request = of_path(&self.0, "/v1/traces").remove(0);
        let resource = decoded(&request.body).resource_spans.remove(0).resource.unwrap();
        let found = resource.attributes.into_iter().find(|attribute| attribute.key == key)?;
        texts(&found).first().map(|text| (*text).to_owned())
    }

    /// Of the metrics that were sent.
    fn data(&self) -> Vec<Data> {
        let requests = of_path(&self.0, "/v1/metrics");
        let requests = requests.iter().map(|r| ExportMetricsServiceRequest::decode(&*r.body).unwrap());
        let scopes = requests.flat_map(|r| r.resource_metrics).flat_map(|resource| resource.scope_metrics);
        scopes.flat_map(|scope| scope.metrics).filter_map(|metric| metric.data).collect()
    }

    /// The attributes of all spans and their events.
    fn attributes(&self) -> Vec<KeyValue> {
        let of_span =
            |span: Span| span.events.into_iter().flat_map(|event| event.attributes).chain(span.attributes);
        self.spans().into_iter().flat_map(of_span).collect()
    }
}

/// The texts in an attribute.
fn texts(attribute: &KeyValue) -> Vec<&str> {
    let value = attribute.value.as_ref().unwrap();
    match &value.value {
        Some(Any::ArrayValue(array)) => array.values.iter().filter_map(text).collect(),
        _ => text(value).into_iter().collect(),
    }
}

fn text(value: &AnyValue) -> Option<&str> {
    match value.value.as_ref()? {
        Any::StringValue(text) => Some(text),
        _ => None,
    }
}

/// With the variable this holds, and without it not.
#[track_caller]
fn check(variable: (&str, &str), basis: &[(&str, &str)], holds: impl Fn(&Sent) -> bool) {
    let with: Vec<_> = basis.iter().copied().chain([variable]).collect();
    assert!(holds(&Sent::with(&with)), "with {variable:?}");
    assert!(!holds(&Sent::with(basis)), "without {variable:?}");
}

#[test]
fn openinference_and_its_two_switches() {
    let openinference = ("CHARM_OTLP_OPENINFERENCE", "true");
    check(openinference, &[], |sent| {
        sent.spans().iter().all(|span| any(span, "openinference.span.kind").is_some())
    });
    for basis in [&[CONTENT][..], &[CONTENT, openinference]] {
        check(("OPENINFERENCE_HIDE_INPUTS", "true"), basis, |sent| {
            assert!(sent.contains("SECRET answer"));
            !sent.contains("SECRET question") && !sent.contains("SECRET Oslo")
        });
        check(("OPENINFERENCE_HIDE_OUTPUTS", "true"), basis, |sent| {
            assert!(sent.contains("SECRET question"));
            !sent.contains("SECRET answer")
        });
    }
}

#[test]
fn the_trace_that_a_run_is_part_of() {
    check(PARENT, &[], |sent| {
        let spans = sent.spans();
        let root = &spans[2];
        root.parent_span_id == [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]
            && root.flags == 0x301
            && spans.iter().all(|span| span.trace_id[..2] == [0x4b, 0xf9])
    });
    check(("TRACESTATE", "vendor=1"), &[PARENT], |sent| {
        sent.spans().iter().all(|span| span.trace_state == "vendor=1")
    });
}

#[test]
fn who_sends() {
    check(("OTEL_SERVICE_NAME", "weather"), &[], |sent| {
        sent.resource("service.name").as_deref() == Some("weather")
    });
    check(("CHARM_AGENT_NAME", "another bot"), &[], |sent| {
        sent.resource("service.name").as_deref() == Some("another bot")
    });
    check(("OTEL_RESOURCE_ATTRIBUTES", "team=a%20b"), &[], |sent| {
        sent.resource("team").as_deref() == Some("a b")
    });
    check(("CHARM_TELEMETRY_TAGS", "team=search"), &[], |sent| {
        sent.resource("team").as_deref() == Some("search")
    });
}

#[test]
fn how_metrics_are_counted() {
    let of_metrics = |option: &str| format!("OTEL_EXPORTER_OTLP_METRICS_{option}");
    check((&of_metrics("TEMPORALITY_PREFERENCE"), "delta"), &[], |sent| {
        let data = sent.data();
        assert!(!data.is_empty());
        data.iter()
            .all(|data| matches!(data, Data::Histogram(histogram) if histogram.aggregation_temporality == 1))
    });
    let exponential = "base2_exponential_bucket_histogram";
    check((&of_metrics("DEFAULT_HISTOGRAM_AGGREGATION"), exponential), &[], |sent| {
        let data = sent.data();
        assert!(!data.is_empty());
        data.iter().all(|data| matches!(data, Data::ExponentialHistogram(_)))
    });
}

#[test]
fn how_many_spans_go_together() {
    check(("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"), &[TOGETHER], |sent| sent.batches() == [1, 1, 1]);
}

#[test]
fn how_large_a_span_is() {
    for name in ["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"] {
        check((name, "2"), &[], |sent| {
            sent.spans().iter().all(|span| span.attributes.len() <= 2 && span.dropped_attributes_count > 0)
        });
    }
    check(("OTEL_SPAN_EVENT_COUNT_LIMIT", "0"), &[], |sent| {
        sent.spans().iter().all(|span| span.events.is_empty())
            && sent.spans().iter().any(|span| span.dropped_events_count > 0)
    });
    for name in ["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"] {
        check((name, "3"), &[CONTENT], |sent| {
            let attributes = sent.attributes();
            assert!(attributes.iter().any(|attribute| attribute.key == "exception.message"));
            attributes.iter().flat_map(texts).all(|text| text.chars().count() <= 3)
        });
    }
}

/// Whether spans are lost because there is no room for them while the receiver is busy with the first.
fn overflows(variables: &[(&str, &str)]) -> bool {
    let receiver = ReceiverDouble::start();
    receiver.answer_always(Answer::new(503));
    let told = Arc::new(Mutex::new(String::new()));
    let notes = told.clone();
    let builder = builder(&receiver, variables);
    let builder = builder.on_notice(move |notice| notes.lock().unwrap().push_str(&notice.to_string()));
    let manager = builder.start().unwrap();
    for _ in 0..10 {
        run_agent(&manager);
    }
    manager.shutdown(Duration::from_secs(1));
    let told = told.lock().unwrap();
    assert!(told.contains("lost"), "{told}");
    told.contains("queue_full")
}

#[test]
fn how_many_spans_wait() {
    assert!(overflows(&[("OTEL_BSP_MAX_QUEUE_SIZE", "2")]));
    assert!(!overflows(&[]));
}
