//! A double of Datadog's public intake, which refuses what its documentation does not have.
//!
//! Rule: its rules are those of the exporter's own tests, where every one is broken once, and where what is documented is
//! checked against what Datadog's library sends.

use std::time::{SystemTime, UNIX_EPOCH};

use charm_telemetry_core::testing::{Answer, ReceiverDouble, RecordedRequest};
use serde_json::Value;

#[path = "../../../exporters/datadog/src/tests/rules/mod.rs"]
mod rules;

/// Both, since the rules are of both. Only one comes here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Public,
    Agent,
}

/// The double.
pub struct DatadogIntake {
    double: ReceiverDouble,
    key: &'static str,
}

impl DatadogIntake {
    /// Starts one that knows only this key.
    pub fn start(key: &'static str) -> Self {
        let double = ReceiverDouble::start();
        double.answer_with(move |request| datadog_answer(request, key));
        Self { double, key }
    }

    /// For `DD_LLMOBS_OVERRIDE_ORIGIN`.
    pub fn url(&self) -> String {
        self.double.url("")
    }

    /// All that came.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.double.requests()
    }

    /// Every span that came.
    ///
    /// # Panics
    /// A request breaks a rule.
    pub fn spans(&self) -> Vec<Value> {
        let read = |request: &RecordedRequest| {
            read(request, self.key).unwrap_or_else(|why| panic!("{why}: {}", request.text()))
        };
        self.requests().iter().flat_map(read).collect()
    }
}

/// As it is documented: 202 without a body, or 400, here with the rule that was broken.
pub(crate) fn datadog_answer(request: &RecordedRequest, key: &str) -> Answer {
    match read(request, key) {
        Ok(_) => Answer::new(202),
        Err(why) => Answer::new(400).body(why),
    }
}

fn read(request: &RecordedRequest, key: &str) -> Result<Vec<Value>, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    rules::request(request, Format::Public, key, u64::try_from(now).unwrap_or(u64::MAX))
}
