//! A receiver that takes nothing but what every rule allows.
//!
//! Rule: it answers as the real one is documented to: 202 without a body, or 400 with the reason.

use std::time::{SystemTime, UNIX_EPOCH};

use charm_telemetry_core::testing::{Answer, ReceiverDouble, RecordedRequest};
use serde_json::Value;

use super::{KEY, rules};
use crate::settings::Format;

/// One that checks everything.
pub(super) fn strict(format: Format) -> ReceiverDouble {
    let receiver = ReceiverDouble::start();
    receiver.answer_with(move |request| match read(request, format) {
        Ok(_) => Answer::new(202),
        Err(why) => Answer::new(400).body(why),
    });
    receiver
}

/// Every span that arrived.
#[track_caller]
pub(super) fn spans(receiver: &ReceiverDouble, format: Format) -> Vec<Value> {
    let read = |request| read(&request, format).unwrap_or_else(|why| panic!("{why}: {}", request.text()));
    receiver.requests().into_iter().flat_map(read).collect()
}

/// The spans of a request that breaks no rule.
pub(super) fn read(request: &RecordedRequest, format: Format) -> Result<Vec<Value>, String> {
    rules::request(request, format, KEY, now())
}

/// In nanoseconds since 1970.
pub(super) fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}
