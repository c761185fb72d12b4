//! What LangSmith accepts, as a strict reader: runs out of a request, or why the whole request would be refused.
//!
//! Rule: it is itself checked against requests of LangSmith's own SDK, in `sdk`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

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

const FIELDS: [&str; 6] = ["inputs", "outputs", "events", "extra", "error", "serialized"];
const RUN_TYPES: [&str; 7] = ["llm", "tool", "chain", "retriever", "embedding", "prompt", "parser"];
const MAIN: [&str; 12] = [
    "id",
    "trace_id",
    "parent_run_id",
    "dotted_order",
    "name",
    "run_type",
    "start_time",
    "end_time",
    "session_name",
    "session_id",
    "tags",
    "status",
];

impl Run {
    pub(super) fn name(&self) -> &str {
        self.main["name"].as_str().unwrap_or_default()
    }

    pub(super) fn field(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
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
    for (name, json) in parts(boundary, body)? {
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
                if !FIELDS.contains(&field) || run.fields.insert(field.to_owned(), json).is_some() {
                    return Err(format!("`{name}` is unknown or there twice"));
                }
            }
        }
    }
    check_all(runs)
}

/// Every run of a `/runs/batch` body, checked.
pub(super) fn batch(body: &[u8]) -> Result<Vec<Run>, String> {
    let json: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut runs = Vec::new();
    for operation in ["post", "patch"] {
        for run in json[operation].as_array().ok_or("a list is missing")? {
            let mut main = run.as_object().ok_or("a run is no object")?.clone();
            let fields =
                FIELDS.iter().filter_map(|&field| Some((field.to_owned(), main.remove(field)?))).collect();
            let id = main["id"].as_str().and_then(|id| id.parse().ok()).ok_or("a run has no id")?;
            runs.push(Run { operation: operation.to_owned(), id, main: main.into(), fields });
        }
    }
    check_all(runs)
}

fn check_all(runs: Vec<Run>) -> Result<Vec<Run>, String> {
    let mut seen = BTreeSet::new();
    for run in &runs {
        check(run).map_err(|why| format!("{} {}: {why}", run.operation, run.name()))?;
        if !seen.insert((run.id, run.operation.clone())) {
            return Err(format!("{} is there twice", run.id));
        }
    }
    Ok(runs)
}

/// The parts: each with its type, its exact length and valid JSON.
fn parts(boundary: &str, body: &[u8]) -> Result<Vec<(String, Value)>, String> {
    let open = format!("--{boundary}\r\n");
    let close = format!("--{boundary}--\r\n");
    let mut rest = body;
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(open.as_bytes()) {
        let end = memchr::memmem::find(part, b"\r\n\r\n").ok_or("a head has no end")?;
        let head = std::str::from_utf8(&part[..end]).map_err(|_| "a head is not text")?;
        let lines: Vec<_> = head.split("\r\n").collect();
        let name = lines[0]
            .strip_prefix("Content-Disposition: form-data; name=\"")
            .and_then(|name| name.strip_suffix('"'))
            .ok_or_else(|| format!("no name in {head:?}"))?;
        if lines.get(1) != Some(&"Content-Type: application/json") {
            return Err(format!("no type in {head:?}"));
        }
        let length: usize = lines
            .get(2)
            .and_then(|line| line.strip_prefix("Content-Length: ")?.parse().ok())
            .filter(|_| lines.len() == 3)
            .ok_or_else(|| format!("no length in {head:?}"))?;
        let data = part.get(end + 4..end + 4 + length).ok_or("a part is shorter than it says")?;
        let json = serde_json::from_slice(data).map_err(|error| format!("`{name}`: {error}"))?;
        parts.push((name.to_owned(), json));
        rest = part[end + 4 + length..].strip_prefix(b"\r\n").ok_or("a part is longer than it says")?;
    }
    if rest == close.as_bytes() { Ok(parts) } else { Err("the end is missing".to_owned()) }
}

fn check(run: &Run) -> Result<(), String> {
    let main = run.main.as_object().ok_or("it is no object")?;
    if let Some(unknown) = main.keys().find(|key| !MAIN.contains(&key.as_str())) {
        return Err(format!("unknown field `{unknown}`"));
    }
    let text = |key: &str| run.main[key].as_str().ok_or_else(|| format!("`{key}` is no text"));
    if text("id")? != run.id.to_string() || run.id.get_version_num() != 7 {
        return Err("the id is another, or no UUID of version 7".to_owned());
    }
    if !["post", "patch"].contains(&run.operation.as_str()) || !RUN_TYPES.contains(&text("run_type")?) {
        return Err("an operation or a type that does not exist".to_owned());
    }
    let length = text("name")?.chars().count();
    if length == 0 || length > 128 || text("session_name")?.is_empty() || main.contains_key("status") {
        return Err("a name is empty or too long, or there is a status".to_owned());
    }
    if run.operation == "patch" && !main.contains_key("end_time") {
        return Err("a patch without an end".to_owned());
    }
    check_order(run, text("trace_id")?, text("dotted_order")?, &moment(text("start_time")?)?)?;
    if let Some(end) = run.main["end_time"].as_str()
        && moment(end)? < moment(text("start_time")?)?
    {
        return Err("it ends before it starts".to_owned());
    }
    check_fields(run)
}

fn check_order(run: &Run, trace: &str, order: &str, start: &str) -> Result<(), String> {
    let mut segments = Vec::new();
    for segment in order.split('.') {
        let (time, id) = segment.split_at_checked(22).ok_or_else(|| format!("`{segment}` is too short"))?;
        let digits = |range: &str| range.bytes().all(|byte| byte.is_ascii_digit());
        let shaped = digits(&time[..8]) && &time[8..9] == "T" && digits(&time[9..21]) && &time[21..] == "Z";
        if !shaped || id.parse::<Uuid>().is_err() || id.len() != 36 {
            return Err(format!("invalid `dotted_order`: `{segment}`"));
        }
        segments.push((time, id));
    }
    if !segments.is_sorted_by_key(|(time, _)| *time) {
        return Err("it starts before its parent".to_owned());
    }
    let (last, above) = segments.split_last().ok_or("no `dotted_order`")?;
    if segments[0].1 != trace || last.1 != run.id.to_string() || last.0 != start {
        return Err("`dotted_order` does not match the trace, the id or the start".to_owned());
    }
    let parent = run.main["parent_run_id"].as_str();
    if parent != above.last().map(|(_, id)| *id) {
        return Err("the parent is not the last but one of `dotted_order`".to_owned());
    }
    Ok(())
}

/// A time as in `dotted_order`; refused unless it has six digits after the seconds.
fn moment(time: &str) -> Result<String, String> {
    let bare = time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00"));
    let bare = bare.filter(|bare| bare.len() == 26).ok_or_else(|| format!("`{time}` is no time"))?;
    Ok(format!("{}Z", bare.replace(['-', ':', '.'], "")))
}

fn check_fields(run: &Run) -> Result<(), String> {
    for (name, value) in &run.fields {
        let right = match name.as_str() {
            "error" => value.is_string(),
            "events" => value.as_array().is_some_and(|events| events.iter().all(is_event)),
            _ => value.is_object(),
        };
        if !right {
            return Err(format!("`{name}` has another type: {value}"));
        }
    }
    Ok(())
}

fn is_event(event: &Value) -> bool {
    event["name"].is_string() && event["time"].as_str().is_some_and(|time| moment(time).is_ok())
}
