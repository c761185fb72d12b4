//! Tells event lines from text.
//! The one rule: whatever a line holds, it spoils no line but itself.
//!
//! A line is an event if it *starts* with a marker and goes on with one JSON object that has a string `type`, and
//! nothing after it. A marker later in a line is text, so an agent that logs an event line inside a sentence forges
//! nothing; an agent that prints one at the start of a line is believed, because stdout is the agent's own voice.
//!
//! | in the object | decided |
//! |---|---|
//! | the same key twice | the last one counts, as for Python and browsers |
//! | a lone surrogate escape (`\ud800`) | an event, passed on untouched; see [`EventLine::decodable`] |
//! | a number of any size | not looked at |
//! | `NaN`, `Infinity` | malformed: they are not JSON, and a browser refuses them |
//! | a bare carriage return between tokens | malformed: Server-Sent Events end a line there |

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::marker::strip_marker;
use super::surrogate::replace_lone_surrogates;

/// How deep objects and arrays may nest, the event object included: as deep as `serde_json` decodes, so that no event
/// passes here and fails there for its depth.
///
/// ```
/// use charm_telemetry_core::protocol::{Line, MAX_DEPTH, Malformed, parse_line};
///
/// let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
/// let line = |depth| format!(r#"__CHARM_EVENT__{{"type":"delta","content":{}}}"#, nested(depth));
/// assert!(matches!(parse_line(line(MAX_DEPTH - 1).as_bytes()), Line::Event(_)));
/// assert_eq!(parse_line(line(MAX_DEPTH).as_bytes()), Line::Malformed(Malformed::TooDeep));
/// ```
pub const MAX_DEPTH: usize = 127;

/// What one line of an agent's stdout is.
///
/// ```
/// use charm_telemetry_core::protocol::{Line, parse_line};
///
/// let kind = |line: &str| match parse_line(line.as_bytes()) {
///     Line::Event(event) => event.kind.into_owned(),
///     Line::Malformed(why) => format!("malformed: {why}"),
///     Line::Text(_) => "text".to_owned(),
/// };
/// assert_eq!(kind(r#"__CHARM_EVENT__{"type":"delta"}"#), "delta");
/// assert_eq!(kind("loading model"), "text");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// An event.
    Event(EventLine<'a>),
    /// A marker without a usable object behind it: to be counted, and shown as a log line.
    Malformed(Malformed),
    /// Anything else the agent printed.
    Text(&'a [u8]),
}

/// One event as it stood on its line.
///
/// ```
/// use charm_telemetry_core::StreamEvent;
/// use charm_telemetry_core::protocol::{Line, parse_line};
///
/// let Line::Event(line) = parse_line(br#"__CHARM_EVENT__ {"type": "mood", "of": 3}"#) else {
///     panic!("a type that nobody knows is an event too");
/// };
/// assert_eq!(line.kind, "mood");
/// assert_eq!(StreamEvent::from(line).json(), r#"{"type": "mood", "of": 3}"#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLine<'a> {
    /// The value of `type`: borrowed unless it was written with escapes.
    pub kind: Cow<'a, str>,
    /// The whole object, byte for byte, without the marker and the space around it.
    pub json: &'a str,
}

impl<'a> EventLine<'a> {
    /// The object in a form that a strict decoder accepts: lone surrogate escapes, which no UTF-8 string can hold,
    /// become `\ufffd`. Borrowed where there are none.
    ///
    /// ```
    /// use charm_telemetry_core::protocol::{Line, parse_line};
    ///
    /// let Line::Event(event) = parse_line(br#"__CHARM_EVENT__{"type":"delta","content":"\ud83d"}"#) else {
    ///     panic!("a lone surrogate is no reason to lose an event");
    /// };
    /// assert_eq!(event.json, r#"{"type":"delta","content":"\ud83d"}"#);
    /// assert_eq!(event.decodable(), r#"{"type":"delta","content":"\ufffd"}"#);
    /// ```
    pub fn decodable(&self) -> Cow<'a, str> {
        replace_lone_surrogates(self.json)
    }
}

/// Why a line with a marker is no event.
///
/// ```
/// use charm_telemetry_core::protocol::{Line, Malformed, parse_line};
///
/// let line = parse_line(br#"__CHARM_EVENT__{"content":"Hel"}"#);
/// assert_eq!(line, Line::Malformed(Malformed::NoType));
/// assert_eq!(Malformed::NoType.to_string(), "the event has no `type`; give it one, such as `thinking`");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Some byte is not UTF-8.
    #[error("the event is not UTF-8 from byte {valid_up_to} of its object; write events in UTF-8")]
    NotUtf8 {
        /// How many bytes behind the marker are good.
        valid_up_to: usize,
    },
    /// A line break stands between the tokens.
    #[error("the event has a bare line break in it; write each event on one line")]
    LineBreak,
    /// The text is not JSON, or something follows the object.
    #[error("the event is not one JSON object: broken at column {column} behind the marker")]
    NotJson {
        /// Where the parser gave up, counted in bytes from 1.
        column: usize,
    },
    /// JSON, but no object.
    #[error("the event is not a JSON object; write `{{\"type\": ..}}` behind the marker")]
    NotAnObject,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("the event nests deeper than {MAX_DEPTH} levels; flatten it")]
    TooDeep,
    /// No `type`.
    #[error("the event has no `type`; give it one, such as `thinking`")]
    NoType,
    /// A `type` that is not a string.
    #[error("the `type` of the event is not a string; write it in quotes")]
    TypeNotString,
}

/// Says what `line` is; the line comes without its line end.
///
/// Borrows everything, needs memory for escapes in `type` and one byte a level of nesting, and recurses no deeper
/// than one object whatever the input.
///
/// ```
/// use charm_telemetry_core::protocol::{Line, parse_line};
///
/// let Line::Event(event) = parse_line(br#"__CHARM_EVENT__{"type": "delta", "content": "Hel"}"#) else {
///     panic!("this is an event");
/// };
/// assert_eq!(event.kind, "delta");
/// assert_eq!(event.json, r#"{"type": "delta", "content": "Hel"}"#);
/// assert_eq!(parse_line(b"loading model"), Line::Text(b"loading model"));
/// ```
pub fn parse_line(line: &[u8]) -> Line<'_> {
    match strip_marker(line).map(parse_object) {
        None => Line::Text(line),
        Some(Ok(event)) => Line::Event(event),
        Some(Err(why)) => Line::Malformed(why),
    }
}

fn parse_object(bytes: &[u8]) -> Result<EventLine<'_>, Malformed> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Malformed::NotUtf8 { valid_up_to: error.valid_up_to() })?;
    let json = text.trim_matches([' ', '\t']);
    let has_control = json.bytes().fold(u8::MAX, u8::min) < b' ';
    if has_control && json.contains(['\n', '\r']) {
        return Err(Malformed::LineBreak);
    }
    if nests_too_deep(json.as_bytes()) {
        return Err(Malformed::TooDeep);
    }
    let indent = text.len() - text.trim_start_matches([' ', '\t']).len();
    let not_json = |error: serde_json::Error| Malformed::NotJson { column: indent + error.column() };
    let is_object = json.starts_with('{');
    if has_control || !is_object {
        // Keys read as bytes, as below, may hold bare control characters; read as nothing they may not.
        serde_json::from_str::<IgnoredAny>(json).map_err(not_json)?;
    }
    if !is_object {
        return Err(Malformed::NotAnObject);
    }
    let mut parser = serde_json::Deserializer::from_str(json);
    let kind = parser.deserialize_map(TypeOfObject).map_err(not_json)?;
    parser.end().map_err(not_json)?;
    match kind {
        Type::Missing => Err(Malformed::NoType),
        Type::NotString => Err(Malformed::TypeNotString),
        Type::Is(kind) => Ok(EventLine { kind, json }),
    }
}

/// Whether brackets outside strings are ever open more than [`MAX_DEPTH`] deep.
///
/// Looked at before the text is known to be JSON: on broken text the answer may be wrong, and the line is malformed
/// either way.
fn nests_too_deep(json: &[u8]) -> bool {
    let opening = |byte: &&u8| matches!(byte, b'{' | b'[');
    // Short lines and lines with few brackets, so nearly all, are done here without a look at their strings.
    if json.len() <= 2 * MAX_DEPTH || json.iter().filter(opening).count() <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// What is known of `type` so far.
enum Type<'de> {
    Missing,
    NotString,
    Is(Cow<'de, str>),
}

/// Walks the object's own keys and skips every value but that of `type`.
struct TypeOfObject;

impl<'de> Visitor<'de> for TypeOfObject {
    type Value = Type<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Type<'de>, A::Error> {
        let mut kind = Type::Missing;
        while let Some(is_type) = map.next_key_seed(IsTypeKey)? {
            if is_type {
                kind = map.next_value_seed(TypeValue)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(kind)
    }
}

/// Whether a key is `type`. Asks for bytes, because a key may hold a lone surrogate and a string must not.
struct IsTypeKey;

impl<'de> DeserializeSeed<'de> for IsTypeKey {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<bool, D::Error> {
        key.deserialize_bytes(self)
    }
}

impl Visitor<'_> for IsTypeKey {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<bool, E> {
        Ok(key == b"type")
    }
}

/// The value of `type`, of any kind.
struct TypeValue;

impl<'de> DeserializeSeed<'de> for TypeValue {
    type Value = Type<'de>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Type<'de>, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TypeValue {
    type Value = Type<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, kind: &'de str) -> Result<Type<'de>, E> {
        Ok(Type::Is(Cow::Borrowed(kind)))
    }

    fn visit_str<E>(self, kind: &str) -> Result<Type<'de>, E> {
        Ok(Type::Is(Cow::Owned(kind.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Type<'de>, E> {
        Ok(Type::NotString)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Type<'de>, E> {
        Ok(Type::NotString)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Type<'de>, E> {
        Ok(Type::NotString)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Type<'de>, E> {
        Ok(Type::NotString)
    }

    fn visit_unit<E>(self) -> Result<Type<'de>, E> {
        Ok(Type::NotString)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Type<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Type::NotString)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Type<'de>, A::Error> {
        while map.next_key_seed(IsTypeKey)?.is_some() {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(Type::NotString)
    }
}

#[cfg(test)]
mod tests;
