//! Sends agent runs as OpenTelemetry spans and metrics, over OTLP/HTTP.
//!
//! Rule: names and units are those of the GenAI semantic conventions v1.41, content stays at home unless it is asked for,
//! and a span is sent once, when it has ended.
//!
//! - Limits: 64 MiB for a request before compression (batches stay below 4 MiB), 128 attributes and events for a span.
//! - The protocol: <https://opentelemetry.io/docs/specs/otlp/>
//! - The variables: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

mod classify;
mod encode;
mod endpoint;
mod exponential;
mod exporter;
mod json;
mod messages;
mod metrics;
mod openinference;
mod options;
mod origin;
mod pairs;
mod plan;
mod protobuf;
mod request;
mod resource;
mod semconv;
#[cfg(test)]
mod tests;
mod tls;
mod unused;
mod wire;

use std::num::NonZeroUsize;

use charm_telemetry_core::trace::SpanFeed;
use charm_telemetry_core::{Secret, charm_exporter};

use crate::endpoint::Endpoint;
use crate::exporter::Sender;
use crate::options::{Aggregation, Capture, Compression, Millis, Protocol, Signal, Temporality};

/// Sends runs as OpenTelemetry spans and GenAI metrics over OTLP/HTTP: to a Collector, Phoenix, Langfuse, MLflow and others.
#[expect(clippy::struct_excessive_bools, reason = "each is a variable of its own")]
#[charm_exporter("otlp")]
pub struct Otlp {
    /// The receiver; `v1/traces` and `v1/metrics` are added. `http://localhost:4318` if none is named.
    #[env("OTEL_EXPORTER_OTLP_ENDPOINT")]
    endpoint: Option<Endpoint>,
    /// Where spans go, as it is.
    #[env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")]
    traces_endpoint: Option<Endpoint>,
    /// Where metrics go, as it is. Without it and the general endpoint, but with one for spans, none are sent.
    #[env("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")]
    metrics_endpoint: Option<Endpoint>,
    /// Headers for each request: `key=value,key2=value2`, percent-encoded. Keys of receivers belong here.
    #[env("OTEL_EXPORTER_OTLP_HEADERS")]
    headers: Option<Secret>,
    /// Headers for spans, in place of the general ones.
    #[env("OTEL_EXPORTER_OTLP_TRACES_HEADERS")]
    traces_headers: Option<Secret>,
    /// Headers for metrics, in place of the general ones.
    #[env("OTEL_EXPORTER_OTLP_METRICS_HEADERS")]
    metrics_headers: Option<Secret>,
    /// `http/protobuf` (if nothing is said) or `http/json`.
    #[env("OTEL_EXPORTER_OTLP_PROTOCOL")]
    protocol: Option<Protocol>,
    /// The protocol for spans.
    #[env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")]
    traces_protocol: Option<Protocol>,
    /// The protocol for metrics.
    #[env("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL")]
    metrics_protocol: Option<Protocol>,
    /// `gzip` or `none` (if nothing is said).
    #[env("OTEL_EXPORTER_OTLP_COMPRESSION")]
    compression: Option<Compression>,
    /// The compression for spans.
    #[env("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION")]
    traces_compression: Option<Compression>,
    /// The compression for metrics.
    #[env("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION")]
    metrics_compression: Option<Compression>,
    /// How long one request may take, in milliseconds; 10000 if nothing is said.
    #[env("OTEL_EXPORTER_OTLP_TIMEOUT")]
    timeout: Option<Millis>,
    /// The timeout for spans.
    #[env("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")]
    traces_timeout: Option<Millis>,
    /// The timeout for metrics.
    #[env("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT")]
    metrics_timeout: Option<Millis>,
    /// Certificates (PEM) to trust in place of the bundled ones and those of `SSL_CERT_FILE`.
    #[env("OTEL_EXPORTER_OTLP_CERTIFICATE")]
    certificate: Option<String>,
    /// Those for spans.
    #[env("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE")]
    traces_certificate: Option<String>,
    /// Those for metrics.
    #[env("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE")]
    metrics_certificate: Option<String>,
    /// The client's own certificate with its chain (PEM), for receivers that ask for one.
    #[env("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")]
    client_certificate: Option<String>,
    /// That for spans.
    #[env("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE")]
    traces_client_certificate: Option<String>,
    /// That for metrics.
    #[env("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE")]
    metrics_client_certificate: Option<String>,
    /// The file with the key of that certificate (PEM, not encrypted).
    #[env("OTEL_EXPORTER_OTLP_CLIENT_KEY")]
    client_key: Option<String>,
    /// That for spans.
    #[env("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY")]
    traces_client_key: Option<String>,
    /// That for metrics.
    #[env("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY")]
    metrics_client_key: Option<String>,
    /// `cumulative` (if nothing is said) or `delta`.
    #[env("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")]
    temporality: Option<Temporality>,
    /// `explicit_bucket_histogram` (if nothing is said), with the bounds of the conventions, or `base2_exponential_bucket_histogram`.
    #[env("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION")]
    aggregation: Option<Aggregation>,
    /// `none`: no spans are sent.
    #[env("OTEL_TRACES_EXPORTER")]
    traces_exporter: Option<Signal>,
    /// `none`: no metrics are sent.
    #[env("OTEL_METRICS_EXPORTER")]
    metrics_exporter: Option<Signal>,
    /// `true`: nothing is sent.
    #[env("OTEL_SDK_DISABLED", default = "false")]
    sdk_disabled: bool,
    /// The name of the service; the agent's name if nothing is said.
    #[env("OTEL_SERVICE_NAME")]
    service_name: Option<String>,
    /// Attributes of the resource: `key=value,key2=value2`, percent-encoded.
    #[env("OTEL_RESOURCE_ATTRIBUTES")]
    resource_attributes: Option<String>,
    /// Whether spans carry messages, arguments, results and error texts: `NO_CONTENT`, `SPAN_ONLY`, `EVENT_ONLY` or `SPAN_AND_EVENT`.
    #[env("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", default = "NO_CONTENT")]
    capture: Capture,
    /// Whether spans carry the attributes of OpenInference besides.
    #[env("CHARM_OTLP_OPENINFERENCE", default = "false")]
    openinference: bool,
    /// Whether inputs are left out even where content is sent.
    #[env("OPENINFERENCE_HIDE_INPUTS", default = "false")]
    hide_inputs: bool,
    /// Whether outputs are left out even where content is sent.
    #[env("OPENINFERENCE_HIDE_OUTPUTS", default = "false")]
    hide_outputs: bool,
    /// How long a span waits for others before it is sent, in milliseconds; 1000 if nothing is said.
    #[env("OTEL_BSP_SCHEDULE_DELAY")]
    schedule_delay: Option<Millis>,
    /// Spans in one request, at most; 512 if nothing is said.
    #[env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE")]
    max_batch: Option<NonZeroUsize>,
    /// Spans in memory, at most; 32768 if nothing is said. More go to the spool.
    #[env("OTEL_BSP_MAX_QUEUE_SIZE")]
    max_queue_size: Option<NonZeroUsize>,
    /// How often metrics are sent, in milliseconds; 60000 if nothing is said.
    #[env("OTEL_METRIC_EXPORT_INTERVAL")]
    metric_interval: Option<Millis>,
    /// Attributes of one span, at most; 128 if nothing is said.
    #[env("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT")]
    max_attributes: Option<usize>,
    /// Events of one span, at most; 128 if nothing is said.
    #[env("OTEL_SPAN_EVENT_COUNT_LIMIT")]
    max_events: Option<usize>,
    /// Characters of the text of an attribute, at most; no limit if nothing is said.
    #[env("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")]
    max_value_chars: Option<usize>,
    feed: SpanFeed,
    sender: Sender,
}
