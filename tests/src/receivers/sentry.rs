//! A double of Sentry, which refuses every envelope that breaks a rule.
//!
//! Rule: its reader is the one of the exporter's own tests, where every rule is broken once.

use charm_telemetry_core::testing::{Answer, ReceiverDouble, RecordedRequest};
use serde_json::Value;

#[path = "../../../exporters/sentry/src/tests/strict.rs"]
mod strict;

/// One item of an envelope.
#[derive(Clone, Debug)]
pub struct SentryItem {
    /// `span`, `event`, ..
    pub kind: String,
    /// What is in it.
    pub payload: Value,
}

/// The double.
pub struct SentryDouble(ReceiverDouble);

impl SentryDouble {
    /// Starts one.
    pub fn start() -> Self {
        let double = ReceiverDouble::start();
        double.answer_with(|request| match strict::Envelope::read(&request.body) {
            Ok(_) => Answer::new(200).body("{}"),
            Err(why) => Answer::new(400).body(why),
        });
        Self(double)
    }

    /// For `SENTRY_DSN`, with a key and a secret key.
    pub fn dsn(&self, key: &str, secret: &str) -> String {
        self.0.url("/42").replacen("http://", &format!("http://{key}:{secret}@"), 1)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.0.address().port()
    }

    /// All that came.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.0.requests()
    }

    /// Every item that came.
    ///
    /// # Panics
    /// An envelope breaks a rule.
    pub fn items(&self) -> Vec<SentryItem> {
        let read = |request: RecordedRequest| {
            let envelope = strict::Envelope::read(&request.body);
            envelope.unwrap_or_else(|why| panic!("{why}: {}", request.text())).items
        };
        let items = self.0.requests().into_iter().flat_map(read);
        let kind = |header: &Value| header["type"].as_str().unwrap_or_default().to_owned();
        items.map(|(header, payload)| SentryItem { kind: kind(&header), payload }).collect()
    }
}
