//! The values of the remaining variables: protocol, compression, times, content.
//!
//! Rule: spelt as the specification spells them; what it does not know is refused, with what it knows.

use std::str::FromStr;
use std::time::Duration;

use charm_telemetry_core::delivery::Encoding;

/// `OTEL_EXPORTER_OTLP_PROTOCOL`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Protocol {
    #[default]
    Protobuf,
    Json,
    /// Known, so that it can be refused with a way out: see `plan`.
    Grpc,
}

/// `OTEL_EXPORTER_OTLP_COMPRESSION`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Compression {
    #[default]
    None,
    Gzip,
}

/// A time in milliseconds, as OpenTelemetry writes times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Millis(pub(crate) Duration);

/// `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`: where messages, arguments and results go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Capture {
    #[default]
    NoContent,
    SpanOnly,
    /// To events, which this exporter does not send: no content leaves.
    EventOnly,
    SpanAndEvent,
}

/// `OTEL_TRACES_EXPORTER` and `OTEL_METRICS_EXPORTER`: whether the signal is sent at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    On,
    Off,
}

/// `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Temporality {
    #[default]
    Cumulative,
    Delta,
}

/// `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Aggregation {
    /// With the bounds that the conventions advise.
    #[default]
    Explicit,
    Exponential,
}

impl Capture {
    /// Whether spans carry content.
    pub(crate) fn is_on_spans(self) -> bool {
        matches!(self, Self::SpanOnly | Self::SpanAndEvent)
    }
}

impl From<Compression> for Encoding {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::Identity,
            Compression::Gzip => Self::Gzip,
        }
    }
}

impl FromStr for Protocol {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.to_ascii_lowercase().as_str() {
            "http/protobuf" => Ok(Self::Protobuf),
            "http/json" => Ok(Self::Json),
            "grpc" => Ok(Self::Grpc),
            _ => Err("expected `http/protobuf` or `http/json`"),
        }
    }
}

impl FromStr for Compression {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            _ => Err("expected `gzip` or `none`"),
        }
    }
}

impl FromStr for Millis {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let millis = text.parse().ok().filter(|&millis: &u64| millis > 0);
        let millis = millis.ok_or("expected a number of milliseconds above zero, without a unit")?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl FromStr for Capture {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.to_ascii_uppercase().as_str() {
            "NO_CONTENT" | "FALSE" => Ok(Self::NoContent),
            "SPAN_ONLY" | "TRUE" => Ok(Self::SpanOnly),
            "EVENT_ONLY" => Ok(Self::EventOnly),
            "SPAN_AND_EVENT" => Ok(Self::SpanAndEvent),
            _ => Err("expected `NO_CONTENT`, `SPAN_ONLY`, `EVENT_ONLY` or `SPAN_AND_EVENT`"),
        }
    }
}

/// A list of exporters. The manifest has already said that this one is wanted; only `none` is heard here.
impl FromStr for Signal {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let none = text.split(',').any(|name| name.trim().eq_ignore_ascii_case("none"));
        Ok(if none { Self::Off } else { Self::On })
    }
}

impl FromStr for Temporality {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.to_ascii_lowercase().as_str() {
            "cumulative" => Ok(Self::Cumulative),
            // For histograms the two are the same.
            "delta" | "lowmemory" => Ok(Self::Delta),
            _ => Err("expected `cumulative`, `delta` or `lowmemory`"),
        }
    }
}

impl FromStr for Aggregation {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.to_ascii_lowercase().as_str() {
            "explicit_bucket_histogram" => Ok(Self::Explicit),
            "base2_exponential_bucket_histogram" => Ok(Self::Exponential),
            _ => Err("expected `explicit_bucket_histogram` or `base2_exponential_bucket_histogram`"),
        }
    }
}
