//! Questions that many rules ask of JSON.
//!
//! Rule: what is not there is right here; a rule that wants it to be there asks for that by itself.

use serde_json::{Map, Value};

/// Whether nothing is there, or a text.
pub(super) fn is_text_if_any(value: &Value) -> bool {
    value.is_null() || value.is_string()
}

/// A text that is not empty.
pub(super) fn is_some_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

/// Whether nothing is there, or an object.
pub(super) fn is_object_if_any(value: &Value) -> bool {
    value.is_null() || value.is_object()
}

/// Whether nothing is there, or a list of objects.
pub(super) fn is_objects_if_any(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(|list| list.iter().all(Value::is_object))
}

/// Whether nothing is there, or a list of texts.
pub(super) fn is_texts_if_any(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
}

/// The fields of an object; of anything else there are none.
pub(super) fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// What is in a list; in anything else there is nothing.
pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Whether an object has no field but these.
pub(super) fn has_only(value: &Value, known: &[&str]) -> bool {
    fields(value).all(|(name, _)| known.contains(&name.as_str()))
}

/// The value of a tag.
pub(super) fn tag<'a>(span: &'a Value, key: &str) -> Option<&'a str> {
    let pairs = items(&span["tags"]).filter_map(|tag| tag.as_str()?.split_once(':'));
    pairs.into_iter().find_map(|(name, value)| (name == key).then_some(value))
}

/// The name of an application as Datadog takes it.
pub(super) fn is_application(name: &str) -> bool {
    let character = |c: char| c.is_alphanumeric() && !c.is_uppercase() || "_-:./".contains(c);
    (1..=193).contains(&name.chars().count())
        && name.chars().all(character)
        && !name.contains("__")
        && !name.ends_with('_')
}
