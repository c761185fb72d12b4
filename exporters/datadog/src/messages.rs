//! What was said to a model and what it said, as Datadog's messages.
//!
//! Rule: `content` is a string and `arguments` an object, always: whatever else is there, Datadog drops.
//! <https://github.com/DataDog/dd-trace-py/issues/12256>, <https://github.com/DataDog/dd-trace-py/pull/12560>

use charm_telemetry_core::trace::Content;
use serde_json::{Map, Value, json};

use crate::settings::Format;

/// Deepest nesting of lists of messages that is looked into.
const MAX_DEPTH: usize = 8;

/// The messages in an input (`role` is `user`) or in an output (`assistant`).
pub(crate) fn messages(content: &Content, role: &str, format: Format) -> Value {
    let json = content.as_json().and_then(|json| serde_json::from_str(json.get()).ok());
    let mut collected = Collected { role, format, messages: Vec::new() };
    match json {
        Some(json) => collected.add(&json, MAX_DEPTH),
        None => collected.messages.push(said(role, content.text())),
    }
    collected.messages.into()
}

fn said(role: &str, content: impl Into<String>) -> Value {
    json!({ "role": role, "content": content.into() })
}

/// The messages so far, and what every one of them needs.
struct Collected<'a> {
    /// Of a message that names none.
    role: &'a str,
    format: Format,
    messages: Vec<Value>,
}

impl Collected<'_> {
    fn add(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Array(values) if depth > 0 => values.iter().for_each(|value| self.add(value, depth - 1)),
            Value::Object(fields) if depth > 0 => {
                let lists =
                    ["messages", "choices"].into_iter().filter_map(|name| fields.get(name)?.as_array());
                let inner: Vec<&Value> = lists.flatten().chain(fields.get("message")).collect();
                if inner.is_empty() {
                    self.messages.push(self.message(value, fields));
                }
                for value in inner {
                    self.add(value, depth - 1);
                }
            }
            Value::String(text) => self.messages.push(said(self.role, text.as_str())),
            other => self.messages.push(said(self.role, other.to_string())),
        }
    }

    fn message(&self, whole: &Value, fields: &Map<String, Value>) -> Value {
        if !["role", "content", "tool_calls", "text"].iter().any(|name| fields.contains_key(*name)) {
            return said(self.role, whole.to_string());
        }
        let content = fields.get("content").or_else(|| fields.get("text")).unwrap_or(&Value::Null);
        let role = role_of(fields, self.role);
        // The public API documents no place for it but `content`.
        if let Some(result) = tool_result(fields, &role, content).filter(|_| self.format == Format::Agent) {
            return json!({ "role": role, "content": "", "tool_results": [result] });
        }
        let mut message = said(&role, text(content));
        let calls = tool_calls(fields, content);
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        message
    }
}

/// What a tool answered, where the message says which call it answers: Datadog shows it beside that call.
fn tool_result(fields: &Map<String, Value>, role: &str, content: &Value) -> Option<Value> {
    let id = fields.get("tool_call_id").filter(|_| role == "tool")?.as_str()?;
    let name = fields.get("name").and_then(Value::as_str).unwrap_or_default();
    Some(json!({ "name": name, "result": text(content), "tool_id": id, "type": "tool_result" }))
}

fn role_of(fields: &Map<String, Value>, otherwise: &str) -> String {
    let role = fields.get("role").or_else(|| fields.get("type")).and_then(Value::as_str);
    match role.unwrap_or(otherwise) {
        "human" => "user".to_owned(),
        "ai" => "assistant".to_owned(),
        role => role.to_owned(),
    }
}

/// Text as it is, the texts of parts one below the other, and the kind of a part that is no text: pictures are large.
fn text(content: &Value) -> String {
    match content {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<_> =
                parts.iter().filter(|part| kind(part) != Some("tool_use")).map(part).collect();
            texts.join("\n")
        }
        Value::Object(_) => part(content),
        other => other.to_string(),
    }
}

fn part(part: &Value) -> String {
    let text_of_part = part.as_str().or_else(|| part.get("text")?.as_str());
    match (text_of_part, kind(part)) {
        (Some(text), _) => text.to_owned(),
        (None, Some("tool_result")) => text(part.get("content").unwrap_or(&Value::Null)),
        (None, Some(kind)) => format!("[{kind}]"),
        (None, None) => part.to_string(),
    }
}

fn kind(part: &Value) -> Option<&str> {
    part.get("type")?.as_str()
}

/// Calls beside the content, as most providers have them, or as parts of it.
fn tool_calls(fields: &Map<String, Value>, content: &Value) -> Vec<Value> {
    let beside = fields.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
    let parts = content.as_array().into_iter().flatten().filter(|part| kind(part) == Some("tool_use"));
    beside.chain(parts).map(tool_call).collect()
}

fn tool_call(call: &Value) -> Value {
    let function = call.get("function").unwrap_or(call);
    let given = ["arguments", "args", "input"].iter().find_map(|name| function.get(*name));
    let mut shaped = json!({ "arguments": arguments(given.unwrap_or(&Value::Null)), "type": "function" });
    for (name, value) in
        [("name", function.get("name")), ("tool_id", call.get("id").or_else(|| call.get("tool_id")))]
    {
        if let Some(text) = value.and_then(Value::as_str) {
            shaped[name] = json!(text);
        }
    }
    shaped
}

fn arguments(given: &Value) -> Value {
    match given {
        Value::Object(_) => given.clone(),
        Value::Null => json!({}),
        Value::String(text) => match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields.into(),
            _ if text.is_empty() => json!({}),
            _ => json!({ "input": text }),
        },
        other => json!({ "input": other }),
    }
}
