//! The tree held against the schema: every problem, and the values as they are meant.
//! One rule: a problem never hides another one; only what is below an unreadable value is not looked at.

use std::fmt::Write;

use serde_yaml::{Mapping, Value};

use crate::{Location, Problem, Problems, suggest};

use super::node::{Data, Entry, Node, Position, integer};
use super::schema::{ENVIRONMENT_VARIABLES, Field, Kind, MANIFEST, MODEL_VARIABLES};
use super::values;
use super::wording;

/// All problems of the manifest, and its values normalized: keys that are known, texts that stand for numbers
/// as numbers. The values are of use only when no problem is an error.
pub(crate) fn check(file: &str, root: &Node) -> (Value, Problems) {
    let mut checker = Checker { file, path: Path::default(), problems: Problems::default() };
    let value = checker.manifest(root);
    (value, checker.problems)
}

struct Checker<'a> {
    file: &'a str,
    path: Path,
    problems: Problems,
}

impl Checker<'_> {
    fn manifest(&mut self, root: &Node) -> Value {
        if let Data::Map(entries) = &root.data {
            for entry in entries.iter().filter(|entry| !is_readable_key(&entry.key)) {
                if !matches!(entry.key.data, Data::Bad(_)) {
                    self.error(entry.key.position, wording::top_key(&entry.key));
                }
            }
        }
        let value = self.object(root, MANIFEST).unwrap_or_default();
        self.entry_point(root);
        value
    }

    /// The one rule that needs two keys.
    fn entry_point(&mut self, root: &Node) {
        let Some(adapter) = root.find("runtime.adapter").filter(|node| matches!(node.data, Data::Map(_)))
        else {
            return;
        };
        let Some(kind) = adapter.get("type").and_then(values::text).filter(|kind| kind != "openclaw") else {
            return;
        };
        let entry_point = adapter.get("entry_point");
        let missing = entry_point.is_none_or(|node| {
            node.is_null() || values::text(node).is_some_and(|text| text.trim().is_empty())
        });
        if missing {
            let position = entry_point.unwrap_or(adapter).position;
            self.path.0 = "runtime.adapter.entry_point".into();
            self.error(position, wording::entry_point(&kind));
            self.path.0.clear();
        }
    }

    fn object(&mut self, node: &Node, fields: &'static [Field]) -> Option<Value> {
        let Data::Map(entries) = &node.data else {
            return self.unfit(node, &wording::object(fields));
        };
        self.repeated(entries);
        let mut values = Mapping::new();
        for field in fields {
            let found = node.get(field.name);
            let mark = self.path.key(field.name);
            match found {
                None if field.required => self.error(node.position, wording::missing(field)),
                None => {}
                Some(value) => {
                    if let Some(value) = self.field(value, field) {
                        values.insert(field.name.into(), value);
                    }
                }
            }
            self.path.back(mark);
        }
        self.others(entries, fields);
        Some(Value::Mapping(values))
    }

    fn field(&mut self, value: &Node, field: &Field) -> Option<Value> {
        if let Some(instead) = field.deprecated {
            self.warning(value.position, format!("`{}` is deprecated; {instead}", field.name));
        }
        if field.nullable && value.is_null() { Some(Value::Null) } else { self.value(value, field.kind) }
    }

    fn value(&mut self, node: &Node, kind: Kind) -> Option<Value> {
        match kind {
            Kind::Text => self.text(node, "a text", |_| true),
            Kind::Matching(pattern) => self.text(node, pattern.wanted(), |text| pattern.matches(text)),
            Kind::OneOf(choices) => self.choice(node, choices),
            Kind::Bool => self.scalar(node, "`true` or `false`", values::bool(node).map(Value::Bool)),
            Kind::Int { least } => {
                let number = values::int(node).filter(|number| least.is_none_or(|least| *number >= least));
                self.scalar(node, &wording::int(least), number.map(integer))
            }
            Kind::Float => self.scalar(node, "a number", values::float(node).map(Value::from)),
            Kind::Texts => {
                self.list(node, "a list of texts", |checker, item| checker.value(item, Kind::Text))
            }
            Kind::Objects(fields) => self.list(node, "a list", |checker, item| checker.object(item, fields)),
            Kind::Object(fields) => self.object(node, fields),
            Kind::Free => self.free(node),
            Kind::EnvironmentVariables => self.environment_variables(node),
            Kind::Telemetry => self.telemetry(node),
        }
    }

    fn text(&mut self, node: &Node, wanted: &str, fits: impl Fn(&str) -> bool) -> Option<Value> {
        match values::text(node) {
            Some(text) if fits(&text) => Some(text.into()),
            None if node.is_unquoted() && fits(&node.source) => {
                self.error(node.position, wording::unquoted(node, wanted));
                None
            }
            _ => self.unfit(node, wanted),
        }
    }

    fn scalar(&mut self, node: &Node, wanted: &str, value: Option<Value>) -> Option<Value> {
        if value.is_some() { value } else { self.unfit(node, wanted) }
    }

    fn choice(&mut self, node: &Node, choices: &'static [&'static str]) -> Option<Value> {
        match node.as_str() {
            Some(text) if choices.contains(&text) => Some(text.into()),
            _ => self.unfit(node, &wording::one_of(choices, node)),
        }
    }

    fn list(
        &mut self,
        node: &Node,
        wanted: &str,
        mut item: impl FnMut(&mut Self, &Node) -> Option<Value>,
    ) -> Option<Value> {
        let Some(items) = node.items() else { return self.unfit(node, wanted) };
        let mut values = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let mark = self.path.index(index);
            values.extend(item(self, node));
            self.path.back(mark);
        }
        Some(Value::Sequence(values))
    }

    fn free(&mut self, node: &Node) -> Option<Value> {
        let Data::Map(entries) = &node.data else { return self.unfit(node, "a mapping") };
        for entry in entries {
            if !is_readable_key(&entry.key) && !matches!(entry.key.data, Data::Bad(_)) {
                self.error(entry.key.position, wording::free_key(&entry.key));
            }
        }
        self.readable(node);
        Some(node.to_value())
    }

    fn environment_variables(&mut self, node: &Node) -> Option<Value> {
        if !matches!(node.data, Data::List(_)) {
            return self.object(node, ENVIRONMENT_VARIABLES);
        }
        let list = self.list(node, "a list of names", |checker, item| checker.value(item, Kind::Text))?;
        let names = list.as_sequence().cloned().unwrap_or_default();
        let (models, tools): (Vec<_>, Vec<_>) = names
            .into_iter()
            .partition(|name| name.as_str().is_some_and(|name| MODEL_VARIABLES.contains(&name)));
        Some(Value::Mapping(Mapping::from_iter([
            ("models".into(), Value::Sequence(models)),
            ("tools".into(), Value::Sequence(tools)),
        ])))
    }

    fn telemetry(&mut self, node: &Node) -> Option<Value> {
        if matches!(node.data, Data::Map(_)) {
            self.readable(node);
            self.error(node.position, wording::TELEMETRY_MAPPING);
            return None;
        }
        self.list(node, "a list of exporter names", |checker, item| {
            if !matches!(item.data, Data::Map(_)) {
                return checker.value(item, Kind::Text);
            }
            checker.readable(item);
            checker.error(item.position, wording::TELEMETRY_MAPPING);
            None
        })
    }

    /// Says what the value should have been, and what else is wrong within it.
    fn unfit(&mut self, node: &Node, wanted: &str) -> Option<Value> {
        if !matches!(node.data, Data::Bad(_)) {
            self.error(node.position, wording::unfit(node, wanted));
        }
        self.readable(node);
        None
    }

    /// Keys that are not in the schema: no error, but worth a word.
    fn others(&mut self, entries: &[Entry], fields: &'static [Field]) {
        for entry in entries {
            let Some(key) = entry.key.as_str() else {
                self.odd_key(entry);
                continue;
            };
            if fields.iter().any(|field| field.name == key) {
                continue;
            }
            let mark = self.path.key(key);
            let known = || fields.iter().map(|field| field.name);
            self.warning(entry.key.position, wording::unknown_key(key, suggest(key, known()), known()));
            self.readable(&entry.value);
            self.path.back(mark);
        }
    }

    fn odd_key(&mut self, entry: &Entry) {
        self.readable(&entry.key);
        if !self.path.0.is_empty() && !matches!(entry.key.data, Data::Bad(_)) {
            self.warning(entry.key.position, wording::ignored_key(&entry.key));
        }
        self.readable(&entry.value);
    }

    /// Keys that are set more than once, and what is wrong in the values that do not count.
    fn repeated(&mut self, entries: &[Entry]) {
        for (index, entry) in entries.iter().enumerate() {
            let Some(key) = entry.key.as_str() else { continue };
            let Some(later) = entries[index + 1..].iter().find(|later| later.key.as_str() == Some(key))
            else {
                continue;
            };
            let mark = self.path.key(key);
            if !entry.merged {
                self.warning(later.key.position, wording::repeated(key, entry.key.position));
            }
            self.readable(&entry.value);
            self.path.back(mark);
        }
    }

    /// Looks through a value that no rule is about for what cannot be read at all.
    fn readable(&mut self, node: &Node) {
        match &node.data {
            Data::Bad(message) => self.error(node.position, message),
            Data::List(items) | Data::Set(items) => {
                for (index, item) in items.iter().enumerate() {
                    let mark = self.path.index(index);
                    self.readable(item);
                    self.path.back(mark);
                }
            }
            Data::Map(entries) => {
                for entry in entries {
                    self.readable(&entry.key);
                    let mark = self.path.key(entry.key.as_str().unwrap_or(&entry.key.source));
                    self.readable(&entry.value);
                    self.path.back(mark);
                }
            }
            _ => {}
        }
    }

    fn error(&mut self, position: Position, message: impl Into<String>) {
        self.push(Problem::error(message), position);
    }

    fn warning(&mut self, position: Position, message: impl Into<String>) {
        self.push(Problem::warning(message), position);
    }

    fn push(&mut self, problem: Problem, position: Position) {
        let problem = problem.at(locate(self.file, position));
        let path = &self.path.0;
        self.problems.push(if path.is_empty() { problem } else { problem.key(path.clone()) });
    }
}

/// The place of a position in a file.
pub(crate) fn locate(file: &str, position: Position) -> Location {
    Location { file: file.to_owned(), line: position.line, column: position.column }
}

/// Whether a key is a text, where only texts may be keys.
fn is_readable_key(key: &Node) -> bool {
    values::text(key).is_some()
}

/// The path of the key in hand.
#[derive(Default)]
struct Path(String);

impl Path {
    /// Goes into a key; the length to come back to.
    fn key(&mut self, key: &str) -> usize {
        let mark = self.0.len();
        if mark > 0 {
            self.0.push('.');
        }
        self.0.push_str(&super::node::shortened(key));
        mark
    }

    fn index(&mut self, index: usize) -> usize {
        let mark = self.0.len();
        write!(self.0, "[{index}]").expect("a text takes whatever is written to it");
        mark
    }

    fn back(&mut self, mark: usize) {
        self.0.truncate(mark);
    }
}
