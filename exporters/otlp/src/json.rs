//! OTLP as JSON.
//!
//! Rule: as the specification has it: ids in hexadecimal, enums as numbers, 64-bit integers as strings, lowerCamelCase.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use crate::options::Aggregation;
use crate::origin::Part;
use crate::wire::{Attribute, Buckets, Event, Histogram, Point, Span, Value};

/// A `Span`.
pub(crate) fn span(span: &Span<'_>) -> Vec<u8> {
    let mut object = Map::new();
    let mut put = |key: &str, value: Json| drop(object.insert(key.to_owned(), value));
    put("traceId", hex(&span.trace_id).into());
    put("spanId", hex(&span.span_id).into());
    if !span.trace_state.is_empty() {
        put("traceState", span.trace_state.into());
    }
    if let Some(parent) = &span.parent {
        put("parentSpanId", hex(parent).into());
    }
    put("flags", span.flags.into());
    put("name", span.name.as_ref().into());
    put("kind", (span.kind as u32).into());
    put("startTimeUnixNano", span.start_nanos.to_string().into());
    put("endTimeUnixNano", span.end_nanos.to_string().into());
    put("attributes", attributes(&span.attributes));
    put("droppedAttributesCount", span.dropped_attributes.into());
    put("events", span.events.iter().map(event).collect());
    put("droppedEventsCount", span.dropped_events.into());
    if let Some(error) = &span.error {
        put("status", json!({ "code": 2, "message": error }));
    }
    Json::Object(object).to_string().into_bytes()
}

/// A `Metric`.
pub(crate) fn metric(metric: &Histogram<'_>) -> Vec<u8> {
    let points: Json = metric.points.iter().map(data_point).collect();
    let temporality = if metric.delta { 1 } else { 2 };
    let histogram = json!({ "dataPoints": points, "aggregationTemporality": temporality });
    let data =
        if metric.aggregation == Aggregation::Exponential { "exponentialHistogram" } else { "histogram" };
    let (name, unit, description) = (metric.name, metric.unit, metric.description);
    let object = json!({ "name": name, "description": description, "unit": unit, data: histogram });
    object.to_string().into_bytes()
}

/// The `Resource` of a request.
pub(crate) fn resource(all: &[Attribute<'_>]) -> Vec<u8> {
    json!({ "attributes": attributes(all) }).to_string().into_bytes()
}

/// What stands around the spans or the metrics of a request.
pub(crate) struct Envelope {
    outer: &'static str,
    /// Between a resource and what is of it.
    before: String,
    after: String,
}

impl Envelope {
    /// `names` are those of the three lists: `resourceSpans`, `scopeSpans`, `spans`.
    pub(crate) fn new(names: [&'static str; 3], scope: (&str, &str), schema_url: &str) -> Self {
        let [outer, inner, list] = names;
        let scope = json!({ "name": scope.0, "version": scope.1 });
        let schema_url = Json::from(schema_url);
        Self {
            outer,
            before: format!(r#","{inner}":[{{"scope":{scope},"{list}":["#),
            after: format!(r#"],"schemaUrl":{schema_url}}}],"schemaUrl":{schema_url}}}"#),
        }
    }

    /// A request of objects that are written already; neighbours of one resource are together.
    pub(crate) fn wrap(&self, parts: &[Part<'_>]) -> Vec<u8> {
        let mut out = format!(r#"{{"{}":["#, self.outer).into_bytes();
        let groups = parts.chunk_by(|a, b| a.resource == b.resource);
        separated(&mut out, groups, |out, group| {
            out.extend_from_slice(br#"{"resource":"#);
            out.extend_from_slice(group[0].resource);
            out.extend_from_slice(self.before.as_bytes());
            separated(out, group.iter(), |out, part| out.extend_from_slice(part.bytes));
            out.extend_from_slice(self.after.as_bytes());
        });
        out.extend_from_slice(b"]}");
        out
    }
}

fn separated<T>(out: &mut Vec<u8>, all: impl Iterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) {
    for (index, one) in all.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, one);
    }
}

fn event(event: &Event<'_>) -> Json {
    let (name, time) = (event.name.as_ref(), event.nanos.to_string());
    json!({ "timeUnixNano": time, "name": name, "attributes": attributes(&event.attributes) })
}

fn data_point(point: &Point<'_>) -> Json {
    let mut object = json!({
        "attributes": attributes(&point.attributes),
        "startTimeUnixNano": point.start_nanos.to_string(),
        "timeUnixNano": point.nanos.to_string(),
        "count": point.count.to_string(),
        "sum": point.sum,
        "min": point.min,
        "max": point.max,
    });
    match point.buckets {
        Buckets::Explicit { bounds, counts } => {
            object["bucketCounts"] = texts(counts);
            object["explicitBounds"] = json!(bounds);
        }
        Buckets::Exponential(buckets) => {
            object["scale"] = buckets.scale.into();
            object["zeroCount"] = buckets.zeros.to_string().into();
            object["positive"] = json!({ "offset": buckets.offset, "bucketCounts": texts(&buckets.counts) });
        }
    }
    object
}

fn texts(counts: &[u64]) -> Json {
    counts.iter().map(u64::to_string).collect()
}

fn attributes(attributes: &[Attribute<'_>]) -> Json {
    let object =
        |attribute: &Attribute<'_>| json!({ "key": attribute.key, "value": any_value(&attribute.value) });
    attributes.iter().map(object).collect()
}

fn any_value(value: &Value<'_>) -> Json {
    match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Bool(truth) => json!({ "boolValue": truth }),
        Value::Int(number) => json!({ "intValue": number.to_string() }),
        Value::Double(number) => json!({ "doubleValue": number }),
        Value::Texts(texts) => {
            let values: Json = texts.iter().map(|text| json!({ "stringValue": text })).collect();
            json!({ "arrayValue": { "values": values } })
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing into a string cannot fail");
    }
    text
}
