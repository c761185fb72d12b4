//! An envelope as the strictest of receivers reads it: every rule that Sentry's documents and its own normaliser have.
//!
//! Rule: a broken rule is an error that names it; nothing is repaired or passed over.

use serde_json::Value;

/// What was in an envelope.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) header: Value,
    pub(super) items: Vec<(Value, Value)>,
}

type Checked<T = ()> = Result<T, String>;

const STATUSES: [&str; 5] = ["ok", "cancelled", "internal_error", "aborted", "unknown_error"];
const OPERATIONS: [&str; 4] = ["invoke_agent", "chat", "execute_tool", "handoff"];
const REASONS: [&str; 8] = [
    "queue_overflow",
    "cache_overflow",
    "buffer_overflow",
    "ratelimit_backoff",
    "network_error",
    "sample_rate",
    "send_error",
    "internal_sdk_error",
];

macro_rules! rule {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

impl Envelope {
    /// Reads and checks one.
    pub(super) fn read(bytes: &[u8]) -> Checked<Self> {
        let (header, mut rest) = json_line(bytes)?;
        let mut items = Vec::new();
        while !rest.is_empty() {
            let (item, after) = json_line(rest)?;
            let length = item["length"].as_u64().ok_or("an item has a length")?;
            let length = usize::try_from(length).map_err(|_| "a length fits")?;
            let payload = after.get(..length).ok_or("the payload is as long as `length` says, in bytes")?;
            rule!(after.get(length) == Some(&b'\n'), "a payload is followed by a line break");
            rest = &after[length + 1..];
            let payload = serde_json::from_slice(payload).map_err(|e| format!("a payload is JSON: {e}"))?;
            items.push((item, payload));
        }
        let envelope = Self { header, items };
        envelope.check()?;
        Ok(envelope)
    }

    pub(super) fn type_of(&self, index: usize) -> &str {
        self.items[index].0["type"].as_str().unwrap_or_default()
    }

    fn check(&self) -> Checked {
        rule!(!self.items.is_empty(), "an envelope has items");
        let sent_at = self.header["sent_at"].as_str().ok_or("`sent_at` is there")?;
        rule!(sent_at.len() >= 20 && sent_at.ends_with('Z') && &sent_at[10..11] == "T", "`sent_at` is UTC");
        rule!(self.header["sdk"]["name"].is_string(), "the SDK tells its name");
        let single = (0..self.items.len()).filter(|&i| matches!(self.type_of(i), "event" | "transaction"));
        rule!(single.count() <= 1, "one event or one transaction, not both");
        self.check_trace_header()?;
        for (item, payload) in &self.items {
            self.check_item(item, payload).map_err(|why| format!("{}: {why}", item["type"]))?;
        }
        Ok(())
    }

    /// All values are texts, and it stands over spans of its own trace alone.
    fn check_trace_header(&self) -> Checked {
        let Some(trace) = self.header.get("trace") else { return Ok(()) };
        let trace = trace.as_object().ok_or("`trace` is an object")?;
        rule!(trace.values().all(Value::is_string), "every value of `trace` is a text");
        rule!(trace.contains_key("public_key") && trace.contains_key("trace_id"), "`trace` has its keys");
        for (_, payload) in &self.items {
            for span in payload["items"].as_array().into_iter().flatten() {
                rule!(span["trace_id"] == trace["trace_id"], "`trace` stands over spans of its trace alone");
            }
        }
        Ok(())
    }

    fn check_item(&self, item: &Value, payload: &Value) -> Checked {
        let size = item["length"].as_u64().unwrap_or_default();
        match item["type"].as_str() {
            Some("event") => {
                self.check_event_id(payload)?;
                rule!(size <= 1024 * 1024, "at most 1 MiB");
                check_event(payload)
            }
            Some("transaction") => {
                self.check_event_id(payload)?;
                rule!(size <= 1024 * 1024, "at most 1 MiB");
                check_transaction(payload)
            }
            Some("span") => {
                rule!(self.header.get("event_id").is_none(), "no event id over spans");
                check_spans(item, payload)
            }
            Some("client_report") => {
                rule!(size <= 4096, "at most 4 KiB");
                check_report(payload)
            }
            other => Err(format!("an unknown type {other:?}")),
        }
    }

    fn check_event_id(&self, payload: &Value) -> Checked {
        rule!(is_hex(&payload["event_id"], 32), "an event id of 32 digits");
        rule!(self.header["event_id"] == payload["event_id"], "the same event id in the header");
        Ok(())
    }
}

fn json_line(bytes: &[u8]) -> Checked<(Value, &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n').ok_or("a header ends with a line break")?;
    let value = serde_json::from_slice(&bytes[..end]).map_err(|e| format!("a header is JSON: {e}"))?;
    Ok((value, &bytes[end + 1..]))
}

fn is_hex(value: &Value, digits: usize) -> bool {
    let hex =
        |text: &str| text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    value.as_str().is_some_and(|text| hex(text) && text.bytes().any(|b| b != b'0'))
}

fn check_ids(span: &Value) -> Checked {
    rule!(is_hex(&span["trace_id"], 32), "a trace id of 32 digits, not all zero");
    rule!(is_hex(&span["span_id"], 16), "a span id of 16 digits, not all zero");
    let parent = &span["parent_span_id"];
    rule!(parent.is_null() || is_hex(parent, 16), "a parent id of 16 digits");
    Ok(())
}

fn check_times(start: &Value, end: &Value) -> Checked {
    let (start, end) = (start.as_f64().ok_or("a start")?, end.as_f64().ok_or("an end")?);
    rule!(start > 1e9 && start <= end, "it ends after it began, in seconds");
    Ok(())
}

fn check_spans(item: &Value, payload: &Value) -> Checked {
    rule!(item["content_type"] == "application/vnd.sentry.items.span.v2+json", "the content type of spans");
    rule!(payload["version"] == 2, "version 2");
    let spans = payload["items"].as_array().ok_or("a list of spans")?;
    rule!(item["item_count"] == spans.len() && (1..=1000).contains(&spans.len()), "`item_count` is right");
    spans.iter().try_for_each(|span| check_span(span).map_err(|why| format!("{}: {why}", span["name"])))
}

fn check_span(span: &Value) -> Checked {
    check_ids(span)?;
    check_times(&span["start_timestamp"], &span["end_timestamp"])?;
    rule!(span["status"] == "ok" || span["status"] == "error", "a status that such spans have");
    rule!(span["is_segment"].is_boolean() && span["name"].is_string(), "name and segment");
    let attributes = span["attributes"].as_object().ok_or("attributes")?;
    let mut plain = serde_json::Map::new();
    for (key, attribute) in attributes {
        let value = &attribute["value"];
        let fits = match attribute["type"].as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("double") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            _ => false,
        };
        rule!(fits, "`{key}` has the type that it says");
        plain.insert(key.clone(), value.clone());
    }
    let own = ["op", "origin", "environment", "segment.id", "segment.name", "sdk.name", "sdk.version"];
    for key in own.map(|key| format!("sentry.{key}")) {
        rule!(plain.get(&key).is_some_and(Value::is_string), "`{key}` is on every span");
    }
    let is_root = plain["sentry.segment.id"] == span["span_id"];
    rule!(span["is_segment"] == is_root, "the segment is the span that it names");
    rule!(!is_root || plain["sentry.segment.name.source"] == "custom", "a segment has a source");
    check_ai(&plain["sentry.op"].clone(), &span["name"], &Value::Object(plain))
}

/// The conventions for agents. `data` holds plain values.
fn check_ai(op: &Value, name: &Value, data: &Value) -> Checked {
    let object = data.as_object().ok_or("data is an object")?;
    rule!(object.values().all(|v| !v.is_object() && !v.is_array()), "no value is an object or a list");
    rule!(object.get("gen_ai.operation.type").is_none(), "the server sets the type");
    let (op, name) = (op.as_str().unwrap_or_default(), name.as_str().unwrap_or_default());
    let operation = data["gen_ai.operation.name"].as_str();
    if !op.starts_with("gen_ai.") {
        rule!(operation.is_none() && !op.starts_with("ai."), "a helper is no call of a model");
        return Ok(());
    }
    let operation = operation.ok_or("an operation has a name")?;
    rule!(OPERATIONS.contains(&operation), "`{operation}` is an operation that is not taken for a model");
    rule!(op == format!("gen_ai.{operation}"), "operation and op are the same");
    rule!(
        name == operation || name.starts_with(&format!("{operation} ")),
        "the name begins with the operation"
    );
    rule!(data["gen_ai.conversation.id"].is_string(), "every span names its conversation");
    rule!(operation != "execute_tool" || data["gen_ai.tool.name"].is_string(), "a tool has a name");
    let tokens = |key: &str| data[format!("gen_ai.usage.{key}")].as_u64();
    rule!(operation == "chat" || tokens("input_tokens").is_none(), "tokens are counted once, on the model");
    let (input, cached) = (tokens("input_tokens"), tokens("cache_read.input_tokens"));
    rule!(cached.unwrap_or(0) <= input.unwrap_or(0), "cached tokens are a part of the input");
    rule!(cached == tokens("input_tokens.cached"), "the old name of cached tokens, too");
    let written = tokens("cache_creation.input_tokens");
    rule!(written == tokens("input_tokens.cache_write"), "the old name of tokens written to the cache, too");
    for key in ["gen_ai.input.messages", "gen_ai.output.messages"] {
        if let Some(text) = data[key].as_str() {
            check_messages(text).map_err(|why| format!("{key}: {why}"))?;
        }
    }
    Ok(())
}

fn check_messages(text: &str) -> Checked {
    let messages: Vec<Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for message in messages {
        let role = message["role"].as_str().unwrap_or_default();
        rule!(
            ["user", "assistant", "tool"].contains(&role),
            "`{role}` is a role, and instructions are apart"
        );
        let parts = message["parts"].as_array().ok_or("parts")?;
        let known = |part: &Value| match part["type"].as_str() {
            Some("text") => part["content"].is_string(),
            Some("tool_call") => part["name"].is_string(),
            Some("tool_call_response") => part["result"].is_string(),
            _ => false,
        };
        rule!(!parts.is_empty() && parts.iter().all(known), "parts of known types");
    }
    Ok(())
}

fn check_common(payload: &Value, platforms: &[&str]) -> Checked {
    rule!(platforms.contains(&payload["platform"].as_str().unwrap_or_default()), "a known platform");
    rule!(payload["environment"].as_str().is_some_and(|e| !e.contains('/') && e != "None"), "an environment");
    rule!(payload["transaction"].as_str().is_some_and(|name| name.chars().count() <= 200), "a name of 200");
    for (key, value) in payload["tags"].as_object().into_iter().flatten() {
        let value = value.as_str().ok_or("a tag is a text")?;
        let fits = key.len() <= 200 && value.chars().count() <= 200 && !key.contains(' ');
        rule!(fits && !value.contains('\n'), "the tag `{key}` is not changed");
        rule!(!value.is_empty() && value.trim() == value, "the tag `{key}` has no blanks at its ends");
        let taken_away = ["release", "dist", "user", "filename", "function", "environment"];
        rule!(!taken_away.contains(&key.as_str()), "the tag `{key}` is not taken away");
    }
    let trace = &payload["contexts"]["trace"];
    check_ids(trace)?;
    rule!(STATUSES.contains(&trace["status"].as_str().unwrap_or_default()), "a status of a trace");
    Ok(())
}

fn check_event(event: &Value) -> Checked {
    check_common(event, &["other", "native", "python", "node"])?;
    rule!(event["timestamp"].is_number() && event["level"] == "error", "time and level");
    let values = event["exception"]["values"].as_array().ok_or("an exception")?;
    for value in values {
        let says = value["type"].is_string() || value["value"].as_str().is_some_and(|text| !text.is_empty());
        rule!(says && value["value"].is_string(), "an exception has type and value");
        rule!(value["value"].as_str().unwrap_or_default().len() <= 8192, "a value is not cut by the server");
        rule!(value["mechanism"]["type"].is_string(), "a mechanism has a type");
        rule!(value["mechanism"]["handled"].is_boolean(), "a mechanism says whether it was handled");
        check_frames(value)?;
    }
    check_chain(values)
}

/// The one that was raised last has the id 0 and no parent; every other one's parent is there. One alone has no id.
fn check_chain(values: &[Value]) -> Checked {
    let (last, others) = values.split_last().ok_or("an exception")?;
    let id = |value: &Value| value["mechanism"]["exception_id"].as_u64();
    rule!(last["mechanism"].get("parent_id").is_none(), "the last one has no parent");
    rule!(last["type"].is_string(), "the last one has a type");
    rule!(id(last) == (!others.is_empty()).then_some(0), "the last one has the id 0 if there are others");
    for other in others {
        let mechanism = &other["mechanism"];
        let parent = mechanism["parent_id"].as_u64().ok_or("a parent")?;
        rule!(id(other).is_some_and(|id| id > parent), "a parent has the smaller id");
        rule!(values.iter().filter(|value| id(value) == id(other)).count() == 1, "each id is there once");
        rule!(values.iter().any(|value| id(value) == Some(parent)), "the parent is there");
        rule!(mechanism["type"] == "chained" && mechanism["source"].is_string(), "it says how it is chained");
    }
    Ok(())
}

fn check_frames(exception: &Value) -> Checked {
    let Some(stacktrace) = exception.get("stacktrace") else { return Ok(()) };
    let frames = stacktrace["frames"].as_array().ok_or("frames")?;
    rule!((1..=250).contains(&frames.len()), "as many frames as Sentry keeps");
    for frame in frames {
        rule!(frame["filename"].as_str().is_some_and(|file| !file.is_empty()), "a frame has a file");
        rule!(
            frame["lineno"].as_u64().is_some() && frame["in_app"].is_boolean(),
            "line, and whose code it is"
        );
        let short = |name: &str| frame[name].as_str().unwrap_or_default().len() <= 512;
        rule!(
            ["filename", "abs_path", "function", "module"].into_iter().all(short),
            "names that are not cut"
        );
    }
    Ok(())
}

fn check_transaction(transaction: &Value) -> Checked {
    check_common(transaction, &["other", "native"])?;
    check_times(&transaction["start_timestamp"], &transaction["timestamp"])?;
    let root = &transaction["contexts"]["trace"];
    check_ai(&root["op"], &transaction["transaction"], &root["data"])?;
    let spans = transaction["spans"].as_array().ok_or("a list of spans")?;
    rule!(spans.len() <= 1000, "at most 1000 spans");
    for span in spans {
        check_ids(span)?;
        check_times(&span["start_timestamp"], &span["timestamp"])?;
        rule!(span["trace_id"] == root["trace_id"], "spans of one trace");
        rule!(STATUSES.contains(&span["status"].as_str().unwrap_or_default()), "a status of a trace");
        check_ai(&span["op"], &span["description"], &span["data"])?;
    }
    Ok(())
}

fn check_report(report: &Value) -> Checked {
    rule!(report["timestamp"].is_number(), "a report has a time");
    for discard in report["discarded_events"].as_array().ok_or("a list of losses")? {
        rule!(REASONS.contains(&discard["reason"].as_str().unwrap_or_default()), "a known reason: {discard}");
        let category = discard["category"].as_str().unwrap_or_default();
        rule!(["error", "transaction", "span"].contains(&category), "a known category: {discard}");
        rule!(discard["quantity"].as_u64().is_some_and(|quantity| quantity > 0), "a quantity: {discard}");
    }
    Ok(())
}
