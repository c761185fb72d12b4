//! What Datadog's documentation and the payloads of its libraries ask of a request (`head`, `body`, `documented`), and what we
//! promise on top of it (`ours`).
//!
//! Rule: what is documented holds for what others send, too; every rule can say no, and a test breaks each of them once.

mod body;
mod documented;
mod head;
mod ours;
mod shape;

use charm_telemetry_core::testing::RecordedRequest;
use serde_json::Value;

use super::Format;

pub(crate) use self::body::{BODY, spans};
pub(crate) use self::documented::DOCUMENTED;
pub(crate) use self::head::{HEAD, Head};
pub(crate) use self::ours::OURS;

/// Something that has to be so.
pub(crate) struct Rule<T> {
    pub(crate) text: &'static str,
    /// `None`: of both.
    format: Option<Format>,
    holds: fn(&T) -> bool,
}

impl<T> Rule<T> {
    const fn both(text: &'static str, holds: fn(&T) -> bool) -> Self {
        Self { text, format: None, holds }
    }

    const fn public(text: &'static str, holds: fn(&T) -> bool) -> Self {
        Self { text, format: Some(Format::Public), holds }
    }

    const fn agent(text: &'static str, holds: fn(&T) -> bool) -> Self {
        Self { text, format: Some(Format::Agent), holds }
    }

    /// Whether it is one of that format.
    pub(crate) fn is_of(&self, format: Format) -> bool {
        self.format.is_none_or(|own| own == format)
    }
}

/// A span with what is needed to judge it.
pub(crate) struct Span {
    pub(crate) json: Value,
    pub(crate) format: Format,
    /// In nanoseconds since 1970.
    pub(crate) now: u64,
    /// What the body around it names.
    pub(crate) application: Option<String>,
}

/// The first rule that does not hold.
pub(crate) fn check<T>(rules: &[Rule<T>], format: Format, seen: &T) -> Result<(), String> {
    let broken = rules.iter().find(|rule| rule.is_of(format) && !(rule.holds)(seen));
    broken.map_or(Ok(()), |rule| Err(rule.text.to_owned()))
}

/// A request as a whole. `Ok` holds its spans.
pub(crate) fn request(
    request: &RecordedRequest,
    format: Format,
    key: &str,
    now: u64,
) -> Result<Vec<Value>, String> {
    check(HEAD, format, &Head { request: request.clone(), key: key.to_owned() })?;
    let body = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    check(BODY, format, &body)?;
    let application = body["data"]["attributes"]["ml_app"].as_str().map(str::to_owned);
    let spans = spans(&body, format);
    for json in &spans {
        let span = Span { json: json.clone(), format, now, application: application.clone() };
        check(DOCUMENTED, format, &span)?;
        check(OURS, format, &span)?;
    }
    Ok(spans)
}
