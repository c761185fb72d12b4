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
pub(crate) struct Intake(pub(crate) Route);

/// The item of a span: a line with the name of its application, which has no line breaks, and the span.
pub(crate) fn item(format: Format, ml_app: &str, span: &[u8]) -> Item {
    Item::of_kind(kind(format), [ml_app.as_bytes(), b"\n", span].concat())
}

/// The application and the span.
fn parts(item: &Item) -> Option<(&[u8], &[u8])> {
    let end = item.bytes().iter().position(|&byte| byte == b'\n')?;
    Some((&item.bytes()[..end], &item.bytes()[end + 1..]))
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

    /// The address, which tells the format too. The application is in the items: whoever has the key may send them.
    fn identity(&self) -> String {
        self.0.url().to_owned()
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        let format = self.0.format();
        if items.iter().any(|item| item.kind() != kind(format)) {
            return Err("the span is in the format of another address".into());
        }
        let parts = items.iter().map(parts).collect::<Option<Vec<_>>>();
        let (apps, spans): (Vec<_>, Vec<_>) =
            parts.ok_or("the span names no application")?.into_iter().unzip();
        Ok(Body::json(match format {
            // Then the batch is halved until each part is of one.
            Format::Public if apps.iter().any(|app| *app != apps[0]) => {
                return Err("a request is for one application".into());
            }
            Format::Public => public_body(std::str::from_utf8(apps[0])?, &spans),
            Format::Agent => agent_body(&spans),
        }))
    }

    fn request(&self, _sending: &Sending<'_>) -> Request {
        match &self.0 {
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
