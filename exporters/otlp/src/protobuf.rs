//! OTLP as protobuf, written field by field into one buffer.
//!
//! Rule: the bytes are what `prost` would write for the same message; the tests decode every one of them with the
//! official types. Field numbers are those of `opentelemetry/proto/{trace,metrics,common}/v1`.
//!
//! An own writer because it needs no copy of a span in generated types: about a sixth of the time for each span, and no
//! dependency that changes with every minor release of OpenTelemetry.

use crate::options::Aggregation;
use crate::origin::Part;
use crate::wire::{Attribute, Buckets, Event, Histogram, Point, Span, Value};

/// `SpanFlags`: whether the parent is remote is known.
pub(crate) const HAS_IS_REMOTE: u32 = 0x100;

/// `SpanFlags`: the parent is remote.
pub(crate) const IS_REMOTE: u32 = 0x200;

const STATUS_ERROR: u64 = 2;
const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;

/// A `Span`.
pub(crate) fn span(span: &Span<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    bytes(&mut out, 1, &span.trace_id);
    bytes(&mut out, 2, &span.span_id);
    text(&mut out, 3, span.trace_state);
    if let Some(parent) = &span.parent {
        bytes(&mut out, 4, parent);
    }
    text(&mut out, 5, &span.name);
    number(&mut out, 6, span.kind as u64);
    fixed64(&mut out, 7, span.start_nanos);
    fixed64(&mut out, 8, span.end_nanos);
    attributes(&mut out, 9, &span.attributes);
    number(&mut out, 10, span.dropped_attributes.into());
    for event in &span.events {
        message(&mut out, 11, |out| write_event(out, event));
    }
    number(&mut out, 12, span.dropped_events.into());
    if let Some(error) = &span.error {
        message(&mut out, 15, |out| {
            text(out, 2, error);
            number(out, 3, STATUS_ERROR);
        });
    }
    tag(&mut out, 16, 5);
    out.extend_from_slice(&span.flags.to_le_bytes());
    out
}

/// A `Metric`.
pub(crate) fn metric(metric: &Histogram<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    text(&mut out, 1, metric.name);
    text(&mut out, 2, metric.description);
    text(&mut out, 3, metric.unit);
    let data = if metric.aggregation == Aggregation::Exponential { 10 } else { 9 };
    message(&mut out, data, |out| {
        for point in &metric.points {
            message(out, 1, |out| write_point(out, point));
        }
        number(out, 2, if metric.delta { DELTA } else { CUMULATIVE });
    });
    out
}

/// The `Resource` of a request, with its tag.
pub(crate) fn resource(all: &[Attribute<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    message(&mut out, 1, |out| attributes(out, 1, all));
    out
}

/// What stands around the spans or the metrics of a request; the field numbers are the same for both.
pub(crate) struct Envelope {
    /// The `InstrumentationScope` with its tag.
    scope: Vec<u8>,
    schema_url: &'static str,
}

impl Envelope {
    /// For what this scope has made.
    pub(crate) fn new(scope: (&str, &str), schema_url: &'static str) -> Self {
        let mut envelope = Self { scope: Vec::new(), schema_url };
        message(&mut envelope.scope, 1, |out| {
            text(out, 1, scope.0);
            text(out, 2, scope.1);
        });
        envelope
    }

    /// An `ExportTraceServiceRequest` or `ExportMetricsServiceRequest` of messages that are written already; neighbours
    /// of one resource are together.
    pub(crate) fn wrap(&self, parts: &[Part<'_>]) -> Vec<u8> {
        let size = parts.iter().map(|part| part.bytes.len() + 6).sum::<usize>();
        let mut out = Vec::with_capacity(size + 1024);
        for group in parts.chunk_by(|a, b| a.resource == b.resource) {
            message(&mut out, 1, |out| {
                out.extend_from_slice(group[0].resource);
                message(out, 2, |out| {
                    out.extend_from_slice(&self.scope);
                    for part in group {
                        bytes(out, 2, part.bytes);
                    }
                    text(out, 3, self.schema_url);
                });
                text(out, 3, self.schema_url);
            });
        }
        out
    }
}

fn write_event(out: &mut Vec<u8>, event: &Event<'_>) {
    fixed64(out, 1, event.nanos);
    text(out, 2, &event.name);
    attributes(out, 3, &event.attributes);
}

fn write_point(out: &mut Vec<u8>, point: &Point<'_>) {
    match point.buckets {
        Buckets::Explicit { bounds, counts } => {
            write_numbers(out, point);
            packed(out, 6, counts.iter().map(|count| count.to_le_bytes()));
            packed(out, 7, bounds.iter().map(|bound| bound.to_le_bytes()));
            attributes(out, 9, &point.attributes);
            double(out, 11, point.min);
            double(out, 12, point.max);
        }
        Buckets::Exponential(buckets) => {
            attributes(out, 1, &point.attributes);
            write_numbers(out, point);
            signed(out, 6, buckets.scale);
            fixed64(out, 7, buckets.zeros);
            message(out, 8, |out| {
                signed(out, 1, buckets.offset);
                message(out, 2, |out| buckets.counts.iter().for_each(|&count| varint(out, count)));
            });
            double(out, 12, point.min);
            double(out, 13, point.max);
        }
    }
}

/// What is the same in both kinds of points.
fn write_numbers(out: &mut Vec<u8>, point: &Point<'_>) {
    fixed64(out, 2, point.start_nanos);
    fixed64(out, 3, point.nanos);
    fixed64(out, 4, point.count);
    double(out, 5, point.sum);
}

fn attributes(out: &mut Vec<u8>, field: u32, attributes: &[Attribute<'_>]) {
    for attribute in attributes {
        message(out, field, |out| {
            text(out, 1, &attribute.key);
            message(out, 2, |out| any_value(out, &attribute.value));
        });
    }
}

/// A member of a `oneof` is written even if it is empty or zero: else there would be no value at all.
fn any_value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Text(text) => bytes(out, 1, text.as_bytes()),
        Value::Bool(truth) => {
            tag(out, 2, 0);
            out.push(u8::from(*truth));
        }
        Value::Int(number) => {
            tag(out, 3, 0);
            varint(out, number.cast_unsigned());
        }
        Value::Double(number) => double(out, 4, *number),
        Value::Texts(texts) => message(out, 5, |out| {
            for text in texts {
                message(out, 1, |out| bytes(out, 1, text.as_bytes()));
            }
        }),
    }
}

/// A message whose length is known only when it is written.
fn message(out: &mut Vec<u8>, field: u32, write: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, 2);
    let start = out.len();
    out.push(0);
    write(out);
    let length = out.len() - start - 1;
    if let Ok(short @ ..0x80) = u8::try_from(length) {
        out[start] = short;
        return;
    }
    let mut prefix = Vec::with_capacity(10);
    varint(&mut prefix, length as u64);
    out.splice(start..=start, prefix);
}

fn bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    tag(out, field, 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Left out if it is empty, as every field that has its default.
fn text(out: &mut Vec<u8>, field: u32, text: &str) {
    if !text.is_empty() {
        bytes(out, field, text.as_bytes());
    }
}

fn number(out: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        tag(out, field, 0);
        varint(out, number);
    }
}

/// A `sint32`.
fn signed(out: &mut Vec<u8>, field: u32, signed: i32) {
    number(out, field, (signed << 1 ^ signed >> 31).cast_unsigned().into());
}

fn fixed64(out: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        tag(out, field, 1);
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn double(out: &mut Vec<u8>, field: u32, number: f64) {
    tag(out, field, 1);
    out.extend_from_slice(&number.to_le_bytes());
}

fn packed(out: &mut Vec<u8>, field: u32, numbers: impl ExactSizeIterator<Item = [u8; 8]>) {
    tag(out, field, 2);
    varint(out, numbers.len() as u64 * 8);
    numbers.for_each(|number| out.extend_from_slice(&number));
}

fn tag(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}

#[expect(clippy::cast_possible_truncation, reason = "only the lowest seven bits are meant")]
fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
