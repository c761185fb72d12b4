//! Where spans go, in which body and with which headers.
//!
//! Rule: the format and the address belong together; the key goes to Datadog alone, never to an Agent.

use std::time::SystemTime;

use charm_telemetry_core::delivery::{
    Body, Destination, Disposition, EncodeError, Encoding, Item, Limits, Request, Response, Sending,
};

use crate::classify::classify;
use crate::limits::LIMITS;
use crate::settings::{Format, Route};

/// What goes around each span on the way through an Agent. Each has its own: the limit for one event has been applied to
/// all that share one (<https://github.com/DataDog/dd-trace-py/pull/12692>).
const ENVELOPE: &str = concat!(
    r#"{"_dd.stage":"raw","_dd.tracer_version":""#,
    env!("CARGO_PKG_VERSION"),
    r#"","event_type":"span","spans":["#
);

/// Datadog's intake, or an Agent.
pub(crate) struct Intake {
    route: Route,
    ml_app: String,
}

impl Intake {
    pub(crate) fn new(route: Route, ml_app: &str) -> Self {
        Self { route, ml_app: ml_app.to_owned() }
    }
}

/// The item of a span.
pub(crate) fn item(format: Format, span: Vec<u8>) -> Item {
    Item::of_kind(kind(format), span)
}

/// Written into the spool: never to be changed.
fn kind(format: Format) -> u8 {
    match format {
        Format::Public => 0,
        Format::Agent => 1,
    }
}

impl Destination for Intake {
    fn name(&self) -> &'static str {
        "datadog"
    }

    /// The address, which tells the format too, and the application.
    fn identity(&self) -> String {
        format!("{} {}", self.route.url(), self.ml_app)
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        let format = self.route.format();
        if items.iter().any(|item| item.kind() != kind(format)) {
            return Err("the span is in the format of another address".into());
        }
        let spans: Vec<_> = items.iter().map(Item::bytes).collect();
        Ok(Body::json(match format {
            Format::Public => public_body(&self.ml_app, &spans),
            Format::Agent => agent_body(&spans),
        }))
    }

    fn request(&self, _sending: &Sending<'_>) -> Request {
        match &self.route {
            Route::Public { url, key } => Request::post(url).secret_header("DD-API-KEY", key.clone()),
            Route::Agent { url } => Request::post(url).header("X-Datadog-EVP-Subdomain", "llmobs-intake"),
        }
    }

    /// Plain: neither way documents another, and an Agent that knows only `v2` takes no other.
    fn encoding(&self) -> Encoding {
        Encoding::Identity
    }

    fn classify(&self, response: &Response) -> Disposition {
        classify(response, SystemTime::now())
    }
}

fn public_body(ml_app: &str, spans: &[&[u8]]) -> Vec<u8> {
    let head = format!(
        r#"{{"data":{{"type":"span","attributes":{{"ml_app":{},"spans":["#,
        serde_json::Value::from(ml_app)
    );
    [head.as_bytes(), &spans.join(&b","[..]), b"]}}}"].concat()
}

fn agent_body(spans: &[&[u8]]) -> Vec<u8> {
    let envelopes: Vec<_> = spans.iter().map(|span| [ENVELOPE.as_bytes(), span, b"]}"].concat()).collect();
    [b"[", &*envelopes.join(&b","[..]), b"]"].concat()
}
