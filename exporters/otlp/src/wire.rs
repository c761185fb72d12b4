//! Spans and metrics in the shape of OTLP, before they are written as protobuf or JSON.
//!
//! Rule: whatever is here can be written in both; ids have their full length and are not zero.

use std::borrow::Cow;

use crate::exponential::Exponential;
use crate::options::Aggregation;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    Double(f64),
    Bool(bool),
    Texts(Vec<Cow<'a, str>>),
}

/// An attribute of a span, an event, a resource or a data point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attribute<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) value: Value<'a>,
}

/// What a span is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Internal = 1,
    Client = 3,
}

/// A span.
#[expect(clippy::struct_field_names, reason = "the names are those of OTLP")]
#[derive(Clone, Debug)]
pub(crate) struct Span<'a> {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) trace_state: &'a str,
    pub(crate) flags: u32,
    pub(crate) name: Cow<'a, str>,
    pub(crate) kind: Kind,
    pub(crate) start_nanos: u64,
    pub(crate) end_nanos: u64,
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) dropped_attributes: u32,
    pub(crate) events: Vec<Event<'a>>,
    pub(crate) dropped_events: u32,
    /// The message of an error, empty if it must not leave. `None`: the status stays unset.
    pub(crate) error: Option<Cow<'a, str>>,
}

/// A point in time within a span.
#[derive(Clone, Debug)]
pub(crate) struct Event<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) nanos: u64,
    pub(crate) attributes: Vec<Attribute<'a>>,
}

/// A histogram with all its data points.
#[derive(Clone, Debug)]
pub(crate) struct Histogram<'a> {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    pub(crate) aggregation: Aggregation,
    pub(crate) delta: bool,
    pub(crate) points: Vec<Point<'a>>,
}

/// The counts of one set of attributes.
#[derive(Clone, Debug)]
pub(crate) struct Point<'a> {
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) start_nanos: u64,
    pub(crate) nanos: u64,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) buckets: &'a Buckets,
}

/// How often the values lay where; of the kind that the histogram has.
#[derive(Clone, Debug)]
pub(crate) enum Buckets {
    /// One more than there are bounds.
    Explicit {
        bounds: &'static [f64],
        counts: Vec<u64>,
    },
    Exponential(Exponential),
}

/// An attribute.
pub(crate) fn attribute<'a>(key: impl Into<Cow<'a, str>>, value: impl Into<Value<'a>>) -> Attribute<'a> {
    Attribute { key: key.into(), value: value.into() }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

/// OTLP has signed integers only; what is counted here never comes near their end.
impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl<'a> From<Vec<Cow<'a, str>>> for Value<'a> {
    fn from(texts: Vec<Cow<'a, str>>) -> Self {
        Self::Texts(texts)
    }
}
