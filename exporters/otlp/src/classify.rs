//! What an answer means.
//!
//! Rule: only what OTLP calls retryable is tried again by itself; a pure table.
//!
//! | status | meaning | OTLP |
//! |---|---|---|
//! | 2xx | delivered; `partial_success` counts what was refused, or warns | a partial success must not be retried |
//! | 429, 502, 503, 504 | again, after `Retry-After` | retryable |
//! | 413 | in halves | not retryable as it is |
//! | 400, 422 | in halves until the culprit is alone | not retryable as it is |
//! | 401, 403, 404, 405, 407, 415, 3xx | kept; slowly again, and the operator is told: it is our key, address or protocol | not retryable: hence slowly |
//! | 408, 500, all others | dropped as `permanent_status` | not retryable |
//!
//! <https://opentelemetry.io/docs/specs/otlp/#failures-1>

use charm_telemetry_core::DropReason;
use charm_telemetry_core::delivery::{Disposition, Response};
use serde_json::Value as Json;

/// The table. `items` is not known here: a receiver that refuses more than there were is believed only that far by delivery.
pub(crate) fn classify(response: &Response) -> Disposition {
    match response.status {
        200..=299 => delivered(response),
        429 | 502..=504 => Disposition::retry(response),
        413 => Disposition::TooLarge,
        400 | 422 => Disposition::Bisect,
        300..=399 | 401 | 403..=405 | 407 | 415 => Disposition::Pause,
        _ => Disposition::Drop(DropReason::PermanentStatus),
    }
}

/// Whether the receiver takes no such signal at all: many take spans and nothing else.
pub(crate) fn is_not_served(response: &Response) -> bool {
    matches!(response.status, 404 | 405 | 501)
}

/// A `200` may refuse some, or warn. What of the body cannot be read says nothing: real receivers answer with text.
///
/// JSON is known by itself: some receivers answer with it and say nothing of its type. No answer can be read as both.
fn delivered(response: &Response) -> Disposition {
    match partial_of_json(&response.body).or_else(|| partial_of_protobuf(&response.body)) {
        Some((rejected, reason)) if rejected > 0 || !reason.is_empty() => {
            Disposition::PartlyRejected { rejected, reason }
        }
        _ => Disposition::Delivered,
    }
}

/// `ExportTraceServiceResponse` and `ExportMetricsServiceResponse`, where each field may be missing, null or odd.
fn partial_of_json(body: &[u8]) -> Option<(u64, String)> {
    let answer: Json = serde_json::from_slice(body).ok()?;
    let partial = answer.get("partialSuccess")?;
    let rejected =
        ["rejectedSpans", "rejectedDataPoints"].into_iter().find_map(|key| count(partial.get(key)?));
    let reason = partial.get("errorMessage").and_then(Json::as_str).unwrap_or_default();
    Some((rejected.unwrap_or(0), reason.to_owned()))
}

/// A 64-bit integer is a text in OTLP's JSON; numbers are to be understood too.
fn count(json: &Json) -> Option<u64> {
    json.as_u64().or_else(|| json.as_str()?.parse().ok())
}

/// Field 1 of the answer: the partial success; its field 1: how many; its field 2: why.
fn partial_of_protobuf(body: &[u8]) -> Option<(u64, String)> {
    let (mut rejected, mut reason) = (0, String::new());
    for field in Fields(body).find_map(|field| field.bytes(1)).map(Fields)? {
        match field {
            Field { number: 1, value: Wire::Varint(count) } => rejected = count,
            Field { number: 2, value: Wire::Bytes(text) } => {
                reason = String::from_utf8_lossy(text).into_owned();
            }
            _ => {}
        }
    }
    // A negative count is nonsense.
    let rejected = if i64::try_from(rejected).is_ok() { rejected } else { 0 };
    Some((rejected, reason))
}

/// The fields of a message, up to the first that cannot be read.
struct Fields<'a>(&'a [u8]);

struct Field<'a> {
    number: u64,
    value: Wire<'a>,
}

enum Wire<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Other,
}

impl<'a> Field<'a> {
    fn bytes(&self, number: u64) -> Option<&'a [u8]> {
        match self.value {
            Wire::Bytes(bytes) if self.number == number => Some(bytes),
            _ => None,
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => self.take(8).map(|_| Wire::Other)?,
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Wire::Other)?,
            _ => return None,
        };
        Some(Field { number: tag >> 3, value })
    }
}

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}
