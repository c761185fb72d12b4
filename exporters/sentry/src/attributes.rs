//! The attributes of a span, in both ways in which Sentry takes them.
//!
//! Rule: a value is a text, a number or a switch, never an object or a list: Sentry takes those without a word and shows
//! nothing.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Attribute<'a> {
    Text(Cow<'a, str>),
    Integer(u64),
    Double(f64),
    Boolean(bool),
}

/// Keys and values, in the order in which they were set; the first of a key counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes<'a>(Vec<(Cow<'a, str>, Attribute<'a>)>);

/// As a span of the second version has them: `"key": {"value": .., "type": ..}`.
pub(crate) struct Typed<'a>(pub(crate) &'a Attributes<'a>);

/// As a transaction has them: `"key": value`.
pub(crate) struct Plain<'a>(pub(crate) &'a Attributes<'a>);

impl<'a> Attributes<'a> {
    /// Sets a value, unless the key has one.
    pub(crate) fn set(&mut self, key: impl Into<Cow<'a, str>>, value: impl Into<Attribute<'a>>) {
        let key = key.into();
        if !self.0.iter().any(|(known, _)| *known == key) {
            self.0.push((key, value.into()));
        }
    }

    /// Sets a value, if there is one.
    pub(crate) fn set_some(&mut self, key: &'static str, value: Option<impl Into<Attribute<'a>>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }
}

impl Attribute<'_> {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Integer(_) => "integer",
            Self::Double(_) => "double",
            Self::Boolean(_) => "boolean",
        }
    }
}

impl Serialize for Attribute<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_u64(*number),
            Self::Double(number) => serializer.serialize_f64(*number),
            Self::Boolean(switch) => serializer.serialize_bool(*switch),
        }
    }
}

#[derive(serde::Serialize)]
struct TypedValue<'a> {
    value: &'a Attribute<'a>,
    r#type: &'static str,
}

impl Serialize for Typed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Attributes(all) = self.0;
        let mut map = serializer.serialize_map(Some(all.len()))?;
        for (key, value) in all {
            map.serialize_entry(key, &TypedValue { value, r#type: value.type_name() })?;
        }
        map.end()
    }
}

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Attributes(all) = self.0;
        let mut map = serializer.serialize_map(Some(all.len()))?;
        for (key, value) in all {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'a> From<&'a str> for Attribute<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Attribute<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Attribute<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Attribute<'_> {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Attribute<'_> {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<bool> for Attribute<'_> {
    fn from(switch: bool) -> Self {
        Self::Boolean(switch)
    }
}
