//! Inputs and outputs, which LangSmith wants as objects.
//!
//! Rule: an object stays as the agent wrote it; anything else is put into one under the name that LangSmith shows best.

use charm_telemetry_core::RawValue;
use charm_telemetry_core::trace::{Content, SpanKind};

use crate::documents::documents;
use crate::sound_json::sound;

/// An object with nothing in it: what LangSmith's SDKs send for what is hidden.
pub(crate) const NOTHING: &str = "{}";

/// What a span was called with.
pub(crate) fn inputs(kind: SpanKind, content: &Content) -> String {
    wrap(kind, content, |json| match (kind, json) {
        (SpanKind::Llm, Shape::Strings) => ("{\"prompts\":", "}"),
        (SpanKind::Llm, Shape::Array) => ("{\"messages\":", "}"),
        (SpanKind::Llm, Shape::Other) => ("{\"messages\":[{\"role\":\"user\",\"content\":", "}]}"),
        (SpanKind::Retrieval, _) => ("{\"query\":", "}"),
        _ => ("{\"input\":", "}"),
    })
}

/// What came of it.
pub(crate) fn outputs(kind: SpanKind, content: &Content) -> String {
    if let Some(found) = found(kind, content) {
        return format!("{{\"documents\":{}}}", sound(&found));
    }
    wrap(kind, content, |json| match (kind, json) {
        (SpanKind::Llm, Shape::Array) => ("{\"messages\":", "}"),
        (SpanKind::Llm, _) => ("{\"role\":\"assistant\",\"content\":", "}"),
        _ => ("{\"output\":", "}"),
    })
}

/// The documents of a search.
fn found(kind: SpanKind, content: &Content) -> Option<String> {
    (kind == SpanKind::Retrieval).then(|| documents(content.as_json()?.get())).flatten()
}

/// The first bytes of a content that is too large as a whole.
pub(crate) fn cut(name: &str, content: &Content, bytes: usize) -> String {
    let text = content.text();
    let json = serde_json::Value::from(&text[..text.floor_char_boundary(bytes)]);
    format!("{{\"{name}\":{json}}}")
}

/// What JSON is, as far as it matters here. Objects need nothing around them.
#[derive(Clone, Copy)]
enum Shape {
    Strings,
    Array,
    Other,
}

fn wrap(kind: SpanKind, content: &Content, around: impl Fn(Shape) -> (&'static str, &'static str)) -> String {
    let json = json_of(kind, content);
    let mut inner = json.trim_start().bytes();
    let shape = match inner.next() {
        Some(b'{') => return sound(&json).into_owned(),
        Some(b'[') if inner.find(|byte| !byte.is_ascii_whitespace()) == Some(b'"') => Shape::Strings,
        Some(b'[') => Shape::Array,
        _ => Shape::Other,
    };
    let (before, after) = around(shape);
    format!("{before}{}{after}", sound(&json))
}

/// JSON as it is. Tools get and give text: it may be JSON, and is shown better so.
fn json_of(kind: SpanKind, content: &Content) -> std::borrow::Cow<'_, str> {
    let text = match (kind, content.as_json()) {
        (SpanKind::Tool, None) if !content.is_truncated() => content.text(),
        _ => return content.json_text(),
    };
    let looks_like_json = text.trim_start().starts_with(['{', '[']);
    if looks_like_json && serde_json::from_str::<&RawValue>(&text).is_ok() {
        return text;
    }
    content.json_text()
}
