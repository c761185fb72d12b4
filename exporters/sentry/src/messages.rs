//! What was said to a model and by it, in the shape in which Sentry shows conversations.
//!
//! Rule: whatever the agent gave becomes messages with text; nothing is lost but what is no text, and nothing fails.

use std::borrow::Cow;

use charm_telemetry_core::trace::Content;
use serde::Serialize;
use serde_json::Value;

/// What stands in place of a picture, a sound or a file.
const BLOB: &str = "[Blob substitute]";

/// Instructions and messages.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Conversation {
    pub(crate) system: Vec<Part>,
    pub(crate) messages: Vec<Message>,
}

/// One message.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Message {
    pub(crate) role: &'static str,
    pub(crate) parts: Vec<Part>,
}

/// A part of a message.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Part {
    Text { content: String },
    ToolCall { id: Value, name: Value, arguments: Value },
    ToolCallResponse { id: Value, result: String },
}

impl Conversation {
    /// Reads an input or an output. What has no role of its own is said by `speaker`.
    pub(crate) fn read(content: &Content, speaker: &'static str) -> Self {
        let mut conversation = Self::default();
        match content.as_json().and_then(|json| serde_json::from_str(json.get()).ok()) {
            Some(value) => conversation.add(value, speaker),
            None => conversation.say(speaker, vec![text(content.text().into_owned())]),
        }
        conversation
    }

    /// The messages as the text of a JSON list; `None` if there are none.
    pub(crate) fn messages_json(&self) -> Option<String> {
        as_json(&self.messages)
    }

    /// The instructions as the text of a JSON list; `None` if there are none.
    pub(crate) fn system_json(&self) -> Option<String> {
        as_json(&self.system)
    }

    /// Whether a tool is called in it.
    pub(crate) fn calls_tool(&self) -> bool {
        let mut parts = self.messages.iter().flat_map(|message| &message.parts);
        parts.any(|part| matches!(part, Part::ToolCall { .. }))
    }

    /// Adds a call of a tool that the agent decided on: `{"tool": .., "tool_input": ..}`.
    pub(crate) fn add_action(&mut self, action: &Content) {
        let Some(Ok(mut action)) = action.as_json().map(|json| serde_json::from_str::<Value>(json.get()))
        else {
            return;
        };
        let (name, arguments) = (action["tool"].take(), action["tool_input"].take());
        let call = Part::ToolCall { id: Value::Null, name, arguments: parsed(arguments) };
        match self.messages.last_mut().filter(|message| message.role == "assistant") {
            Some(message) => message.parts.push(call),
            None => self.say("assistant", vec![call]),
        }
    }

    fn add(&mut self, value: Value, speaker: &'static str) {
        match value {
            Value::Array(items) if items.iter().all(is_message) => {
                for item in items {
                    self.add(item, speaker);
                }
            }
            Value::Object(mut object) if object.get("messages").is_some_and(Value::is_array) => {
                self.add(object.remove("messages").unwrap_or_default(), speaker);
            }
            Value::Object(mut object) if object.get("input").is_some_and(Value::is_string) => {
                self.say(speaker, parts(object.remove("input").unwrap_or_default()));
            }
            Value::Object(object) if is_message(&Value::Object(object.clone())) => {
                self.add_message(object, speaker);
            }
            other => self.say(speaker, parts(other)),
        }
    }

    fn add_message(&mut self, mut object: serde_json::Map<String, Value>, speaker: &'static str) {
        let role = object.get("role").or_else(|| object.get("type")).and_then(Value::as_str).map(role);
        let role = role.unwrap_or(speaker);
        let content = object.remove("content").unwrap_or_default();
        if role == "tool" {
            let id = object.remove("tool_call_id").unwrap_or_default();
            self.say(role, vec![Part::ToolCallResponse { id, result: plain(content) }]);
            return;
        }
        let mut parts = parts(content);
        if let Some(Value::Array(calls)) = object.remove("tool_calls") {
            parts.extend(calls.into_iter().map(tool_call));
        }
        self.say(role, parts);
    }

    fn say(&mut self, role: &'static str, parts: Vec<Part>) {
        if parts.is_empty() {
            return;
        }
        if role == "system" {
            self.system.extend(parts);
        } else {
            self.messages.push(Message { role, parts });
        }
    }
}

/// A text, cut to so many bytes with a sign that it was.
pub(crate) fn cut(text: Cow<'_, str>, most: usize) -> Cow<'_, str> {
    const SIGN: &str = "...[cut]";
    if text.len() <= most {
        return text;
    }
    let end = text.floor_char_boundary(most.saturating_sub(SIGN.len()));
    Cow::Owned(format!("{}{SIGN}", &text[..end]))
}

fn as_json<T: Serialize>(list: &[T]) -> Option<String> {
    if list.is_empty() { None } else { serde_json::to_string(list).ok() }
}

fn is_message(value: &Value) -> bool {
    let named = |key| value.get(key).is_some_and(Value::is_string);
    value.is_string() || ((named("role") || named("type")) && value.get("content").is_some())
}

fn role(name: &str) -> &'static str {
    match name {
        "assistant" | "ai" | "AIMessageChunk" | "model" => "assistant",
        "system" | "developer" => "system",
        "tool" | "function" => "tool",
        _ => "user",
    }
}

/// The parts of a message's content.
fn parts(content: Value) -> Vec<Part> {
    match content {
        Value::Null => Vec::new(),
        Value::String(said) if said.is_empty() => Vec::new(),
        Value::Array(blocks)
            if blocks.iter().all(|block| block.get("type").is_some() || block.is_string()) =>
        {
            blocks.into_iter().map(block).collect()
        }
        other => vec![text(plain(other))],
    }
}

/// One block of a content that is a list.
fn block(mut block: Value) -> Part {
    let kind = block.get("type").and_then(Value::as_str).unwrap_or("text").to_owned();
    match kind.as_str() {
        "tool_use" | "tool_call" | "function_call" => tool_call(block),
        "text" | "input_text" | "output_text" if block.is_object() => text(plain(block["text"].take())),
        "image" | "image_url" | "input_image" | "audio" | "input_audio" | "file" | "input_file" | "video"
        | "media" | "document" => text(BLOB.to_owned()),
        _ => text(plain(block)),
    }
}

/// A call in the spelling of LangChain (`name`, `args`), `OpenAI` (`function`) or Anthropic (`input`).
fn tool_call(mut call: Value) -> Part {
    let mut take = |keys: [&str; 3]| {
        let found = keys.into_iter().find(|key| call.get(key).is_some());
        found.map_or(Value::Null, |key| call[key].take())
    };
    let (id, mut function) = (take(["id", "call_id", "id"]), take(["function", "function", "function"]));
    if function.is_object() {
        let (name, arguments) = (function["name"].take(), function["arguments"].take());
        return Part::ToolCall { id, name, arguments: parsed(arguments) };
    }
    let (name, arguments) = (take(["name", "tool", "name"]), take(["args", "arguments", "input"]));
    Part::ToolCall { id, name, arguments: parsed(arguments) }
}

/// Arguments that are JSON in a text.
fn parsed(arguments: Value) -> Value {
    match &arguments {
        Value::String(json) if json.starts_with('{') => serde_json::from_str(json).unwrap_or(arguments),
        _ => arguments,
    }
}

fn plain(value: Value) -> String {
    match value {
        Value::String(said) => said,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn text(content: String) -> Part {
    let is_data = content.starts_with("data:") && content.contains(";base64,");
    Part::Text { content: if is_data { BLOB.to_owned() } else { content } }
}
