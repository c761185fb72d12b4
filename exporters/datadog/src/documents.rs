//! What a search found, as Datadog's documents.
//!
//! Rule: only the fields that Datadog knows, each of the type that it has there.

use charm_telemetry_core::trace::Content;
use serde_json::{Map, Value};

/// `output` of a retrieval span.
pub(crate) fn output(found: &Content) -> Value {
    let found_json = found.as_json().and_then(|json| serde_json::from_str(json.get()).ok());
    let mut output = Map::new();
    match found_json {
        Some(Value::Array(documents)) => {
            output.insert("documents".to_owned(), documents.iter().map(document).collect());
        }
        _ => {
            output.insert("value".to_owned(), found.text().into());
        }
    }
    output.into()
}

fn document(found: &Value) -> Value {
    let Value::Object(fields) = found else {
        return Map::from_iter([("text".to_owned(), plain(found).into())]).into();
    };
    let nested = fields.get("metadata").and_then(Value::as_object);
    let first = |names: &[&str]| {
        let of = |fields: &Map<String, Value>| {
            names.iter().find_map(|name| fields.get(*name).filter(|value| !value.is_null())).cloned()
        };
        of(fields).or_else(|| nested.and_then(of))
    };
    let mut document = Map::new();
    for (name, names) in [
        ("text", &["text", "page_content", "content"][..]),
        ("name", &["name", "title", "source"]),
        ("id", &["id"]),
    ] {
        if let Some(value) = first(names) {
            document.insert(name.to_owned(), plain(&value).into());
        }
    }
    if let Some(score) = first(&["score", "relevance_score"]).filter(Value::is_number) {
        document.insert("score".to_owned(), score);
    }
    if document.is_empty() {
        document.insert("text".to_owned(), found.to_string().into());
    }
    document.into()
}

/// The text of a JSON string, else the JSON as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
