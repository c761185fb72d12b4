//! The GenAI client metrics, read back with the official types.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::{Histogram, HistogramDataPoint, Metric, metric::Data};
use prost::Message as _;
use serde_json::json;

use super::script::*;
use crate::encode::encode;
use crate::metrics::Metrics;
use crate::options::Aggregation;
use crate::protobuf;

fn exported(metrics: &mut Metrics, now: u64) -> Vec<Metric> {
    let written = metrics.export(now, protobuf::metric);
    written.iter().map(|bytes| Metric::decode(&**bytes).unwrap()).collect()
}

fn histogram<'a>(metrics: &'a [Metric], name: &str) -> &'a Histogram {
    let metric = metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}"));
    let Some(Data::Histogram(histogram)) = &metric.data else { panic!("{name} is no histogram") };
    histogram
}

fn has(point: &HistogramDataPoint, key: &str, text: &str) -> bool {
    let is_it = |value: &Any| *value == Any::StringValue(text.to_owned());
    point.attributes.iter().any(|attribute| {
        attribute.key == key
            && attribute.value.as_ref().and_then(|value| value.value.as_ref()).is_some_and(is_it)
    })
}

#[test]
fn the_names_units_and_bounds_are_those_of_the_conventions() {
    let mut metrics = Metrics::new(false, Aggregation::Explicit, 5);
    for span in &whole_run() {
        metrics.record(span);
    }
    let sent = exported(&mut metrics, 9);
    let names: Vec<_> = sent.iter().map(|metric| (metric.name.as_str(), metric.unit.as_str())).collect();
    assert_eq!(
        names,
        [
            ("gen_ai.client.token.usage", "{token}"),
            ("gen_ai.client.operation.duration", "s"),
            ("gen_ai.client.operation.time_to_first_chunk", "s"),
            ("gen_ai.client.operation.time_per_output_chunk", "s"),
            ("gen_ai.execute_tool.duration", "s"),
            ("gen_ai.invoke_agent.duration", "s"),
        ]
    );
    let bounds = |name: &str| histogram(&sent, name).data_points[0].explicit_bounds.clone();
    let powers: Vec<_> = (0..14).map(|n| 4_f64.powi(n)).collect();
    assert_eq!(bounds("gen_ai.client.token.usage"), powers);
    let doubled: Vec<_> = (0..14).map(|n| 0.01 * 2_f64.powi(n)).collect();
    assert_eq!(bounds("gen_ai.client.operation.duration"), doubled);
    let point = &histogram(&sent, "gen_ai.client.token.usage").data_points[0];
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (5, 9));
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
}

#[test]
fn tokens_are_counted_by_type_and_durations_by_operation_and_error() {
    let mut metrics = Metrics::new(false, Aggregation::Explicit, 0);
    for span in &whole_run() {
        metrics.record(span);
    }
    let sent = exported(&mut metrics, 9);
    let tokens = histogram(&sent, "gen_ai.client.token.usage");
    let of =
        |kind: &str| tokens.data_points.iter().find(|point| has(point, "gen_ai.token.type", kind)).unwrap();
    assert_eq!((of("input").sum, of("output").sum), (Some(120.0), Some(7.0)));
    assert!(has(of("input"), "gen_ai.request.model", "gpt-4o"));
    assert!(has(of("input"), "gen_ai.provider.name", "azure.ai.openai"));
    // 7 lies in (4, 16], the third bucket.
    assert_eq!(of("output").bucket_counts[2], 1);
    let durations = &histogram(&sent, "gen_ai.client.operation.duration").data_points;
    assert_eq!(durations.len(), 2);
    assert!(durations.iter().any(|point| has(point, "gen_ai.operation.name", "retrieval")));
    let failed = &histogram(&sent, "gen_ai.execute_tool.duration").data_points[0];
    assert!(has(failed, "gen_ai.tool.name", "weather"));
    assert!(has(failed, "error.type", "ValueError"));
    assert_eq!(failed.sum, Some(0.03));
    let first = &histogram(&sent, "gen_ai.client.operation.time_to_first_chunk").data_points[0];
    assert_eq!((first.count, first.sum), (1, Some(0.1)));
    let each = &histogram(&sent, "gen_ai.client.operation.time_per_output_chunk").data_points[0];
    assert_eq!((each.count, each.sum), (2, Some(0.04)));
}

#[test]
fn cumulative_counts_go_on_and_deltas_begin_anew() {
    let span = llm_span(&json!("q"), &json!("a"));
    for (delta, expected_start, expected_count) in [(false, 5, 2), (true, 7, 1)] {
        let mut metrics = Metrics::new(delta, Aggregation::Explicit, 5);
        metrics.record(&span);
        exported(&mut metrics, 7);
        metrics.record(&span);
        let sent = exported(&mut metrics, 9);
        let histogram = histogram(&sent, "gen_ai.client.operation.duration");
        let point = &histogram.data_points[0];
        assert_eq!((point.start_time_unix_nano, point.count), (expected_start, expected_count));
        assert_eq!(histogram.aggregation_temporality, if delta { 1 } else { 2 });
    }
}

#[test]
fn nothing_counted_is_nothing_sent() {
    assert!(exported(&mut Metrics::new(true, Aggregation::Explicit, 1), 2).is_empty());
}

#[test]
fn the_number_of_data_points_is_bounded_and_the_rest_is_counted_together() {
    let mut metrics = Metrics::new(false, Aggregation::Explicit, 1);
    let span = llm_span(&json!("q"), &json!("a"));
    for number in 0..2500 {
        let mut span = span.clone();
        span.model = Some(format!("model-{number}").into());
        metrics.record(&span);
    }
    let sent = exported(&mut metrics, 2);
    let points = &histogram(&sent, "gen_ai.client.operation.duration").data_points;
    assert_eq!(points.len(), 2001);
    assert_eq!(points.iter().map(|point| point.count).sum::<u64>(), 2500);
    let rest = points.iter().find(|point| point.attributes[0].key == "otel.metric.overflow").unwrap();
    assert_eq!(rest.count, 500);
}

#[test]
fn exponential_histograms_have_the_same_names_and_sums_and_bounds_of_their_own() {
    let sent = |aggregation| {
        let mut metrics = Metrics::new(true, aggregation, 5);
        whole_run().iter().chain(&whole_run()).for_each(|span| metrics.record(span));
        exported(&mut metrics, 9)
    };
    let (explicit, exponential) = (sent(Aggregation::Explicit), sent(Aggregation::Exponential));
    assert_eq!(explicit.len(), exponential.len());
    for (explicit, exponential) in explicit.iter().zip(&exponential) {
        assert_eq!((&explicit.name, &explicit.unit), (&exponential.name, &exponential.unit));
        let name = &explicit.name;
        let Some(Data::Histogram(explicit)) = &explicit.data else { panic!("{name}") };
        let Some(Data::ExponentialHistogram(exponential)) = &exponential.data else { panic!("{name}") };
        assert_eq!(exponential.aggregation_temporality, 1, "delta");
        assert_eq!(explicit.data_points.len(), exponential.data_points.len());
        for (explicit, exponential) in explicit.data_points.iter().zip(&exponential.data_points) {
            assert_eq!(explicit.attributes, exponential.attributes, "{name}");
            assert_eq!(
                (explicit.count, explicit.sum, explicit.min, explicit.max),
                (exponential.count, exponential.sum, exponential.min, exponential.max)
            );
            assert_eq!((exponential.start_time_unix_nano, exponential.time_unix_nano), (5, 9));
            // Twice the same: one bucket, as fine as can be.
            let buckets = exponential.positive.as_ref().unwrap();
            assert_eq!((exponential.scale, buckets.bucket_counts.len()), (20, 1), "{name}");
            let low = (f64::from(buckets.offset) * (-20_f64).exp2()).exp2();
            let value = exponential.min.unwrap();
            assert!(value > low && value < low * 1.000_001, "{low} is not just below {value}");
        }
    }
}

#[test]
fn a_model_that_did_not_answer_is_not_said_to_have() {
    let mut metrics = Metrics::new(false, Aggregation::Explicit, 1);
    let mut span = llm_span(&json!("q"), &json!("a"));
    for (told, expected) in [(None, 0), (Some("gpt-4o-mini".into()), 1)] {
        span.response_model = told;
        metrics.record(&span);
        let sent = exported(&mut metrics, 2);
        let points = &histogram(&sent, "gen_ai.client.operation.duration").data_points;
        let answered =
            points.iter().filter(|point| has(point, "gen_ai.response.model", "gpt-4o-mini")).count();
        assert_eq!(answered, expected);
        let any =
            |key: &str| points.iter().flat_map(|point| &point.attributes).filter(|a| a.key == key).count();
        assert_eq!(any("gen_ai.response.model"), expected);
        let options = options();
        let encoded = encode(&span, &options);
        let on_span = encoded.attributes.iter().any(|attribute| attribute.key == "gen_ai.response.model");
        assert_eq!(usize::from(on_span), expected);
    }
}
