//! An event as the Charm protocol writes it: no line, one line, or two.
//!
//! Rule: the texts are those of the contract, to the letter; other programs match on them.

use serde_json::ser::Serializer;

use crate::event::{Event, EventKind};
use crate::protocol::EVENT_MARKER;

/// Of a tool's output so many characters are shown.
const SHOWN_OUTPUT: usize = 500;

/// Appends the lines for an event, each ending in a line feed.
pub(crate) fn encode(event: &Event, out: &mut Vec<u8>) {
    match &event.kind {
        // The rest of a secret.
        EventKind::LlmNewToken { token } if token.is_empty() => {}
        EventKind::LlmNewToken { token } => content_line(out, "delta", &[token]),
        EventKind::ToolStart { tool_name, input } => {
            content_line(out, "thinking", &["Using Tool: ", tool_name, "\nInput: ", input, "\n"]);
            line(out, |out| {
                out.extend_from_slice(b"{\"type\":\"tool_usage\",\"tool\":\"");
                escaped(out, tool_name);
                out.extend_from_slice(b"\",\"count\":1}");
            });
        }
        EventKind::ToolEnd { output, .. } => {
            content_line(
                out,
                "thinking",
                &["Tool Output: ", first_characters(output, SHOWN_OUTPUT), "...\n"],
            );
        }
        EventKind::ToolError { error, .. } => content_line(out, "thinking", &["Tool Error: ", error, "\n"]),
        EventKind::AgentAction { tool, tool_input } => {
            content_line(out, "thinking", &["Thought: I need to use ", tool, " with ", tool_input, "\n"]);
        }
        EventKind::Stream(event) => line(out, |out| out.extend_from_slice(event.json().as_bytes())),
        EventKind::RunStart { .. }
        | EventKind::RunEnd { .. }
        | EventKind::Error { .. }
        | EventKind::LlmStart(_)
        | EventKind::LlmEnd(_)
        | EventKind::LlmError { .. }
        | EventKind::RetrieverStart { .. }
        | EventKind::RetrieverEnd { .. }
        | EventKind::RetrieverError { .. } => {}
    }
}

/// `{"type":"<kind>","content":"<the parts, joined>"}`
fn content_line(out: &mut Vec<u8>, kind: &str, parts: &[&str]) {
    line(out, |out| {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"content\":\"");
        for part in parts {
            escaped(out, part);
        }
        out.extend_from_slice(b"\"}");
    });
}

fn line(out: &mut Vec<u8>, object: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(EVENT_MARKER.as_bytes());
    object(out);
    out.push(b'\n');
}

/// The inside of a JSON string: serde's own escaping, without its quotes.
fn escaped(out: &mut Vec<u8>, text: &str) {
    let start = out.len();
    serde::Serializer::serialize_str(&mut Serializer::new(&mut *out), text)
        .expect("a vector takes every byte");
    out.pop();
    out.remove(start);
}

fn first_characters(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}
