//! An event of the Charm protocol as it stands on the wire: one JSON object with a `type`.
//!
//! Rule: the object of an event that passes through is never rewritten, so that unknown types and keys survive.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::protocol::EventLine;

/// One protocol event: its `type` and the whole object.
///
/// ```
/// use charm_telemetry_core::StreamEvent;
///
/// let event = StreamEvent::status("Thinking hard");
/// assert_eq!(event.kind(), "status");
/// assert_eq!(event.json(), r#"{"type":"status","content":"Thinking hard"}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEvent {
    kind: Box<str>,
    json: Box<str>,
}

impl StreamEvent {
    /// A system status for the end user.
    pub fn status(content: &str) -> Self {
        Self::with_content("status", content)
    }

    /// Reasoning, tool traces, or what the agent prints.
    pub fn thinking(content: &str) -> Self {
        Self::with_content("thinking", content)
    }

    /// The run failed.
    pub fn error(content: &str) -> Self {
        Self::with_content("error", content)
    }

    /// The result of the run. The `format` follows from the content: `markdown` for a string, `rich_component`
    /// for an object with `_charm_render_type`, else `json`.
    pub fn final_result(content: &RawValue) -> Self {
        #[derive(Serialize)]
        struct Final<'a> {
            r#type: &'static str,
            content: &'a RawValue,
            format: &'static str,
        }
        Self::encode("final", &Final { r#type: "final", content, format: format_of(content) })
    }

    /// A file that the agent made: its name, where to get it and its MIME type.
    pub fn artifact(name: &str, url: &str, mime: &str) -> Self {
        #[derive(Serialize)]
        struct Artifact<'a> {
            name: &'a str,
            url: &'a str,
            mime: &'a str,
        }
        Self::with_content("artifact", &Artifact { name, url, mime })
    }

    /// `count` uses of `tool`, for billing.
    pub fn tool_usage(tool: &str, count: u64) -> Self {
        #[derive(Serialize)]
        struct ToolUsage<'a> {
            r#type: &'static str,
            tool: &'a str,
            count: u64,
        }
        Self::encode("tool_usage", &ToolUsage { r#type: "tool_usage", tool, count })
    }

    /// Agent state to keep until the next run.
    pub fn state_update(state: &RawValue) -> Self {
        Self::with_content("state_update", state)
    }

    /// The run waits for a person. `next_step` is what the agent will do then.
    pub fn suspended(thread_id: &RawValue, next_step: &RawValue) -> Self {
        #[derive(Serialize)]
        struct Control<'a> {
            r#type: &'static str,
            status: &'static str,
            thread_id: &'a RawValue,
            next_step: &'a RawValue,
        }
        Self::encode("control", &Control { r#type: "control", status: "suspended", thread_id, next_step })
    }

    /// The `type`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The whole object, on one line.
    pub fn json(&self) -> &str {
        &self.json
    }

    pub(crate) fn set_json(&mut self, json: String) {
        self.json = json.into();
    }

    fn with_content<T: Serialize + ?Sized>(kind: &'static str, content: &T) -> Self {
        #[derive(Serialize)]
        struct Content<'a, T: ?Sized> {
            r#type: &'static str,
            content: &'a T,
        }
        Self::encode(kind, &Content { r#type: kind, content })
    }

    fn encode<T: Serialize>(kind: &'static str, event: &T) -> Self {
        let json =
            serde_json::to_string(event).expect("strings, numbers and checked JSON can always be written");
        Self { kind: kind.into(), json: json.into() }
    }
}

/// An event of any kind, known or not: its object is passed on as it is.
impl From<EventLine<'_>> for StreamEvent {
    fn from(line: EventLine<'_>) -> Self {
        Self { kind: line.kind.into(), json: line.json.into() }
    }
}

fn format_of(content: &RawValue) -> &'static str {
    let text = content.get().trim_start();
    if text.starts_with('"') {
        return "markdown";
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) if value.get("_charm_render_type").is_some() => "rich_component",
        Ok(serde_json::Value::Object(_) | serde_json::Value::Array(_)) | Err(_) => "json",
        Ok(_) => "markdown",
    }
}
