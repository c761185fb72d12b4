//! What went into a call or came out of it: JSON where the agent gave JSON, else text.
//!
//! Rule: JSON is kept as it was written; what had to be cut is text, and says so.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

/// An input or an output.
///
/// ```
/// use charm_telemetry_core::trace::Content;
///
/// let content = Content::from_json(&serde_json::value::to_raw_value("hi").unwrap());
/// assert_eq!(content.json_text(), r#""hi""#);
/// assert_eq!(content.text(), "hi");
/// ```
#[derive(Clone, Debug)]
pub struct Content {
    body: Body,
    truncated: bool,
}

#[derive(Clone, Debug)]
enum Body {
    Json(Box<RawValue>),
    Text(Box<str>),
}

impl Content {
    /// JSON as the agent gave it.
    pub fn from_json(json: &RawValue) -> Self {
        Self { body: Body::Json(json.to_owned()), truncated: false }
    }

    /// Text.
    pub fn from_text(text: impl Into<Box<str>>) -> Self {
        Self { body: Body::Text(text.into()), truncated: false }
    }

    /// The first part of a text that was too long.
    pub(super) fn cut(text: impl Into<Box<str>>) -> Self {
        Self { body: Body::Text(text.into()), truncated: true }
    }

    /// The JSON, if it is JSON. Text that was cut from JSON is not.
    pub fn as_json(&self) -> Option<&RawValue> {
        match &self.body {
            Body::Json(json) => Some(json),
            Body::Text(_) => None,
        }
    }

    /// For people: the text, the text within a JSON string, or the JSON as text.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.body {
            Body::Text(text) => Cow::Borrowed(text),
            Body::Json(json) if json.get().starts_with('"') => {
                serde_json::from_str(json.get()).map_or(Cow::Borrowed(json.get()), Cow::Owned)
            }
            Body::Json(json) => Cow::Borrowed(json.get()),
        }
    }

    /// As JSON: text becomes a JSON string.
    #[expect(clippy::missing_panics_doc, reason = "it cannot")]
    pub fn json_text(&self) -> Cow<'_, str> {
        match &self.body {
            Body::Json(json) => Cow::Borrowed(json.get()),
            Body::Text(text) => {
                Cow::Owned(serde_json::to_string(text).expect("a string can always be written as JSON"))
            }
        }
    }

    /// Whether a part was cut off, to bound what is held in memory.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Its size in bytes, as it is held.
    pub fn len(&self) -> usize {
        match &self.body {
            Body::Json(json) => json.get().len(),
            Body::Text(text) => text.len(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// JSON stays JSON, text becomes a JSON string.
impl Serialize for Content {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.body {
            Body::Json(json) => json.serialize(serializer),
            Body::Text(text) => text.serialize(serializer),
        }
    }
}
