//! What Datadog documents of a span, or, for the way through an Agent, what its libraries send without exception.
//!
//! Rule: what is documented as optional may be missing. The public intake gets no field that its documentation lacks, but for
//! the few of [`HINTED_METRICS`] and `tool_calls`.

use serde_json::Value;

use super::shape::{
    fields, has_only, is_object_if_any, is_objects_if_any, is_some_text, is_text_if_any, is_texts_if_any,
    items, tag,
};
use super::{Format, Rule, Span};

const KINDS: [&str; 7] = ["agent", "workflow", "llm", "tool", "task", "embedding", "retrieval"];
const ROOTS: [&str; 3] = ["agent", "workflow", "llm"];

const SPAN: [&str; 12] = [
    "name",
    "span_id",
    "trace_id",
    "parent_id",
    "start_ns",
    "duration",
    "meta",
    "status",
    "apm_trace_id",
    "metrics",
    "session_id",
    "tags",
];
const META: [&str; 5] = ["kind", "error", "input", "output", "metadata"];
const IO: [&str; 4] = ["value", "messages", "documents", "prompt"];
/// `tool_calls` is a hint of unmerged documentation.
const MESSAGE: [&str; 3] = ["content", "role", "tool_calls"];
const METRICS: [&str; 6] = [
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "time_to_first_token",
    "time_per_output_token",
    "total_cost",
];
/// Hints of unmerged documentation; Datadog's libraries send them.
const HINTED_METRICS: [&str; 3] =
    ["cache_read_input_tokens", "cache_write_input_tokens", "reasoning_output_tokens"];

const DAY: u64 = 86_400_000_000_000;

pub(crate) const DOCUMENTED: &[Rule<Span>] = &[
    Rule::public("a span has only documented fields", |span| has_only(&span.json, &SPAN)),
    Rule::both("`name` is a text", |span| is_some_text(&span.json["name"])),
    Rule::both("`span_id` is a text", |span| is_some_text(&span.json["span_id"])),
    Rule::both("`trace_id` is a text", |span| is_some_text(&span.json["trace_id"])),
    Rule::both("`parent_id` is a text", |span| is_some_text(&span.json["parent_id"])),
    Rule::both("`apm_trace_id` is a text", |span| is_text_if_any(&span.json["apm_trace_id"])),
    Rule::agent("ids are decimal numbers", |span| {
        ["span_id", "parent_id"].into_iter().all(|id| is_decimal_or_root(&span.json[id]))
    }),
    Rule::agent("a trace has 32 hexadecimal digits", |span| {
        let id = span.json["trace_id"].as_str().unwrap_or_default();
        id.len() == 32 && id.bytes().all(|digit| b"0123456789abcdef".contains(&digit))
    }),
    Rule::both("`start_ns` is in nanoseconds", |span| {
        span.json["start_ns"].as_u64().is_some_and(|start| start > 1_600_000_000_000_000_000)
    }),
    Rule::both("a span began less than 24 hours ago", |span| {
        span.json["start_ns"].as_u64().is_some_and(|start| span.now.saturating_sub(start) < DAY)
    }),
    Rule::both("`duration` is a number", |span| span.json["duration"].as_f64().is_some_and(|ns| ns >= 0.0)),
    Rule::both("`status` is ok or error", |span| {
        span.json["status"].is_null() || span.json["status"] == "ok" || span.json["status"] == "error"
    }),
    Rule::both("`session_id` is a text", |span| is_text_if_any(&span.json["session_id"])),
    Rule::both("tags are texts", |span| is_texts_if_any(&span.json["tags"])),
    Rule::both("a tag is `key:value`", |span| {
        items(&span.json["tags"]).filter_map(Value::as_str).all(|tag| tag.contains(':'))
    }),
    Rule::agent("an application is named by a tag", |span| tag(&span.json, "ml_app").is_some()),
    Rule::both("the kind stands where the format has it", |span| kind(span).is_some()),
    Rule::both("the kind does not stand where the other format has it", |span| match span.format {
        Format::Public => span.json["meta"]["span"].is_null(),
        Format::Agent => span.json["meta"]["kind"].is_null(),
    }),
    Rule::both("the kind is one that is known", |span| is_one_of(span, &KINDS)),
    Rule::both("a tool is no root", |span| span.json["parent_id"] != "undefined" || is_one_of(span, &ROOTS)),
    Rule::public("the model is metadata", |span| span.json["meta"]["model_name"].is_null()),
    Rule::agent("the model is no metadata", |span| span.json["meta"]["metadata"]["model_name"].is_null()),
    Rule::public("meta has only documented fields", |span| has_only(&span.json["meta"], &META)),
    Rule::both("an error is an object", |span| is_object_if_any(&span.json["meta"]["error"])),
    Rule::both("an error is texts", |span| {
        fields(&span.json["meta"]["error"]).all(|(_, text)| text.is_string())
    }),
    Rule::both("an error has three fields", |span| {
        has_only(&span.json["meta"]["error"], &["message", "type", "stack"])
    }),
    Rule::both("input and output are objects", |span| sides(span).all(is_object_if_any)),
    Rule::both("`value` is a text", |span| sides(span).all(|io| is_text_if_any(&io["value"]))),
    Rule::both("only models have messages", |span| {
        is_one_of(span, &["llm"]) || sides(span).all(|io| io["messages"].is_null())
    }),
    Rule::both("only what was found is documents", |span| {
        let (input, output) = (&span.json["meta"]["input"], &span.json["meta"]["output"]);
        // Datadog's library also sends what an embedding is of.
        let embeds = span.format == Format::Agent && is_one_of(span, &["embedding"]);
        (embeds || input["documents"].is_null())
            && (is_one_of(span, &["retrieval"]) || output["documents"].is_null())
    }),
    Rule::public("input and output have only documented fields", |span| {
        sides(span).all(|io| has_only(io, &IO))
    }),
    Rule::both("`messages` are a list of objects", |span| {
        sides(span).all(|io| is_objects_if_any(&io["messages"]))
    }),
    Rule::both("the content of a message is a text", |span| {
        messages(span).all(|message| message["content"].is_string())
    }),
    Rule::both("the role of a message is a text", |span| {
        messages(span).all(|message| is_text_if_any(&message["role"]))
    }),
    Rule::public("a message has only documented fields", |span| {
        messages(span).all(|message| has_only(message, &MESSAGE))
    }),
    Rule::both("`tool_calls` are a list of objects", |span| {
        messages(span).all(|message| is_objects_if_any(&message["tool_calls"]))
    }),
    Rule::both("arguments are an object", |span| calls(span).all(|call| call["arguments"].is_object())),
    Rule::both("what names a tool is a text", |span| {
        calls(span).all(|call| ["name", "tool_id", "type"].iter().all(|name| is_text_if_any(&call[*name])))
    }),
    Rule::agent("`tool_results` are a list of objects", |span| {
        messages(span).all(|message| is_objects_if_any(&message["tool_results"]))
    }),
    Rule::agent("what a tool answered is four texts", |span| {
        let results = messages(span).flat_map(|message| items(&message["tool_results"]));
        results.into_iter().all(|result| {
            let names = ["name", "result", "tool_id", "type"];
            has_only(result, &names) && names.iter().all(|name| result[*name].is_string())
        })
    }),
    Rule::both("`documents` are a list of objects", |span| {
        sides(span).all(|io| is_objects_if_any(&io["documents"]))
    }),
    Rule::both("a document has four fields", |span| {
        documents(span).all(|document| has_only(document, &["text", "name", "id", "score"]))
    }),
    Rule::both("what names a document is a text", |span| {
        documents(span)
            .all(|document| ["text", "name", "id"].iter().all(|name| is_text_if_any(&document[*name])))
    }),
    Rule::both("a score is a number", |span| {
        documents(span).all(|document| document["score"].is_null() || document["score"].is_number())
    }),
    Rule::both("metadata are an object", |span| is_object_if_any(&span.json["meta"]["metadata"])),
    Rule::both("metadata are numbers, switches and texts", |span| {
        let simple = |value: &Value| value.is_number() || value.is_boolean() || value.is_string();
        fields(&span.json["meta"]["metadata"]).all(|(_, value)| simple(value))
    }),
    Rule::both("metrics are an object", |span| is_object_if_any(&span.json["metrics"])),
    Rule::both("metrics are numbers", |span| {
        fields(&span.json["metrics"]).all(|(_, value)| value.is_number())
    }),
    Rule::public("metrics have only documented names", |span| {
        fields(&span.json["metrics"])
            .all(|(name, _)| METRICS.contains(&name.as_str()) || HINTED_METRICS.contains(&name.as_str()))
    }),
    Rule::both("times are in seconds", |span| {
        let times = ["time_to_first_token", "time_per_output_token"].map(|name| &span.json["metrics"][name]);
        times.into_iter().filter_map(Value::as_f64).all(|time| (0.0..86_400.0).contains(&time))
    }),
    Rule::both("only models have tokens", |span| {
        let has_tokens = fields(&span.json["metrics"]).any(|(name, _)| name.ends_with("_tokens"));
        !has_tokens || is_one_of(span, &["llm", "embedding"])
    }),
];

fn is_decimal_or_root(id: &Value) -> bool {
    let id = id.as_str().unwrap_or_default();
    id == "undefined" || id.parse::<u64>().is_ok_and(|id| id > 0)
}

fn kind(span: &Span) -> Option<&str> {
    match span.format {
        Format::Public => span.json["meta"]["kind"].as_str(),
        Format::Agent => span.json["meta"]["span"]["kind"].as_str(),
    }
}

fn is_one_of(span: &Span, kinds: &[&str]) -> bool {
    kind(span).is_some_and(|kind| kinds.contains(&kind))
}

fn sides(span: &Span) -> impl Iterator<Item = &Value> {
    ["input", "output"].into_iter().map(|side| &span.json["meta"][side])
}

fn messages(span: &Span) -> impl Iterator<Item = &Value> {
    sides(span).flat_map(|io| items(&io["messages"]))
}

fn calls(span: &Span) -> impl Iterator<Item = &Value> {
    messages(span).flat_map(|message| items(&message["tool_calls"]))
}

fn documents(span: &Span) -> impl Iterator<Item = &Value> {
    sides(span).flat_map(|io| items(&io["documents"]))
}
