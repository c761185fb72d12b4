//! What a run has to be.
//!
//! Rule: each refusal says in its own words what is wrong, so that a test can tell which rule it was.

use serde_json::Value;
use uuid::Uuid;

use super::Run;

pub(super) const FIELDS: [&str; 6] = ["inputs", "outputs", "events", "extra", "error", "serialized"];
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
    "child_runs",
];

pub(super) fn check(run: &Run) -> Result<(), String> {
    let main = run.main.as_object().ok_or("it is no object")?;
    if main.contains_key("status") {
        return Err("there is a status".to_owned());
    }
    if let Some(unknown) = main.keys().find(|key| !MAIN.contains(&key.as_str())) {
        return Err(format!("unknown field `{unknown}`"));
    }
    check_names(run)?;
    let start = moment(text(run, "start_time")?)?;
    check_order(run, text(run, "trace_id")?, text(run, "dotted_order")?, &start)?;
    check_end(run)?;
    check_lists(run)?;
    run.fields.iter().try_for_each(|(name, value)| check_field(run, name, value))
}

fn text<'a>(run: &'a Run, key: &str) -> Result<&'a str, String> {
    run.main[key].as_str().ok_or_else(|| format!("`{key}` is no text"))
}

fn check_names(run: &Run) -> Result<(), String> {
    if text(run, "id")? != run.id.to_string() {
        return Err("the id is another than that of the part".to_owned());
    }
    if run.id.get_version_num() != 7 {
        return Err("the id is no UUID of version 7".to_owned());
    }
    if !["post", "patch"].contains(&run.operation.as_str()) {
        return Err("an operation that does not exist".to_owned());
    }
    if !RUN_TYPES.contains(&text(run, "run_type")?) {
        return Err("a type that does not exist".to_owned());
    }
    let length = text(run, "name")?.chars().count();
    if length == 0 || length > 128 {
        return Err(format!("a name of {length} characters"));
    }
    if text(run, "session_name")?.trim().is_empty() {
        return Err("no project".to_owned());
    }
    Ok(())
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
    if segments[0].1 != trace {
        return Err("`trace_id` is not the first of `dotted_order`".to_owned());
    }
    if last.1 != run.id.to_string() {
        return Err("the id is not the last of `dotted_order`".to_owned());
    }
    if last.0 != start {
        return Err("`start_time` is not the last moment of `dotted_order`".to_owned());
    }
    if run.operation == "post" && run.main.get("parent_run_id").is_some_and(Value::is_null) {
        return Err("a parent that is null".to_owned());
    }
    if run.main["parent_run_id"].as_str() != above.last().map(|(_, id)| *id) {
        return Err("the parent is not the last but one of `dotted_order`".to_owned());
    }
    Ok(())
}

/// The JavaScript SDK gives the end in milliseconds since 1970.
fn check_end(run: &Run) -> Result<(), String> {
    let start = text(run, "start_time")?;
    let is_early = match &run.main["end_time"] {
        Value::Null if run.operation == "patch" => return Err("a patch without an end".to_owned()),
        Value::Null if run.main.get("end_time").is_none() => false,
        Value::String(end) => moment(end)? < moment(start)?,
        Value::Number(end) if end.is_u64() => end.as_u64() < micros(start).map(|start| start / 1000),
        other => return Err(format!("`end_time` is {other}")),
    };
    if is_early { Err("it ends before it starts".to_owned()) } else { Ok(()) }
}

fn check_lists(run: &Run) -> Result<(), String> {
    let strings = |tags: &Value| tags.as_array().is_some_and(|tags| tags.iter().all(Value::is_string));
    if run.main.get("tags").is_some_and(|tags| !strings(tags)) {
        return Err("a tag that is no text".to_owned());
    }
    if run.main.get("child_runs").is_some_and(|runs| *runs != Value::Array(Vec::new())) {
        return Err("runs within a run".to_owned());
    }
    Ok(())
}

/// A time as in `dotted_order`; refused unless it is one with six digits after the seconds.
pub(super) fn moment(time: &str) -> Result<String, String> {
    let refused = || format!("`{time}` is no time");
    let bare = time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00")).ok_or_else(refused)?;
    let is_shaped = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        19 => byte == b'.',
        _ => byte.is_ascii_digit(),
    };
    let shaped = bare.len() == 26 && bare.bytes().enumerate().all(is_shaped);
    shaped.then(|| format!("{}Z", bare.replace(['-', ':', '.'], ""))).ok_or_else(refused)
}

/// Microseconds since 1970.
pub(super) fn micros(time: &str) -> Option<u64> {
    let digits = moment(time).ok()?;
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    // Years begin in March here, so that the leap day is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let seconds = (number(9, 11)? * 60 + number(11, 13)?) * 60 + number(13, 15)?;
    Some((days.checked_sub(719_468)? * 86_400 + seconds) * 1_000_000 + number(15, 21)?)
}

fn check_field(run: &Run, name: &str, value: &Value) -> Result<(), String> {
    match name {
        "error" => value.is_string().then_some(()).ok_or_else(|| "`error` is no text".to_owned()),
        "events" => check_events(value),
        _ if !value.is_object() => Err(format!("`{name}` is no object")),
        "serialized" => check_serialized(&run.main["run_type"], value),
        _ => Ok(()),
    }
}

/// An empty one says nothing: the JavaScript SDK sends it with every run.
fn check_serialized(run_type: &Value, value: &Value) -> Result<(), String> {
    let is_kept =
        run_type == "llm" || run_type == "prompt" || value.as_object().is_some_and(serde_json::Map::is_empty);
    is_kept.then_some(()).ok_or_else(|| format!("`serialized` of a {run_type}"))
}

fn check_events(events: &Value) -> Result<(), String> {
    let events = events.as_array().ok_or("`events` is no list")?;
    for event in events {
        let time = event["time"].as_str().unwrap_or_default();
        if !event["name"].is_string() || moment(&six_digits(time)).is_err() {
            return Err(format!("an event without a name or a time: {event}"));
        }
    }
    Ok(())
}

/// What LangSmith takes, though each costs a place in the list and its text is content that no switch hides: its SDKs send
/// the first alone, unless their user adds more.
pub(super) fn check_tokens(run: &Run) -> Result<(), String> {
    let events = run.field("events").as_array().map(Vec::as_slice).unwrap_or_default();
    let tokens: Vec<_> = events.iter().filter(|event| event["name"] == "new_token").collect();
    if tokens.len() > 1 {
        return Err("more than the first token".to_owned());
    }
    if tokens.iter().any(|token| token.get("kwargs").is_some()) {
        return Err("the text of a token".to_owned());
    }
    Ok(())
}

/// The JavaScript SDK has three digits in the times of events.
fn six_digits(time: &str) -> String {
    match time.strip_suffix('Z') {
        Some(bare) if bare.len() == 23 => format!("{bare}000Z"),
        _ => time.to_owned(),
    }
}
