//! Makes a span fit into what Datadog takes.
//!
//! Rule: the span always leaves, and what was cut of it says so; lengths are those of the JSON that is sent.

use serde_json::{Value, json};

use crate::limits::MAX_SPAN_BYTES;
use crate::settings::Format;

/// How long texts may be, tried one after the other.
const TEXT_BYTES: [usize; 6] = [256 * 1024, 64 * 1024, 16 * 1024, 4 * 1024, 1024, SHORTEST];

const SHORTEST: usize = 128;

/// What stands in place of an input or an output of which nothing could be kept.
const LEFT_OUT: &str = "[left out: the span is larger than 1 MB]";

/// The parts of `meta` that can be long.
const LONG: [&str; 3] = ["input", "output", "error"];

/// The span as JSON: whole if it fits, else with its longest texts cut, else without input and output.
pub(crate) fn to_fit(mut span: Value, format: Format) -> Vec<u8> {
    let whole = bytes(&span);
    if whole.len() <= MAX_SPAN_BYTES {
        return whole;
    }
    span["meta"]["metadata"]["truncated"] = json!(true);
    tell(&mut span, format, "truncated_io");
    for limit in TEXT_BYTES {
        // Of the whole text each time: what was left out of a cut one is not what was left out of the span.
        let mut smaller = span.clone();
        for part in LONG {
            smaller["meta"].get_mut(part).into_iter().for_each(|long| cut(long, limit));
        }
        let smaller = bytes(&smaller);
        if smaller.len() <= MAX_SPAN_BYTES {
            return smaller;
        }
    }
    tell(&mut span, format, "dropped_io");
    for part in ["input", "output"] {
        if let Some(long) = span["meta"].get_mut(part) {
            *long = json!({ "value": LEFT_OUT });
        }
    }
    span["meta"].get_mut("error").into_iter().for_each(|error| cut(error, SHORTEST));
    bytes(&span)
}

/// As Datadog's libraries do. The public API documents no such field, so there the metadata alone tell.
fn tell(span: &mut Value, format: Format, what: &str) {
    if format == Format::Agent {
        span["collection_errors"] = json!([what]);
    }
}

fn bytes(span: &Value) -> Vec<u8> {
    span.to_string().into_bytes()
}

fn cut(value: &mut Value, limit: usize) {
    match value {
        Value::String(text) => cut_text(text, limit),
        Value::Array(values) => values.iter_mut().for_each(|value| cut(value, limit)),
        Value::Object(fields) => fields.values_mut().for_each(|value| cut(value, limit)),
        _ => {}
    }
}

fn cut_text(text: &mut String, limit: usize) {
    if text.len() <= limit {
        return;
    }
    let left_out = text.len() - text.floor_char_boundary(limit);
    text.truncate(text.floor_char_boundary(limit));
    text.push_str("... [");
    text.push_str(&left_out.to_string());
    text.push_str(" bytes cut]");
}
