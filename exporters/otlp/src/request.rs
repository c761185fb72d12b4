//! A destination: the spans, or the metrics, of one endpoint.
//!
//! Rule: the bytes of a batch follow from its items alone, so that what is sent again is the same.
//!
//! Limits: a request has at most 64 MiB before compression; many receivers take 4 MiB, so batches stay below that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use charm_telemetry_core::delivery::{
    Body, Destination, Disposition, EncodeError, Encoding, Item, Limits, Request, Response, Sending,
    TlsOptions,
};
use charm_telemetry_core::{DropReason, Secret};

use crate::classify::{classify, is_not_served};
use crate::endpoint::without_query;
use crate::options::Protocol;
use crate::origin::Part;
use crate::semconv::SCHEMA_URL;
use crate::{json, protobuf};

/// The most that OTLP lets a client send at once.
const MAX_REQUEST_BYTES: usize = 64 * 1024 * 1024;

/// What receivers take by default.
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Who made the spans.
const SCOPE: (&str, &str) = ("charm-telemetry", env!("CARGO_PKG_VERSION"));

/// Where a signal goes and how.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Secret)>,
    pub(crate) encoding: Encoding,
    pub(crate) protocol: Protocol,
    pub(crate) timeout: Option<Duration>,
    pub(crate) tls: Option<TlsOptions>,
}

/// What a destination takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Spans,
    Metrics,
}

/// One of the two destinations.
pub(crate) struct Otlp {
    what: What,
    route: Route,
    limits: Limits,
    envelope: Envelope,
    /// Set when the receiver says that it takes no metrics: then none are sent any more.
    not_served: Arc<AtomicBool>,
}

enum Envelope {
    Protobuf(protobuf::Envelope),
    Json(json::Envelope),
}

impl Otlp {
    /// For the items of whatever resources.
    pub(crate) fn new(what: What, route: Route, limits: Limits) -> Self {
        let names = match what {
            What::Spans => ["resourceSpans", "scopeSpans", "spans"],
            What::Metrics => ["resourceMetrics", "scopeMetrics", "metrics"],
        };
        let envelope = match route.protocol {
            Protocol::Json => Envelope::Json(json::Envelope::new(names, SCOPE, SCHEMA_URL)),
            Protocol::Protobuf | Protocol::Grpc => {
                Envelope::Protobuf(protobuf::Envelope::new(SCOPE, SCHEMA_URL))
            }
        };
        Self { what, route, limits, envelope, not_served: Arc::default() }
    }

    /// Whether the receiver has said that it does not take this.
    pub(crate) fn not_served(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.not_served)
    }
}

/// The limits of a destination.
pub(crate) fn limits(max_items: usize, linger: Duration) -> Limits {
    Limits {
        max_items,
        linger,
        max_body_bytes: MAX_BATCH_BYTES,
        // Room for what stands around one.
        max_item_bytes: MAX_REQUEST_BYTES - 1024 * 1024,
        // The scope, the schema and the names of the lists, where each is of another resource.
        item_overhead: 320,
    }
}

impl Destination for Otlp {
    fn name(&self) -> &'static str {
        match self.what {
            What::Spans => "otlp",
            What::Metrics => "otlp-metrics",
        }
    }

    /// The protocol is a part of it: items of one cannot be sent as the other.
    fn identity(&self) -> String {
        let protocol = if self.route.protocol == Protocol::Json { "http/json" } else { "http/protobuf" };
        format!("{} {protocol}", without_query(&self.route.url))
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        let parts = items.iter().map(Part::of).collect::<Result<Vec<_>, _>>()?;
        // The content types have no charset: receivers compare them to the letter.
        Ok(match &self.envelope {
            Envelope::Protobuf(envelope) => Body::new("application/x-protobuf", envelope.wrap(&parts)),
            Envelope::Json(envelope) => Body::json(envelope.wrap(&parts)),
        })
    }

    fn request(&self, _sending: &Sending<'_>) -> Request {
        let headers = self.route.headers.iter();
        headers.fold(Request::post(&self.route.url), |request, (name, value)| {
            request.secret_header(name.clone(), value.clone())
        })
    }

    fn encoding(&self) -> Encoding {
        self.route.encoding
    }

    fn classify(&self, response: &Response) -> Disposition {
        if self.what == What::Metrics && is_not_served(response) {
            self.not_served.store(true, Ordering::Relaxed);
            return Disposition::Drop(DropReason::PermanentStatus);
        }
        classify(response)
    }
}
