//! The two receivers on loopback, and what they were sent, read back.
//!
//! Rule: a span counts when it was decoded from the body that arrived, with the key that the container was given.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use charm_telemetry_core::testing::{ReceiverDouble, RecordedRequest};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde_json::Value;

/// What no line of the container may show: it is in the header for the one and in the DSN of the other.
pub(crate) const SECRET: &str = "geheimnis4711";

const PATIENCE: Duration = Duration::from_secs(15);

/// A span, as far as the tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for the span of the run.
    pub(crate) parent: String,
}

/// The spans in a request.
type Reader = fn(&RecordedRequest) -> Vec<Span>;

/// One receiver for OTLP, one for Sentry.
pub(crate) struct Receivers {
    otlp: ReceiverDouble,
    sentry: ReceiverDouble,
}

impl Receivers {
    pub(crate) fn start() -> Self {
        Self { otlp: ReceiverDouble::start(), sentry: ReceiverDouble::start() }
    }

    /// The variables with which a container finds them: names and values.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        let dsn = self.sentry.url("/42").replace("http://", &format!("http://{SECRET}@"));
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.otlp.url("")),
            ("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{SECRET}")),
            ("SENTRY_DSN", dsn),
        ]
    }

    /// Adds `-e NAME` for each: the values are in the environment of Podman, not on its command line.
    pub(crate) fn give(&self, command: &mut Command) {
        for (name, value) in self.environment() {
            command.args(["-e", name]).env(name, value);
        }
    }

    /// Waits until both have a span whose name begins with each of these, and returns all spans of each.
    pub(crate) fn wait_for(&self, names: &[&str]) -> [Vec<Span>; 2] {
        [wait_for(&self.otlp, otlp_spans, names), wait_for(&self.sentry, sentry_spans, names)]
    }

    /// The same of the one alone.
    pub(crate) fn wait_for_otlp(&self, name: &str) -> Vec<Span> {
        wait_for(&self.otlp, otlp_spans, &[name])
    }
}

fn wait_for(receiver: &ReceiverDouble, read: Reader, names: &[&str]) -> Vec<Span> {
    let end = Instant::now() + PATIENCE;
    loop {
        let requests = receiver.requests();
        let spans: Vec<Span> = requests.iter().flat_map(read).collect();
        let known: BTreeSet<_> = spans.iter().map(|span| span.name.as_str()).collect();
        if names.iter().all(|name| known.iter().any(|known| known.starts_with(name))) {
            return spans;
        }
        assert!(Instant::now() < end, "of {names:?} only {known:?} came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn otlp_spans(request: &RecordedRequest) -> Vec<Span> {
    assert_eq!(request.header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    if request.path != "/v1/traces" {
        return Vec::new();
    }
    let export = ExportTraceServiceRequest::decode(request.body.as_slice()).expect("it is what OTLP sends");
    let scopes = export.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans).map(|span| Span {
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
    });
    spans.collect()
}

fn sentry_spans(request: &RecordedRequest) -> Vec<Span> {
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/42/envelope/"));
    let key = request.header("x-sentry-auth").expect("the key comes in a header");
    assert!(key.contains(&format!("sentry_key={SECRET}")), "{key}");
    let lines: Vec<Value> = request
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("an envelope is lines of JSON here"))
        .collect();
    // The header of the envelope, then one header and one payload for each item.
    let items = lines[1..].chunks_exact(2).filter(|item| item[0]["type"] == "span");
    let spans = items.flat_map(|item| item[1]["items"].as_array().expect("it holds spans"));
    let text = |span: &Value, key: &str| span[key].as_str().unwrap_or_default().to_owned();
    let spans = spans.map(|span| Span {
        name: text(span, "name"),
        trace: text(span, "trace_id"),
        id: text(span, "span_id"),
        parent: text(span, "parent_span_id"),
    });
    spans.collect()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).expect("half a byte is one digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
