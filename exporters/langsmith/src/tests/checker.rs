//! What LangSmith accepts, as a strict reader: runs out of a request, or why the whole request would be refused.
//!
//! Rule: it is itself checked against requests of LangSmith's own SDKs, in `sdk`; a rule that nothing breaks there is none.

#[path = "checker/rules.rs"]
mod rules;
#[path = "checker/server.rs"]
mod server;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

pub(super) use self::server::Server;

/// A run as it came.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) operation: String,
    pub(super) id: Uuid,
    /// The object of the run itself.
    pub(super) main: Value,
    /// `inputs`, `outputs`, `events`, `extra`, `error`, `serialized`.
    pub(super) fields: BTreeMap<String, Value>,
}

impl Run {
    pub(super) fn name(&self) -> &str {
        self.main["name"].as_str().unwrap_or_default()
    }

    pub(super) fn field(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }

    /// Whether it says no more of its tokens than when the first came.
    pub(super) fn check_tokens(&self) -> Result<(), String> {
        rules::check_tokens(self)
    }

    pub(super) fn metadata(&self) -> &Value {
        &self.field("extra")["metadata"]
    }
}

/// Every run of a multipart body, checked.
pub(super) fn multipart(content_type: &str, body: &[u8]) -> Result<Vec<Run>, String> {
    let boundary = content_type
        .strip_prefix("multipart/form-data; boundary=")
        .ok_or_else(|| format!("Content-Type is `{content_type}`"))?;
    let mut runs: Vec<Run> = Vec::new();
    for Part { name, json, .. } in parts(boundary, body)? {
        let mut words = name.splitn(3, '.');
        let (operation, id) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let id: Uuid = id.parse().map_err(|_| format!("`{name}` has no id"))?;
        match words.next() {
            None => {
                let operation = operation.to_owned();
                runs.push(Run { operation, id, main: json, fields: BTreeMap::new() });
            }
            Some(field) => {
                let owner = runs.iter_mut().rfind(|run| run.id == id && run.operation == operation);
                let run = owner.ok_or_else(|| format!("`{name}` comes before its run"))?;
                if !rules::FIELDS.contains(&field) || run.fields.insert(field.to_owned(), json).is_some() {
                    return Err(format!("`{name}` is unknown or there twice"));
                }
            }
        }
    }
    check_all(runs)
}

/// Every run of a `/runs/batch` body, checked.
pub(super) fn batch(body: &[u8]) -> Result<Vec<Run>, String> {
    let json = read(body)?;
    let lists = json.as_object().ok_or("the body is no object")?;
    if let Some(unknown) = lists.keys().find(|key| !["post", "patch"].contains(&key.as_str())) {
        return Err(format!("unknown list `{unknown}`"));
    }
    let mut runs = Vec::new();
    for operation in ["post", "patch"] {
        let Some(list) = lists.get(operation) else { continue };
        for run in list.as_array().ok_or("a list is none")? {
            let mut main = run.as_object().ok_or("a run is no object")?.clone();
            let fields = rules::FIELDS
                .iter()
                .filter_map(|&field| Some((field.to_owned(), main.remove(field)?)))
                .collect();
            let id = main
                .get("id")
                .and_then(Value::as_str)
                .and_then(|id| id.parse().ok())
                .ok_or("a run has no id")?;
            runs.push(Run { operation: operation.to_owned(), id, main: main.into(), fields });
        }
    }
    check_all(runs)
}

fn check_all(runs: Vec<Run>) -> Result<Vec<Run>, String> {
    let (mut seen, mut orders) = (BTreeSet::new(), Orders::default());
    if runs.is_empty() {
        return Err("there is no run".to_owned());
    }
    for run in &runs {
        rules::check(run).map_err(|why| format!("{} {}: {why}", run.operation, run.name()))?;
        orders.add(run)?;
        if !seen.insert((run.id, run.operation.clone())) {
            return Err(format!("{} is there twice", run.id));
        }
    }
    Ok(runs)
}

/// Where each run stands in its trace, by its own word and by that of all below it.
#[derive(Debug, Default)]
struct Orders(BTreeMap<String, String>);

impl Orders {
    fn add(&mut self, run: &Run) -> Result<(), String> {
        let order = run.main["dotted_order"].as_str().unwrap_or_default();
        let ends = order.match_indices('.').map(|(end, _)| end).chain([order.len()]);
        for prefix in ends.map(|end| &order[..end]) {
            let id = prefix.get(prefix.len().saturating_sub(36)..).unwrap_or_default();
            let known = self.0.entry(id.to_owned()).or_insert_with(|| prefix.to_owned());
            if known != prefix {
                return Err(format!("{id} is at `{known}` and at `{prefix}`"));
            }
        }
        Ok(())
    }
}

/// A part of a multipart body.
struct Part {
    name: String,
    json: Value,
    length: usize,
}

/// How many bytes the parts hold: what a compressed request has to say of itself.
fn data_bytes(content_type: &str, body: &[u8]) -> Result<usize, String> {
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap_or_default();
    Ok(parts(boundary, body)?.iter().map(|part| part.length).sum())
}

/// The parts: each with its type, its exact length and valid JSON.
fn parts(boundary: &str, body: &[u8]) -> Result<Vec<Part>, String> {
    let open = format!("--{boundary}\r\n");
    let close = format!("--{boundary}--\r\n");
    let mut rest = body;
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(open.as_bytes()) {
        let end = memchr::memmem::find(part, b"\r\n\r\n").ok_or("a head has no end")?;
        let head = std::str::from_utf8(&part[..end]).map_err(|_| "a head is not text")?;
        let (name, length) = read_head(head)?;
        let data = part.get(end + 4..end + 4 + length).ok_or("a part is shorter than it says")?;
        let json = read(data).map_err(|error| format!("`{name}`: {error}"))?;
        parts.push(Part { name, json, length });
        rest = part[end + 4 + length..].strip_prefix(b"\r\n").ok_or("a part is longer than it says")?;
    }
    if rest == close.as_bytes() { Ok(parts) } else { Err("the end is missing".to_owned()) }
}

/// The name and the length. Python's SDK says the length in a line of its own, that of JavaScript within the type.
fn read_head(head: &str) -> Result<(String, usize), String> {
    let lines: Vec<_> = head.split("\r\n").collect();
    let name = lines[0]
        .strip_prefix("Content-Disposition: form-data; name=\"")
        .and_then(|name| name.strip_suffix('"'))
        .ok_or_else(|| format!("no name in {head:?}"))?;
    let length = match lines[1..] {
        ["Content-Type: application/json", length] => length.strip_prefix("Content-Length: "),
        [kind] if kind.starts_with("Content-Type: application/json") => {
            kind.strip_prefix("Content-Type: application/json; length=")
        }
        _ => return Err(format!("no type in {head:?}")),
    };
    let length = length.and_then(|length| length.parse().ok());
    Ok((name.to_owned(), length.ok_or_else(|| format!("no length in {head:?}"))?))
}

/// JSON as LangSmith reads it: with integers of at most 64 bits.
fn read(json: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(json).map_err(|error| error.to_string())?;
    serde_json::from_str::<&RawValue>(text).map_err(|error| error.to_string())?;
    if let Some(integer) =
        integers(text).find(|integer| integer.parse::<i64>().is_err() && integer.parse::<u64>().is_err())
    {
        return Err(format!("int too big to convert: {integer}"));
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The integers in valid JSON, as they are written.
fn integers(json: &str) -> impl Iterator<Item = &str> {
    let bare = |(index, piece): (usize, _)| (index % 2 == 0).then_some(piece);
    // Between every other pair of quotes is a string. An escaped quote is none: both of its characters are cut out first.
    let outside = Quotes(json).enumerate().filter_map(bare);
    let words =
        outside.flat_map(|piece: &str| piece.split([',', ':', '[', ']', '{', '}', ' ', '\t', '\r', '\n']));
    words.filter(|word| {
        word.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
            && !word.contains(['.', 'e', 'E'])
    })
}

/// What is between the quotes that begin and end strings.
struct Quotes<'a>(&'a str);

impl<'a> Iterator for Quotes<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = self.0.as_bytes();
        let mut at = 0;
        while at < bytes.len() && bytes[at] != b'"' {
            at += if bytes[at] == b'\\' { 2 } else { 1 };
        }
        let end = at.min(bytes.len());
        let piece = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        Some(piece)
    }
}
