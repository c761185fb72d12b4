//! Marks and values laid side by side into the tree of nodes.
//! One rule: `serde_yaml` gives every value; the marks only say which kind to ask it for, and where it stands.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::fault::Fault;
use super::marks::{Index, Kind, Mark, Marks};
use super::node::{Data, Entry, Node, Position, shortened};
use super::yaml11;

/// Reads the values of a text whose marks are known.
///
/// # Errors
///
/// When `serde_yaml` refuses what its own parser has let through: aliases that repeat too often.
pub(crate) fn compose(text: &str, marks: &Marks, root: Index) -> Result<Node, Fault> {
    Seed { marks, index: root }.deserialize(serde_yaml::Deserializer::from_str(text)).map_err(|error| {
        let position = error.location().map(|at| Position { line: at.line(), column: at.column() });
        Fault { position, message: format!("{error}; write it more simply"), fatal: true }
    })
}

/// One node to be read.
#[derive(Clone, Copy)]
struct Seed<'m> {
    marks: &'m Marks,
    index: Index,
}

impl<'m> Seed<'m> {
    fn mark(self) -> &'m Mark {
        self.marks.target(self.index)
    }

    fn at(self, index: Index) -> Self {
        Self { index, ..self }
    }

    fn node(self, source: &str, data: Data) -> Node {
        let source = if matches!(data, Data::List(_) | Data::Set(_) | Data::Map(_)) { "" } else { source };
        Node { position: self.marks.get(self.index).position, source: source.to_owned(), data }
    }

    fn children(self) -> &'m [Index] {
        match &self.mark().kind {
            Kind::List(children) | Kind::Map(children) => children,
            Kind::Scalar { .. } | Kind::Alias(_) => &[],
        }
    }

    /// Whether this is a bare `<<` or `=`, which mean something else as keys.
    fn is_bare(self) -> bool {
        matches!(self.mark().kind, Kind::Scalar { plain: true }) && self.tag().is_none()
    }

    /// The tag; `!` alone means none to the reference.
    fn tag(self) -> Option<&'m str> {
        self.mark().tag.as_deref().filter(|tag| *tag != "!")
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        match self.mark().kind {
            Kind::Scalar { .. } | Kind::Alias(_) => deserializer.deserialize_str(self),
            Kind::List(_) => deserializer.deserialize_seq(self),
            Kind::Map(_) => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the marks announce")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        let data = match self.tag() {
            Some(tag) => yaml11::tagged(tag, text).unwrap_or_else(|| unknown_tag(tag)),
            None if self.is_bare() => yaml11::plain(text),
            None => Data::Str(text.to_owned()),
        };
        Ok(self.node(text, data))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        for &child in self.children() {
            items.extend(values.next_element_seed(self.at(child))?);
        }
        Ok(self.node("", list(self.tag(), items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<Node, A::Error> {
        let (mut merged, mut own) = (Vec::new(), Vec::new());
        for pair in self.children().chunks_exact(2) {
            let (key, value) = (self.at(pair[0]), self.at(pair[1]));
            let Some(key_node) = values.next_key_seed(key)? else { break };
            let value = values.next_value_seed(value)?;
            match key_node.source.as_str() {
                "<<" if key.is_bare() => merge(&mut merged, key_node, value),
                "=" if key.is_bare() => {
                    let key = Node { data: Data::Str("=".into()), ..key_node };
                    own.push(Entry { key, value, merged: false });
                }
                _ => own.push(Entry { key: hashable(key_node), value, merged: false }),
            }
        }
        merged.append(&mut own);
        Ok(self.node("", map(self.tag(), merged)))
    }
}

const CORE: &str = "tag:yaml.org,2002:";

fn unknown_tag(tag: &str) -> Data {
    let tag = match tag.strip_prefix(CORE) {
        Some(name) => format!("!!{name}"),
        None => tag.to_owned(),
    };
    let tag = shortened(&tag);
    Data::Bad(format!("the tag `{tag}` cannot stand here; remove it, or put the text in quotes"))
}

fn list(tag: Option<&str>, items: Vec<Node>) -> Data {
    let Some(tag) = tag else { return Data::List(items) };
    match tag.strip_prefix(CORE) {
        Some("seq") => Data::List(items),
        Some("omap" | "pairs") => Data::List(items.into_iter().map(pair).collect()),
        _ => unknown_tag(tag),
    }
}

fn pair(item: Node) -> Node {
    let data = match &item.data {
        Data::Map(entries) if entries.len() == 1 => Data::Pair,
        _ => Data::Bad(
            "an item of `!!omap` is a mapping of one key; remove the tag or correct the item".into(),
        ),
    };
    Node { data, ..item }
}

fn map(tag: Option<&str>, entries: Vec<Entry>) -> Data {
    let Some(tag) = tag else { return Data::Map(entries) };
    match tag.strip_prefix(CORE) {
        Some("map") => Data::Map(entries),
        Some("set") => Data::Set(entries.into_iter().map(|entry| entry.key).collect()),
        _ => unknown_tag(tag),
    }
}

/// Collections cannot be keys.
fn hashable(key: Node) -> Node {
    if matches!(key.data, Data::List(_) | Data::Set(_) | Data::Map(_) | Data::Pair) {
        let message = format!("a key is a text, not {}; write it out", key.describe());
        return Node { data: Data::Bad(message), ..key };
    }
    key
}

/// Takes over the entries of what `<<` names. What is taken first may be overridden by what comes later, and all
/// of it by the mapping's own keys; of a list of mappings the first one wins.
fn merge(merged: &mut Vec<Entry>, key: Node, value: Node) {
    match value.data {
        Data::Map(entries) => take(merged, entries),
        Data::List(items) => {
            for item in items.into_iter().rev() {
                match item.data {
                    Data::Map(entries) => take(merged, entries),
                    _ => merged.push(unmergeable(item.clone(), &item)),
                }
            }
        }
        _ => {
            let entry = unmergeable(key, &value);
            merged.push(entry);
        }
    }
}

fn take(merged: &mut Vec<Entry>, entries: Vec<Entry>) {
    merged.extend(entries.into_iter().map(|entry| Entry { merged: true, ..entry }));
}

fn unmergeable(key: Node, value: &Node) -> Entry {
    let message = format!(
        "`<<` takes over a mapping or a list of mappings, not {}; correct what it names",
        value.describe()
    );
    let value = Node { position: key.position, source: String::new(), data: Data::Null };
    Entry { key: Node { data: Data::Bad(message), ..key }, value, merged: false }
}
