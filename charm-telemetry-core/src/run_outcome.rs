//! How a run ended, and what is told of it.
//!
//! Rule: a failed run calls `on_error` and no `on_run_end`; a succeeded or suspended one the other way round.

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::event::EventKind;
use crate::event_text::ErrorText;
use crate::stream_event::StreamEvent;

/// What an error says if its result has no message.
const UNKNOWN_ERROR: &str = "Unknown error";

/// How a run ended: the result object of the Charm contract, and what it means.
///
/// ```
/// use charm_telemetry_core::RunOutcome;
///
/// let outcome = RunOutcome::from_result(r#"{"status":"success","output":"42"}"#)?;
/// assert!(outcome.is_success());
/// assert!(!RunOutcome::error("no network").is_success());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RunOutcome {
    result: Box<RawValue>,
    fields: Fields,
    traceback: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    status: Option<serde_json::Value>,
    #[serde(deserialize_with = "even_null")]
    output: Option<Box<RawValue>>,
    message: Option<serde_json::Value>,
    error_type: Option<serde_json::Value>,
    charm_state: Option<Box<RawValue>>,
    thread_id: Option<Box<RawValue>>,
    next_step: Option<Box<RawValue>>,
}

impl RunOutcome {
    /// The run succeeded.
    pub fn success(output: &RawValue) -> Self {
        let result = serde_json::json!({ "status": "success", "output": output });
        Self::from_value(&result)
    }

    /// The run failed.
    pub fn error(message: &str) -> Self {
        Self::from_value(&serde_json::json!({ "status": "error", "message": message }))
    }

    /// The run waits for a person: `thread_id` continues it, `next_step` is what the agent will do then.
    pub fn suspended(thread_id: &str, next_step: &serde_json::Value) -> Self {
        let result =
            serde_json::json!({ "status": "suspended", "thread_id": thread_id, "next_step": next_step });
        Self::from_value(&result)
    }

    /// What a result object of an adapter says. The object is handed on as it is.
    ///
    /// # Errors
    /// If it is not a JSON object.
    pub fn from_result(json: &str) -> Result<Self, serde_json::Error> {
        // A list would be taken for the fields in their order.
        if !json.trim_start().starts_with('{') {
            return Err(serde::de::Error::custom("it is not a JSON object"));
        }
        let fields = serde_json::from_str(json)?;
        Ok(Self { result: RawValue::from_string(json.to_owned())?, fields, traceback: None })
    }

    /// Whether the run succeeded.
    pub fn is_success(&self) -> bool {
        self.has_status("success")
    }

    /// Whether the run failed: neither succeeded nor suspended.
    pub fn is_error(&self) -> bool {
        !self.is_success() && !self.is_suspended()
    }

    /// Whether the run waits for a person.
    pub fn is_suspended(&self) -> bool {
        self.has_status("suspended")
    }

    /// The result object.
    pub fn result(&self) -> &RawValue {
        &self.result
    }

    /// What went wrong, if the run failed.
    pub fn message(&self) -> String {
        match &self.fields.message {
            Some(serde_json::Value::String(message)) => message.clone(),
            Some(serde_json::Value::Null) | None => UNKNOWN_ERROR.to_owned(),
            Some(other) => other.to_string(),
        }
    }

    /// Adds where the run failed, as the language shows it: for spans, not for the result object.
    ///
    /// ```
    /// # use charm_telemetry_core::RunOutcome;
    /// let outcome = RunOutcome::error("no network").with_traceback("Traceback (most recent call last):\n ...");
    /// assert_eq!(outcome.message(), "no network");
    /// ```
    #[must_use]
    pub fn with_traceback(mut self, traceback: impl Into<String>) -> Self {
        self.traceback = Some(traceback.into());
        self
    }

    fn error_text(&self) -> ErrorText {
        let mut error = ErrorText::new(self.message());
        if let Some(class) = self.fields.error_type.as_ref().and_then(serde_json::Value::as_str) {
            error = error.error_type(class);
        }
        match &self.traceback {
            Some(traceback) => error.traceback(traceback),
            None => error,
        }
    }

    /// What is told of it, in order.
    pub(crate) fn events(&self, streamed: bool) -> Vec<EventKind> {
        let mut events = Vec::new();
        if self.is_error() {
            events.push(EventKind::Error { error: self.error_text() });
        } else {
            events.push(EventKind::RunEnd { outputs: self.result.clone() });
        }
        if let Some(state) = self.fields.charm_state.as_deref().filter(|state| is_truthy(state)) {
            events.push(EventKind::Stream(StreamEvent::state_update(state)));
        }
        events.extend(self.last_events(streamed).into_iter().map(EventKind::Stream));
        events
    }

    fn last_events(&self, streamed: bool) -> Vec<StreamEvent> {
        let output = self.fields.output.as_deref();
        if self.is_error() {
            return vec![StreamEvent::error(&self.message())];
        }
        if self.is_suspended() {
            let (thread, next) = (self.fields.thread_id.as_deref(), self.fields.next_step.as_deref());
            let control =
                StreamEvent::suspended(thread.unwrap_or(RawValue::NULL), next.unwrap_or(RawValue::NULL));
            return std::iter::once(control).chain(output.map(StreamEvent::final_result)).collect();
        }
        if streamed {
            return Vec::new();
        }
        let nothing = to_raw_value("").expect("a text can always be written");
        vec![StreamEvent::final_result(output.unwrap_or(&nothing))]
    }

    fn has_status(&self, status: &str) -> bool {
        self.fields.status.as_ref().and_then(serde_json::Value::as_str) == Some(status)
    }

    fn from_value(value: &serde_json::Value) -> Self {
        let text = to_raw_value(value).expect("a JSON value can always be written");
        Self::from_result(text.get()).expect("it is an object of known fields")
    }
}

/// An output that is there and null is another thing than none.
fn even_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// What Python takes for true: the contract was written with it in mind.
fn is_truthy(json: &RawValue) -> bool {
    match json.get().trim() {
        "null" | "false" | "\"\"" => false,
        text if text.starts_with(['[', '{']) => {
            text[1..text.len() - 1].contains(|c: char| !c.is_whitespace())
        }
        // Too small for a double is zero there as well.
        text => text.parse::<f64>() != Ok(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_told_if_python_would_take_it_for_true() {
        let is_told = |state: &str| {
            let outcome =
                RunOutcome::from_result(&format!(r#"{{"status":"success","charm_state":{state}}}"#));
            let events = outcome.expect("it is an object").events(true);
            events
                .iter()
                .any(|kind| matches!(kind, EventKind::Stream(event) if event.kind() == "state_update"))
        };
        let nothing = ["null", "false", "0", "-0", "0.0", "-0.0", "0e7", "-0.0E+3", "1e-999", "\"\""];
        for state in nothing.into_iter().chain(["[]", "[ ]", "[\n\t]", "{}", "{ }", " {\r\n} "]) {
            assert!(!is_told(state), "{state}");
        }
        for state in
            ["true", "1", "-1", "0.1", "1e999", "\" \"", "\"0\"", "[0]", "[ null ]", "[[ ]]", "{\"\": 0}"]
        {
            assert!(is_told(state), "{state}");
        }
    }

    #[test]
    fn a_failed_run_tells_the_class_of_its_error_and_where_it_happened() {
        let result = r#"{"status":"error","error_type":"KeyError","message":"no"}"#;
        let outcome = RunOutcome::from_result(result).unwrap().with_traceback("Traceback ...");
        let expected = ErrorText::new("no").error_type("KeyError").traceback("Traceback ...");
        assert!(matches!(&outcome.events(false)[0], EventKind::Error { error } if *error == expected));
        assert_eq!(outcome.result().get(), result, "the object stays as it is");
    }

    #[test]
    fn a_list_is_no_result_object() {
        assert!(RunOutcome::from_result(r#"["success","x"]"#).is_err());
        assert!(RunOutcome::from_result("\"success\"").is_err());
    }
}
