//! What went into a model and came out of it, as the messages of the GenAI conventions.
//!
//! Rule: every shape that the frameworks give is understood or shown as text; nothing of it is lost or made up.
//!
//! The schemas are those of v1.41: a message has a role and parts; a part of a tool's answer says `response`.

use serde_json::{Map, Value as Json, json};

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) role: String,
    pub(crate) name: Option<String>,
    pub(crate) parts: Vec<Part>,
    /// In the words of the provider.
    pub(crate) finish_reason: Option<String>,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Text(String),
    Reasoning(String),
    ToolCall {
        id: Option<String>,
        name: String,
        arguments: Json,
    },
    ToolResponse {
        id: Option<String>,
        response: Json,
    },
    /// An image, a file or something that we do not know, as it was given.
    Other(Json),
}

/// The messages of an input.
pub(crate) fn input_messages(json: &str) -> Vec<Message> {
    read(json, "user")
}

/// The messages of an output.
pub(crate) fn output_messages(json: &str) -> Vec<Message> {
    read(json, "assistant")
}

/// As the value of `gen_ai.input.messages`: a text, because receivers store structured values without reading them.
pub(crate) fn input_text(messages: &[Message]) -> String {
    messages.iter().map(|message| Json::Object(message.object())).collect::<Json>().to_string()
}

/// As the value of `gen_ai.output.messages`, where each says why it ended.
pub(crate) fn output_text(messages: &[Message], failed: bool) -> String {
    let object = |message: &Message| {
        let mut object = message.object();
        object.insert("finish_reason".to_owned(), message.why_it_ended(failed).into());
        Json::Object(object)
    };
    messages.iter().map(object).collect::<Json>().to_string()
}

/// The deepest nesting of lists that is looked into: `generations` of `LangChain` are two lists deep.
const MAX_DEPTH: u32 = 4;

fn read(text: &str, role: &str) -> Vec<Message> {
    let json = serde_json::from_str(text).unwrap_or_else(|_| text.into());
    let mut messages = Vec::new();
    collect(json, role, MAX_DEPTH, &mut messages);
    messages
}

fn collect(json: Json, role: &str, depth: u32, into: &mut Vec<Message>) {
    match json {
        Json::Null => {}
        Json::String(text) => into.push(Message::of_text(role, text)),
        Json::Array(items) if depth > 0 => {
            for item in items {
                collect(item, role, depth - 1, into);
            }
        }
        Json::Object(object) => collect_object(object, role, depth, into),
        other => into.push(Message::of_text(role, other.to_string())),
    }
}

/// A message, or an object that holds some.
fn collect_object(mut object: Map<String, Json>, role: &str, depth: u32, into: &mut Vec<Message>) {
    // A message within a message: a choice of OpenAI, a generation of LangChain.
    if depth > 0
        && let Some(Json::Object(mut inner)) = object.remove("message")
    {
        let outer_reason = object.remove("finish_reason");
        if let Some(reason) = outer_reason.filter(|_| !inner.contains_key("finish_reason")) {
            inner.insert("finish_reason".to_owned(), reason);
        }
        return collect_object(inner, role, depth - 1, into);
    }
    if object.len() == 1 && depth > 0 {
        let whole = object.remove("input").or_else(|| object.remove("output"));
        if let Some(whole) = whole {
            return collect(whole, role, depth - 1, into);
        }
    }
    if !object.contains_key("role") {
        for list in ["messages", "generations", "choices"] {
            if depth > 0 && matches!(object.get(list), Some(Json::Array(_))) {
                return collect(object.remove(list).unwrap_or_default(), role, depth - 1, into);
            }
        }
    }
    into.push(Message::of_object(object, role));
}

impl Message {
    fn of_text(role: &str, text: String) -> Self {
        Self { role: role.to_owned(), name: None, parts: vec![Part::Text(text)], finish_reason: None }
    }

    fn of_object(object: Map<String, Json>, role: &str) -> Self {
        let known = ["role", "type", "content", "text", "parts", "tool_calls"];
        if !known.iter().any(|key| object.contains_key(*key)) {
            return Self::of_text(role, Json::Object(object).to_string());
        }
        let role = role_of(&object).unwrap_or(role).to_owned();
        let name = text_of(&object, "name");
        let finish_reason = finish_reason_of(&object);
        Self { parts: parts_of(object, &role), role, name, finish_reason }
    }

    /// All text of it.
    pub(crate) fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) | Part::ToolResponse { response: Json::String(text), .. } => Some(text.clone()),
            Part::ToolResponse { response, .. } => Some(response.to_string()),
            Part::Other(json) => Some(json.to_string()),
            Part::Reasoning(_) | Part::ToolCall { .. } => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    fn object(&self) -> Map<String, Json> {
        let mut object = Map::new();
        object.insert("role".to_owned(), self.role.as_str().into());
        if let Some(name) = &self.name {
            object.insert("name".to_owned(), name.as_str().into());
        }
        object.insert("parts".to_owned(), self.parts.iter().map(Part::json).collect());
        object
    }

    /// One of `stop`, `length`, `content_filter`, `tool_call`, `error`.
    fn why_it_ended(&self, failed: bool) -> &'static str {
        match self.finish_reason.as_deref() {
            _ if failed => "error",
            Some("length" | "max_tokens" | "MAX_TOKENS") => "length",
            Some("content_filter" | "refusal" | "SAFETY") => "content_filter",
            Some("tool_calls" | "tool_use" | "tool_call" | "function_call") => "tool_call",
            None if self.parts.iter().any(|part| matches!(part, Part::ToolCall { .. })) => "tool_call",
            Some("error") => "error",
            _ => "stop",
        }
    }
}

impl Part {
    fn json(&self) -> Json {
        match self {
            Self::Text(content) => json!({ "type": "text", "content": content }),
            Self::Reasoning(content) => json!({ "type": "reasoning", "content": content }),
            Self::ToolCall { id, name, arguments } => {
                with_id(json!({ "type": "tool_call", "name": name, "arguments": arguments }), id.as_deref())
            }
            Self::ToolResponse { id, response } => {
                with_id(json!({ "type": "tool_call_response", "response": response }), id.as_deref())
            }
            Self::Other(json) => json.clone(),
        }
    }
}

fn with_id(mut part: Json, id: Option<&str>) -> Json {
    if let (Some(object), Some(id)) = (part.as_object_mut(), id) {
        object.insert("id".to_owned(), id.into());
    }
    part
}

/// The role, or the class of a message of `LangChain`.
fn role_of(object: &Map<String, Json>) -> Option<&str> {
    let role = object.get("role").and_then(Json::as_str);
    let class = object.get("type").and_then(Json::as_str);
    match role.or(class)? {
        "human" | "HumanMessage" => Some("user"),
        "ai" | "AIMessage" | "AIMessageChunk" | "model" => Some("assistant"),
        "developer" | "SystemMessage" => Some("system"),
        "function" | "ToolMessage" => Some("tool"),
        class @ ("system" | "tool") => Some(class),
        _ => role,
    }
}

fn finish_reason_of(object: &Map<String, Json>) -> Option<String> {
    let names = ["finish_reason", "stop_reason"];
    let metadata = object.get("response_metadata").and_then(Json::as_object);
    let places = [Some(object), metadata].into_iter().flatten();
    places.flat_map(|place| names.map(|name| text_of(place, name))).flatten().next()
}

fn parts_of(mut object: Map<String, Json>, role: &str) -> Vec<Part> {
    if let Some(Json::Array(parts)) = object.remove("parts") {
        return parts.into_iter().map(part_of).collect();
    }
    let content = object.remove("content").or_else(|| object.remove("text")).unwrap_or_default();
    if role == "tool" {
        return vec![Part::ToolResponse { id: text_of(&object, "tool_call_id"), response: content }];
    }
    let mut parts = match content {
        Json::Null => Vec::new(),
        Json::String(text) if text.is_empty() => Vec::new(),
        Json::Array(blocks) => blocks.into_iter().map(part_of).collect(),
        block => vec![part_of(block)],
    };
    // Anthropic's models name their calls among the blocks as well: those of the list say more.
    if let Some(Json::Array(calls)) = object.remove("tool_calls") {
        if !calls.is_empty() {
            parts.retain(|part| !matches!(part, Part::ToolCall { .. }));
        }
        parts.extend(calls.into_iter().map(tool_call));
    }
    parts
}

fn part_of(block: Json) -> Part {
    let mut object = match block {
        Json::String(text) => return Part::Text(text),
        Json::Object(object) => object,
        other => return Part::Other(other),
    };
    let mut take = |names: &[&str]| names.iter().find_map(|name| object.remove(*name));
    let kind = take(&["type"]);
    let kind_text = kind.as_ref().and_then(Json::as_str).unwrap_or_default();
    match kind_text {
        "text" | "input_text" | "output_text" => match take(&["text", "content"]) {
            Some(Json::String(text)) => Part::Text(text),
            other => Part::Other(other.unwrap_or_default()),
        },
        "thinking" | "reasoning" => match take(&["thinking", "reasoning", "content", "text"]) {
            Some(Json::String(text)) => Part::Reasoning(text),
            other => Part::Other(json!({ "type": "reasoning", "content": other })),
        },
        "tool_use" | "tool_call" | "function" => tool_call(Json::Object(object)),
        "tool_result" | "tool_call_response" => {
            let response = take(&["response", "content", "result"]).unwrap_or_default();
            Part::ToolResponse { id: text_of(&object, "tool_use_id").or(text_of(&object, "id")), response }
        }
        "image_url" => {
            let image = take(&["image_url"]).unwrap_or_default();
            let uri = image.get("url").cloned().unwrap_or(image);
            Part::Other(json!({ "type": "uri", "modality": "image", "uri": uri }))
        }
        _ => {
            if let Some(kind) = kind {
                object.insert("type".to_owned(), kind);
            }
            Part::Other(Json::Object(object))
        }
    }
}

fn tool_call(call: Json) -> Part {
    let Json::Object(mut object) = call else { return Part::Other(call) };
    let id = text_of(&object, "id");
    if let Some(Json::Object(function)) = object.remove("function") {
        object = function;
    }
    let name = text_of(&object, "name").unwrap_or_default();
    let given = ["arguments", "args", "input"].iter().find_map(|key| object.remove(*key)).unwrap_or_default();
    // Some providers write the arguments as a text that holds JSON.
    let arguments = match given {
        Json::String(text) => serde_json::from_str(&text).unwrap_or(Json::String(text)),
        other => other,
    };
    Part::ToolCall { id, name, arguments }
}

fn text_of(object: &Map<String, Json>, key: &str) -> Option<String> {
    object.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
