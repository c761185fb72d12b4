//! A `charm.yaml` as a tree in which everything knows its place.
//! One rule: the tree holds what the reference's YAML reader would have made of the file, nothing nicer.

use serde_yaml::{Mapping, Value};

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) position: Position,
    /// The text of a scalar as it was written, without quotes; empty for collections.
    pub(crate) source: String,
    pub(crate) data: Data,
}

/// The types that YAML 1.1 has and the reference tells apart.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    /// Out of range is kept as the nearest bound: no rule looks further than the sign.
    Int(i128),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    Timestamp,
    List(Vec<Node>),
    /// One entry of an `!!omap` or `!!pairs`.
    Pair,
    Map(Vec<Entry>),
    Set(Vec<Node>),
    /// Something that cannot be read as the reference reads it, and why.
    Bad(String),
}

/// A key with its value. A mapping keeps entries that a later one overrides: they may have problems too.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Node,
    pub(crate) value: Node,
    /// Came in by `<<`.
    pub(crate) merged: bool,
}

impl Node {
    /// The value of a key of a mapping: of several the last one counts.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let Data::Map(entries) = &self.data else { return None };
        entries.iter().rev().find(|entry| entry.key.as_str() == Some(key)).map(|entry| &entry.value)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Whether quotes would make a text of it.
    pub(crate) fn is_unquoted(&self) -> bool {
        matches!(self.data, Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Timestamp)
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.data, Data::Null)
    }

    /// The items of what the reference takes for a list: sets as well.
    pub(crate) fn items(&self) -> Option<&[Node]> {
        match &self.data {
            Data::List(items) | Data::Set(items) => Some(items),
            _ => None,
        }
    }

    /// The node at a path as problems give it: `runtime.telemetry[2]`.
    pub(crate) fn find(&self, path: &str) -> Option<&Node> {
        if path.is_empty() {
            return Some(self);
        }
        if let Some(rest) = path.strip_prefix('[') {
            let (index, rest) = rest.split_once(']')?;
            let item = self.items()?.get(index.parse::<usize>().ok()?)?;
            return item.find(rest.strip_prefix('.').unwrap_or(rest));
        }
        let Data::Map(entries) = &self.data else { return None };
        // A key may hold dots itself, so every key that fits is tried.
        entries.iter().rev().find_map(|entry| entry.value.find(after_key(path, entry.key.as_str()?)?))
    }

    /// The node as a plain value, for the parts of the manifest that are kept as they are.
    pub(crate) fn to_value(&self) -> Value {
        match &self.data {
            Data::Null | Data::Bad(_) | Data::Pair => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Int(value) => integer(*value),
            Data::Float(value) => Value::from(*value),
            Data::Str(text) => Value::String(text.clone()),
            Data::Bytes(bytes) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
            Data::Timestamp => Value::String(self.source.clone()),
            Data::List(items) | Data::Set(items) => items.iter().map(Node::to_value).collect(),
            Data::Map(entries) => Value::Mapping(
                entries
                    .iter()
                    .map(|entry| (entry.key.to_value(), entry.value.to_value()))
                    .collect::<Mapping>(),
            ),
        }
    }

    /// What it is, for people: the number `0.4`, a list.
    pub(crate) fn describe(&self) -> String {
        let source = shortened(&self.source);
        match &self.data {
            Data::Null => "nothing".into(),
            Data::Bool(_) => format!("the boolean `{source}`"),
            Data::Int(_) | Data::Float(_) => format!("the number `{source}`"),
            Data::Str(_) => format!("the text `{source}`"),
            Data::Bytes(_) => "binary data".into(),
            Data::Timestamp => format!("the date `{source}`"),
            Data::List(_) => "a list".into(),
            Data::Pair => "a pair".into(),
            Data::Map(_) => "a mapping".into(),
            Data::Set(_) => "a set".into(),
            Data::Bad(_) => "something unreadable".into(),
        }
    }
}

/// An integer as a value; past 64 bits the nearest float, as YAML knows no limit.
pub(crate) fn integer(value: i128) -> Value {
    if let Ok(value) = i64::try_from(value) {
        return Value::from(value);
    }
    match u64::try_from(value) {
        Ok(value) => Value::from(value),
        #[expect(clippy::cast_precision_loss, reason = "an approximation is all a double can hold")]
        Err(_) => Value::from(value as f64),
    }
}

/// A text to be shown in a message: one line, not more than 60 characters, and nothing a terminal would obey.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.split(['\n', '\r']).next().unwrap_or_default();
    let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut short: String = line.chars().take(LONGEST).map(printable).collect();
    if line.len() < text.len() || line.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

fn after_key<'a>(path: &'a str, key: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(key)?;
    if rest.is_empty() || rest.starts_with('[') { Some(rest) } else { rest.strip_prefix('.') }
}
