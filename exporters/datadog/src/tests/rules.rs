//! What Datadog's documentation, and the payloads of its libraries, ask of a payload.
//!
//! Rule: every rule can say no; the tests at the end break each of them once.

use charm_telemetry_core::testing::RecordedRequest;
use serde_json::{Map, Value, json};

use crate::settings::Format;

type Check = Result<(), String>;

fn ensure(holds: bool, rule: impl Into<String>) -> Check {
    if holds { Ok(()) } else { Err(rule.into()) }
}

/// A request as a whole. `Ok` holds its spans.
pub(super) fn request(request: &RecordedRequest, format: Format) -> Result<Vec<Value>, String> {
    head(request, format)?;
    ensure(request.body.len() <= 4_000_000, "a body has at most 4 MB")?;
    let body = serde_json::from_slice(&request.body).map_err(|error| format!("the body is JSON: {error}"))?;
    let spans = body_spans(&body, format)?;
    spans.iter().try_for_each(|one| span(one, format))?;
    Ok(spans)
}

fn head(request: &RecordedRequest, format: Format) -> Check {
    ensure(request.method == "POST", "the method is POST")?;
    ensure(request.header("content-type") == Some("application/json"), "the content is JSON")?;
    ensure(request.header("content-encoding").is_none(), "the body is not compressed")?;
    ensure(request.header("content-length").is_some(), "the body is not sent in chunks")?;
    match format {
        Format::Public => {
            ensure(request.path == "/api/intake/llm-obs/v1/trace/spans", "the path of the public intake")?;
            ensure(request.header("dd-api-key") == Some(super::KEY), "the key goes to Datadog")
        }
        Format::Agent => {
            ensure(request.path == "/evp_proxy/v2/api/v2/llmobs", "the path of an Agent")?;
            let subdomain = request.header("x-datadog-evp-subdomain");
            ensure(subdomain == Some("llmobs-intake"), "the Agent is told the subdomain")?;
            ensure(request.header("dd-api-key").is_none(), "an Agent gets no key")
        }
    }
}

/// The spans of a body, out of what is around them.
pub(super) fn body_spans(body: &Value, format: Format) -> Result<Vec<Value>, String> {
    match format {
        Format::Public => {
            ensure(body["data"]["type"] == "span", "the data is of type span")?;
            let attributes = &body["data"]["attributes"];
            let ml_app = attributes["ml_app"].as_str().ok_or("an application is named")?;
            application(ml_app)?;
            let spans = attributes["spans"].as_array().ok_or("there is a list of spans")?;
            ensure(!spans.is_empty(), "the list of spans is not empty")?;
            Ok(spans.clone())
        }
        Format::Agent => body.as_array().ok_or("the body is a list")?.iter().map(envelope).collect(),
    }
}

fn application(name: &str) -> Check {
    let character = |c: char| c.is_alphanumeric() && !c.is_uppercase() || "_-:./".contains(c);
    ensure(!name.is_empty() && name.chars().count() <= 193, "an application has 1 to 193 characters")?;
    ensure(name.chars().all(character), "an application has letters, digits and `_-:./`")?;
    ensure(!name.contains("__") && !name.ends_with('_'), "an application has no `__` and no `_` at its end")
}

fn envelope(envelope: &Value) -> Result<Value, String> {
    ensure(envelope["_dd.stage"] == "raw", "an envelope is raw")?;
    ensure(envelope["event_type"] == "span", "an envelope holds a span")?;
    ensure(envelope["_dd.tracer_version"].is_string(), "an envelope names a version")?;
    match envelope["spans"].as_array().map(Vec::as_slice) {
        Some([span]) => Ok(span.clone()),
        _ => Err("an envelope holds one span".to_owned()),
    }
}

/// One span.
pub(super) fn span(span: &Value, format: Format) -> Check {
    for field in ["name", "span_id", "trace_id", "parent_id"] {
        ensure(span[field].as_str().is_some_and(|text| !text.is_empty()), format!("`{field}` is a text"))?;
    }
    ensure(
        span["start_ns"].as_u64().is_some_and(|ns| ns > 1_600_000_000_000_000_000),
        "`start_ns` is in nanoseconds",
    )?;
    ensure(span["duration"].as_u64().is_some(), "`duration` is a whole number")?;
    ensure(["ok", "error"].map(Value::from).contains(&span["status"]), "`status` is ok or error")?;
    ensure(span.get("session_id").is_none_or(Value::is_string), "`session_id` is a text")?;
    ensure(span.to_string().len() <= 1_000_000, "a span has at most 1 MB")?;
    tags(span, format)?;
    meta(span, format)?;
    metrics(span)?;
    if format == Format::Agent {
        let ids = ["span_id", "trace_id", "apm_trace_id"];
        ensure(ids.iter().all(|id| span["_dd"][*id].is_string()), "`_dd` has the ids")?;
        ensure(span["_dd"]["span_id"] == span["span_id"], "`_dd` has the id of the span")?;
        for id in ["span_id", "parent_id"].map(|id| span[id].as_str().unwrap_or_default()) {
            ensure(id == "undefined" || id.parse::<u64>().is_ok_and(|id| id > 0), "ids are decimal numbers")?;
        }
    }
    Ok(())
}

fn tags(span: &Value, format: Format) -> Check {
    let tags: Vec<&str> =
        span["tags"].as_array().ok_or("there are tags")?.iter().filter_map(Value::as_str).collect();
    ensure(Some(tags.len()) == span["tags"].as_array().map(Vec::len), "tags are texts")?;
    ensure(tags.iter().all(|tag| tag.contains(':')), "a tag is `key:value`")?;
    let value = |key: &str| tags.iter().find_map(|tag| tag.strip_prefix(key));
    ensure(
        value("error:") == Some(if span["status"] == "error" { "1" } else { "0" }),
        "the tag `error` is the status",
    )?;
    ensure(value("session_id:") == span["session_id"].as_str(), "the conversation is a field and a tag")?;
    match (format, value("ml_app:")) {
        (Format::Agent, None) => Err("an application is named by a tag".to_owned()),
        (_, Some(name)) => application(name),
        (Format::Public, None) => Ok(()),
    }
}

fn meta(span: &Value, format: Format) -> Check {
    let meta = &span["meta"];
    let (kind, other) = match format {
        Format::Public => (&meta["kind"], &meta["span"]),
        Format::Agent => (&meta["span"]["kind"], &meta["kind"]),
    };
    let kind = kind.as_str().ok_or("the kind stands where the format has it")?;
    ensure(other.is_null(), "the kind does not stand where the other format has it")?;
    let kinds = ["agent", "workflow", "llm", "tool", "task", "embedding", "retrieval"];
    ensure(kinds.contains(&kind), "the kind is one that is known")?;
    let is_root = span["parent_id"] == "undefined";
    ensure(!is_root || ["agent", "workflow", "llm"].contains(&kind), "a tool is no root")?;
    let error = meta.get("error");
    ensure(error.is_some() == (span["status"] == "error"), "an error has its text, and only an error")?;
    if let Some(error) = error {
        let fields = error.as_object().ok_or("an error is an object")?;
        ensure(fields.values().all(Value::is_string) && fields.contains_key("message"), "an error is texts")?;
        ensure(
            fields.keys().all(|key| ["message", "type", "stack"].contains(&&**key)),
            "an error has three fields",
        )?;
    }
    for side in ["input", "output"] {
        io(&meta[side], kind, side)?;
    }
    if let Some(metadata) = meta["metadata"].as_object() {
        let simple = |value: &Value| value.is_number() || value.is_boolean() || value.is_string();
        ensure(metadata.values().all(simple), "metadata are numbers, switches and texts")?;
    }
    match format {
        Format::Public => ensure(meta.get("model_name").is_none(), "the model is metadata"),
        Format::Agent => ensure(meta["metadata"].get("model_name").is_none(), "the model is no metadata"),
    }
}

fn io(io: &Value, kind: &str, side: &str) -> Check {
    let Some(fields) = io.as_object() else { return ensure(io.is_null(), "input and output are objects") };
    ensure(fields.get("value").is_none_or(Value::is_string), "`value` is a text")?;
    ensure(!fields.contains_key("messages") || kind == "llm", "only models have messages")?;
    let has_documents = fields.contains_key("documents");
    ensure(!has_documents || (kind, side) == ("retrieval", "output"), "only what was found is documents")?;
    objects(fields, "messages")?.into_iter().try_for_each(message)?;
    objects(fields, "documents")?.into_iter().try_for_each(document)
}

fn objects<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Vec<&'a Map<String, Value>>, String> {
    let Some(list) = fields.get(name) else { return Ok(Vec::new()) };
    let list = list.as_array().ok_or(format!("`{name}` is a list"))?;
    list.iter().map(|one| one.as_object().ok_or(format!("`{name}` are objects"))).collect()
}

fn message(message: &Map<String, Value>) -> Check {
    ensure(message.get("content").is_some_and(Value::is_string), "the content of a message is a text")?;
    ensure(message.get("role").is_none_or(Value::is_string), "the role of a message is a text")?;
    objects(message, "tool_calls")?.into_iter().try_for_each(|call| {
        ensure(call.get("arguments").is_some_and(Value::is_object), "arguments are an object")?;
        let texts = ["name", "tool_id", "type"].iter().filter_map(|name| call.get(*name));
        ensure(texts.into_iter().all(Value::is_string), "what names a tool is a text")
    })
}

fn document(document: &Map<String, Value>) -> Check {
    let texts = ["text", "name", "id"].iter().filter_map(|name| document.get(*name));
    ensure(texts.into_iter().all(Value::is_string), "what names a document is a text")?;
    ensure(document.get("score").is_none_or(Value::is_number), "a score is a number")?;
    ensure(
        document.keys().all(|key| ["text", "name", "id", "score"].contains(&&**key)),
        "a document has four fields",
    )
}

fn metrics(span: &Value) -> Check {
    let Some(metrics) = span["metrics"].as_object() else {
        return ensure(span["metrics"].is_null(), "metrics are an object");
    };
    ensure(metrics.values().all(Value::is_number), "metrics are numbers")?;
    let seconds =
        ["time_to_first_token", "time_per_output_token"].iter().filter_map(|name| metrics.get(*name));
    let plausible = |time: &Value| time.as_f64().is_some_and(|time| (0.0..86_400.0).contains(&time));
    ensure(seconds.into_iter().all(plausible), "times are in seconds")?;
    let kind = span["meta"]["kind"].as_str().or(span["meta"]["span"]["kind"].as_str());
    let tokens = metrics.keys().any(|name| name.ends_with("_tokens"));
    ensure(!tokens || matches!(kind, Some("llm" | "embedding")), "only models have tokens")
}

/// Everything that a library of Datadog sent is right; so is a payload of the documentation.
#[test]
fn the_rules_hold_for_what_datadogs_own_library_sent() {
    let body: Value = serde_json::from_str(super::sdk::CAPTURE).unwrap();
    let spans = body_spans(&body, Format::Agent).unwrap();
    assert_eq!(spans.len(), 4);
    for one in &spans {
        assert_eq!(span(one, Format::Agent), Ok(()), "{one:#}");
    }
}

#[test]
fn every_rule_for_a_span_can_say_no() {
    let body: Value = serde_json::from_str(super::sdk::CAPTURE).unwrap();
    let spans = body_spans(&body, Format::Agent).unwrap();
    let breaks = |index: usize, pointer: &str, value: Value, rule: &str| {
        let mut broken = spans[index].clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        broken.pointer_mut(parent).unwrap()[field] = value;
        assert_eq!(span(&broken, Format::Agent), Err(rule.to_owned()), "{pointer}");
    };
    let (agent, llm, tool, failed) = (0, 1, 2, 3);
    breaks(agent, "/parent_id", json!(null), "`parent_id` is a text");
    breaks(agent, "/parent_id", json!("0"), "ids are decimal numbers");
    breaks(agent, "/span_id", json!(5), "`span_id` is a text");
    breaks(agent, "/start_ns", json!(1_795_366_231), "`start_ns` is in nanoseconds");
    breaks(agent, "/duration", json!(0.5), "`duration` is a whole number");
    breaks(agent, "/status", json!("OK"), "`status` is ok or error");
    breaks(agent, "/session_id", json!("other"), "the conversation is a field and a tag");
    breaks(agent, "/tags", json!(["error"]), "a tag is `key:value`");
    breaks(agent, "/tags", json!(["error:1", "session_id:sess-42"]), "the tag `error` is the status");
    breaks(agent, "/tags", json!(["error:0", "session_id:sess-42"]), "an application is named by a tag");
    breaks(agent, "/meta/span/kind", json!("banana"), "the kind is one that is known");
    breaks(agent, "/meta/kind", json!("agent"), "the kind does not stand where the other format has it");
    breaks(agent, "/meta/span", json!(null), "the kind stands where the format has it");
    breaks(agent, "/meta/input", json!({ "value": { "a": 1 } }), "`value` is a text");
    breaks(agent, "/meta/input", json!({ "messages": [] }), "only models have messages");
    breaks(agent, "/meta/metadata/list", json!([1]), "metadata are numbers, switches and texts");
    breaks(agent, "/metrics/input_tokens", json!(1), "only models have tokens");
    breaks(agent, "/_dd/span_id", json!("1"), "`_dd` has the id of the span");
    breaks(tool, "/parent_id", json!("undefined"), "a tool is no root");
    breaks(llm, "/metrics/time_to_first_token", json!(250_000_000), "times are in seconds");
    breaks(llm, "/metrics/input_tokens", json!("12"), "metrics are numbers");
    breaks(
        llm,
        "/meta/input/messages/0/content",
        json!([{ "type": "text" }]),
        "the content of a message is a text",
    );
    breaks(llm, "/meta/output/messages/0/tool_calls/0/arguments", json!("{}"), "arguments are an object");
    breaks(llm, "/meta/output/documents", json!([]), "only what was found is documents");
    breaks(llm, "/meta/metadata/model_name", json!("gpt-x"), "the model is no metadata");
    breaks(llm, "/meta/output/value", json!("x".repeat(1_000_000)), "a span has at most 1 MB");
    breaks(failed, "/meta/error", json!({ "message": 5 }), "an error is texts");
    breaks(failed, "/meta/error/code", json!("5"), "an error has three fields");
    breaks(tool, "/meta/error", json!({ "message": "x" }), "an error has its text, and only an error");
}

#[test]
fn what_is_around_the_spans_is_checked_too() {
    let public = |attributes: Value| {
        body_spans(&json!({ "data": { "type": "span", "attributes": attributes } }), Format::Public)
    };
    let good = json!({ "ml_app": "weather-app", "spans": [{}] });
    assert!(public(good.clone()).is_ok());
    assert!(body_spans(&good, Format::Public).is_err());
    assert!(body_spans(&json!([{ "spans": [{}] }]), Format::Agent).is_err());
    let capture: Value = serde_json::from_str(super::sdk::CAPTURE).unwrap();
    assert!(body_spans(&capture, Format::Public).is_err(), "the other format");
    assert!(public(json!({ "ml_app": "weather-app", "spans": [] })).is_err());
    for ml_app in ["", "Weather", "a__b", "a_", "a b", &"a".repeat(194)] {
        assert!(public(json!({ "ml_app": ml_app, "spans": [{}] })).is_err(), "`{ml_app}`");
    }
}
