//! How a span says that it failed.
//!
//! Rule: a failed span is an error by itself; an error of a call is none of its run, unless the run failed too.

use charm_telemetry_core::trace::{FinishedSpan, SpanError, SpanStatus};
use serde_json::{Value, json};

/// The type of the error of a span that nobody ended. Without one such a span would never be seen.
const ABORTED: &str = "aborted";

/// `meta.error`, and what tags say of it.
pub(crate) struct Failure {
    /// The class of the error, if it is known.
    pub(crate) error_type: Option<String>,
    message: String,
    stack: Option<String>,
}

impl Failure {
    /// `None` if the span ended as it should.
    pub(crate) fn of(span: &FinishedSpan) -> Option<Self> {
        match &span.status {
            SpanStatus::Ok => None,
            SpanStatus::Error(error) => Some(Self::of_error(error)),
            SpanStatus::Aborted(reason) => Some(Self {
                error_type: Some(ABORTED.to_owned()),
                message: reason.describe().to_owned(),
                stack: None,
            }),
        }
    }

    fn of_error(error: &SpanError) -> Self {
        let is_stack = error.message.starts_with("Traceback ");
        let stack = error.traceback.clone().or_else(|| is_stack.then(|| error.message.clone()));
        let last_line = || error.message.lines().rev().find(|line| !line.trim().is_empty());
        let message = if is_stack { last_line() } else { None }.unwrap_or(&error.message);
        let message = without_type(message, error.error_type.as_deref()).to_owned();
        Self { error_type: error.error_type.clone(), message, stack }
    }

    /// As it is sent: only strings.
    pub(crate) fn json(&self) -> Value {
        let mut error = json!({ "message": self.message });
        if let Some(error_type) = &self.error_type {
            error["type"] = json!(error_type);
        }
        if let Some(stack) = &self.stack {
            error["stack"] = json!(stack);
        }
        error
    }
}

/// `boom` of `ValueError: boom`: the type has a field of its own.
fn without_type<'a>(message: &'a str, error_type: Option<&str>) -> &'a str {
    let rest = error_type.and_then(|name| message.strip_prefix(name)?.strip_prefix(": "));
    rest.filter(|rest| !rest.trim().is_empty()).unwrap_or(message)
}
