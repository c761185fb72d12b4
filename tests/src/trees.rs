//! What four vendors were told of one run, in one form.
//!
//! Rule: nothing is repaired here: a field that a vendor was not sent is missing from its tree, and a comparison shows it.

use serde_json::Value;

use crate::receivers::{LangSmithRun, SentryItem};

/// A run as one vendor has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// 32 digits, whatever the vendor writes between them.
    pub trace: String,
    /// In the order of their beginnings.
    pub nodes: Vec<Node>,
}

/// A span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `agent`, `llm` or `tool`
    pub kind: &'static str,
    /// Without the operation before it.
    pub name: String,
    /// Which one is its parent.
    pub parent: Option<usize>,
    /// Of input and output.
    pub tokens: Option<(u64, u64)>,
    /// What a tool was told and what it said.
    pub said: Option<(String, String)>,
    /// Whether it failed.
    pub failed: bool,
}

/// A span, and what its place is found by.
struct Placed {
    start: String,
    trace: String,
    id: String,
    parent: Option<String>,
    node: Node,
}

/// What `oteltap` printed.
pub fn of_otlp(records: &[Value]) -> Tree {
    tree(records.iter().filter(|record| record["spanId"].is_string()).map(|span| {
        let attribute = |key: &str| {
            let mut all = span["attributes"].as_array().into_iter().flatten();
            all.find(|attribute| attribute["key"] == key).map(|attribute| attribute["value"].clone())
        };
        let text = |key: &str| Some(attribute(key)?["stringValue"].as_str()?.to_owned());
        let count = |key: &str| attribute(key)?["intValue"].as_str()?.parse().ok();
        let (kind, name) = operation(&string(&span["name"]));
        Placed {
            start: string(&span["startTimeUnixNano"]),
            trace: string(&span["traceId"]),
            id: string(&span["spanId"]),
            parent: Some(string(&span["parentSpanId"])).filter(|parent| !parent.is_empty()),
            node: Node {
                kind,
                name,
                parent: None,
                tokens: count("gen_ai.usage.input_tokens").zip(count("gen_ai.usage.output_tokens")),
                said: text("gen_ai.tool.call.arguments").zip(text("gen_ai.tool.call.result")),
                failed: span["status"]["code"] == 2,
            },
        }
    }))
}

/// Spans as Datadog or an Agent of it was sent them.
pub fn of_datadog(spans: &[Value]) -> Tree {
    tree(spans.iter().map(|span| {
        let meta = &span["meta"];
        let kind = kind(meta["span"]["kind"].as_str().or(meta["kind"].as_str()));
        let metric = |key: &str| span["metrics"][key].as_u64();
        let text = |side: &str| meta[side]["value"].as_str().map(str::to_owned);
        let parent = string(&span["parent_id"]);
        // A model that nobody named is called by its kind.
        let name = string(&span["name"]);
        Placed {
            start: span["start_ns"].to_string(),
            trace: string(&span["trace_id"]),
            id: hex(&string(&span["span_id"])),
            parent: (parent != "undefined").then(|| hex(&parent)),
            node: Node {
                kind,
                name: if kind == "llm" && name == "llm" { String::new() } else { name },
                parent: None,
                tokens: metric("input_tokens").zip(metric("output_tokens")),
                said: text("input").zip(text("output")).filter(|_| kind == "tool"),
                failed: span["status"] == "error",
            },
        }
    }))
}

/// Runs as LangSmith was posted them.
pub fn of_langsmith(runs: &[LangSmithRun]) -> Tree {
    tree(runs.iter().map(|run| {
        let main = run.main();
        let kind = kind(main["run_type"].as_str());
        let usage = &run.field("extra")["metadata"]["usage_metadata"];
        let text = |side: &str, key: &str| match (run.field(side), &run.field(side)[key]) {
            (_, Value::String(text)) => Some(text.clone()),
            // Arguments are JSON at LangSmith, and a text elsewhere.
            (Value::Object(all), Value::Null) if !all.is_empty() => Some(run.field(side).to_string()),
            (_, Value::Null) => None,
            (_, json) => Some(json.to_string()),
        };
        let name = string(&main["name"]);
        // Runs have UUIDs, which end in the id of the span.
        let short = |id: &Value| Some(id.as_str()?.replace('-', "").split_off(16));
        Placed {
            start: string(&main["start_time"]),
            trace: string(&main["trace_id"]).replace('-', ""),
            id: short(&main["id"]).unwrap_or_default(),
            parent: short(&main["parent_run_id"]),
            node: Node {
                kind,
                name: if kind == "llm" && name == "llm" { String::new() } else { name },
                parent: None,
                tokens: usage["input_tokens"].as_u64().zip(usage["output_tokens"].as_u64()),
                said: text("inputs", "input").zip(text("outputs", "output")).filter(|_| kind == "tool"),
                failed: run.field("error").is_string(),
            },
        }
    }))
}

/// Spans of the second version, as Sentry was sent them.
pub fn of_sentry(items: &[SentryItem]) -> Tree {
    let payloads = items.iter().filter(|item| item.kind == "span").map(|item| &item.payload);
    tree(payloads.flat_map(|payload| payload["items"].as_array().into_iter().flatten()).map(|span| {
        let attribute = |key: &str| &span["attributes"][key]["value"];
        let text = |key: &str| attribute(key).as_str().map(str::to_owned);
        let count = |key: &str| attribute(key).as_u64();
        let (kind, name) = operation(&string(&span["name"]));
        Placed {
            start: format!("{:.6}", span["start_timestamp"].as_f64().unwrap_or_default()),
            trace: string(&span["trace_id"]),
            id: string(&span["span_id"]),
            parent: span["parent_span_id"].as_str().map(str::to_owned),
            node: Node {
                kind,
                name,
                parent: None,
                tokens: count("gen_ai.usage.input_tokens").zip(count("gen_ai.usage.output_tokens")),
                said: text("gen_ai.tool.call.arguments").zip(text("gen_ai.tool.call.result")),
                failed: span["status"] == "error",
            },
        }
    }))
}

fn tree(spans: impl Iterator<Item = Placed>) -> Tree {
    let mut spans: Vec<_> = spans.collect();
    spans.sort_by(|a, b| a.start.cmp(&b.start));
    let trace = spans.first().map(|span| span.trace.clone()).unwrap_or_default();
    assert!(spans.iter().all(|span| span.trace == trace), "one run is one trace");
    let ids: Vec<_> = spans.iter().map(|span| span.id.clone()).collect();
    let nodes = spans.into_iter().map(|span| {
        let place = |parent: String| {
            ids.iter().position(|id| *id == parent).unwrap_or_else(|| panic!("no span has the id `{parent}`"))
        };
        Node { parent: span.parent.map(place), ..span.node }
    });
    Tree { trace, nodes: nodes.collect() }
}

/// `chat gpt-4o`, `execute_tool search`.
fn operation(name: &str) -> (&'static str, String) {
    let (operation, rest) = name.split_once(' ').unwrap_or((name, ""));
    let kind = match operation {
        "invoke_agent" => "agent",
        "chat" => "llm",
        "execute_tool" => "tool",
        other => panic!("no operation is called `{other}`"),
    };
    (kind, rest.to_owned())
}

fn kind(name: Option<&str>) -> &'static str {
    match name {
        Some("agent" | "chain") => "agent",
        Some("llm") => "llm",
        Some("tool") => "tool",
        other => panic!("no kind is called {other:?}"),
    }
}

fn hex(decimal: &str) -> String {
    decimal.parse().map(|id: u64| format!("{id:016x}")).unwrap_or_default()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
