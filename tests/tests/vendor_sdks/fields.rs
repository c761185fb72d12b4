//! JSON as fields: a path and a text.
//!
//! Rule: nothing of a value is lost but what a mask names; JSON within a text is looked into, and its path says so (`:json`).

use std::collections::BTreeMap;

use serde_json::Value;

/// What one thing says: a span, an event, a request.
pub(crate) type Fields = BTreeMap<String, String>;

/// The labels of the things that were told, with what each says.
pub(crate) type Told = Vec<(String, Fields)>;

/// Adds `value` under `path`.
pub(crate) fn flatten(path: &str, value: &Value, into: &mut Fields) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| flatten(&join(path, name), value, into));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(n, item)| flatten(&join(path, &n.to_string()), item, into));
        }
        Value::String(text) => match inner_json(text) {
            Some(json) => flatten(&format!("{path}:json"), &json, into),
            None => drop(into.insert(path.to_owned(), text.clone())),
        },
        other => drop(into.insert(path.to_owned(), other.to_string())),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

fn inner_json(text: &str) -> Option<Value> {
    let structure = text.starts_with(['{', '[']);
    serde_json::from_str(text).ok().filter(|_| structure)
}

/// Puts `mask` in place of the value of each of these fields that is there.
pub(crate) fn mask(fields: &mut Fields, names: &[&str], mask: &str) {
    for (name, value) in fields.iter_mut() {
        if names.iter().any(|pattern| matches(pattern, name)) {
            mask.clone_into(value);
        }
    }
}

/// Puts names in place of ids, wherever they are.
pub(crate) fn name_ids(told: &mut Told, ids: &[(String, String)]) {
    for value in told.iter_mut().flat_map(|(_, fields)| fields.values_mut()) {
        for (id, name) in ids.iter().filter(|(id, _)| id.len() > 8) {
            if value.contains(id.as_str()) {
                *value = value.replace(id, &format!("<{name}>"));
            }
        }
    }
}

/// Whether a name is what the pattern says; `*` is any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(left) = name.strip_prefix(start) else { return false };
    rest.is_empty() || left.char_indices().any(|(at, _)| matches(rest, &left[at..])) || matches(rest, "")
}

#[test]
fn a_pattern_is_the_name_or_has_stars_for_what_may_be_anything() {
    for (pattern, name) in [("a/b", "a/b"), ("a/*", "a/b/c"), ("*/c", "a/b/c"), ("a*c", "abc"), ("a*", "a")] {
        assert!(matches(pattern, name), "{pattern} {name}");
    }
    for (pattern, name) in [("a/b", "a/bc"), ("a/*", "b/a/c"), ("*/c", "a/b"), ("a*c", "acb")] {
        assert!(!matches(pattern, name), "{pattern} {name}");
    }
}
