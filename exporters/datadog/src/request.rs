//! Where spans go, in which body and with which headers.
//!
//! Rule: the format and the address belong together; the key goes to Datadog alone, never to an Agent.

use std::time::{Duration, SystemTime};

use charm_telemetry_core::delivery::{
    Body, Destination, Disposition, EncodeError, Encoding, Item, Limits, Request, Response, Sending,
};

use crate::classify::classify;
use crate::encode::nanoseconds;
use crate::limits::{LIMITS, MAX_AGE, YEAR};
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

/// The item of a span: a line with the name of its application, which has no white space, and the moment when it began; then
/// the span.
pub(crate) fn item(format: Format, ml_app: &str, began: SystemTime, span: &[u8]) -> Item {
    let head = format!("{ml_app} {}\n", nanoseconds(began));
    Item::of_kind(kind(format), [head.as_bytes(), span].concat())
}

/// What an item holds.
struct Parts<'a> {
    ml_app: &'a str,
    /// In nanoseconds since 1970. `None`: it was written before items told.
    began: Option<u64>,
    span: &'a [u8],
}

fn parts(item: &Item) -> Option<Parts<'_>> {
    let end = item.bytes().iter().position(|&byte| byte == b'\n')?;
    let (head, span) = (std::str::from_utf8(&item.bytes()[..end]).ok()?, &item.bytes()[end + 1..]);
    let (ml_app, began) = head.split_once(' ').unzip();
    Some(Parts { ml_app: ml_app.unwrap_or(head), began: began.and_then(|began| began.parse().ok()), span })
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
        let parts = parts.ok_or("the span names no application")?;
        let (ml_app, spans) = (parts[0].ml_app, parts.iter().map(|parts| parts.span).collect::<Vec<_>>());
        Ok(Body::json(match format {
            // Then the batch is halved until each part is of one.
            Format::Public if parts.iter().any(|parts| parts.ml_app != ml_app) => {
                return Err("a request is for one application".into());
            }
            Format::Public => public_body(ml_app, &spans),
            Format::Agent => agent_body(&spans),
        }))
    }

    fn is_outdated(&self, item: &Item, now: SystemTime) -> bool {
        let began = parts(item).and_then(|parts| parts.began);
        let age = began.map(|began| Duration::from_nanos(nanoseconds(now).saturating_sub(began)));
        age.is_some_and(|age| age > MAX_AGE && age < YEAR)
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
