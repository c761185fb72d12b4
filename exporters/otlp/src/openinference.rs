//! The attributes of OpenInference, which Phoenix and others show: written besides those of OpenTelemetry, if asked for.
//!
//! Rule: `input.value` and `output.value` are there together or not at all: receivers take both from one family.

use charm_telemetry_core::trace::{Content, FinishedSpan, SpanKind};
use serde_json::Value as Json;

use crate::encode::EncodeOptions;
use crate::messages::{Message, Part};
use crate::wire::{Attribute, attribute};

/// What stands in place of what `OPENINFERENCE_HIDE_*` hides.
const HIDDEN: &str = "__REDACTED__";

/// Who sends what, and the numbers.
pub(crate) fn plain<'a>(span: &'a FinishedSpan, options: &'a EncodeOptions, into: &mut Vec<Attribute<'a>>) {
    let kind = match span.head.kind {
        SpanKind::Agent => "AGENT",
        SpanKind::Llm => "LLM",
        SpanKind::Tool => "TOOL",
        SpanKind::Retrieval => "RETRIEVER",
    };
    into.push(attribute("openinference.span.kind", kind));
    let mut put = |key: &'static str, text: Option<&'a str>| {
        into.extend(text.map(|text| attribute(key, text)));
    };
    put("session.id", span.conversation.as_deref());
    put("metadata", options.tags.as_deref());
    match span.head.kind {
        SpanKind::Agent => put("agent.name", span.head.given_name()),
        SpanKind::Tool => put("tool.name", span.head.given_name()),
        SpanKind::Retrieval => {}
        SpanKind::Llm => {
            put("llm.model_name", span.response_model.as_deref().or(span.model.as_deref()));
            put("llm.system", span.provider.as_deref());
        }
    }
    if let Some(usage) = span.usage.filter(|_| span.head.kind == SpanKind::Llm) {
        let sum =
            usage.input_tokens.zip(usage.output_tokens).map(|(input, output)| input.saturating_add(output));
        let total = usage.total_tokens.or(sum);
        for (key, tokens) in [
            ("llm.token_count.prompt", usage.input_tokens),
            ("llm.token_count.completion", usage.output_tokens),
            ("llm.token_count.total", total),
            ("llm.token_count.prompt_details.cache_read", usage.cache_read_tokens),
            ("llm.token_count.prompt_details.cache_write", usage.cache_write_tokens),
            ("llm.token_count.completion_details.reasoning", usage.reasoning_tokens),
        ] {
            into.extend(tokens.map(|tokens| attribute(key, tokens)));
        }
    }
}

/// The input and the output as a whole.
pub(crate) fn values<'a>(span: &'a FinishedSpan, options: &EncodeOptions, into: &mut Vec<Attribute<'a>>) {
    if span.content_withheld || (span.input.is_none() && span.output.is_none()) {
        return;
    }
    value(["input.value", "input.mime_type"], span.input.as_ref(), options.hide_inputs, into);
    value(["output.value", "output.mime_type"], span.output.as_ref(), options.hide_outputs, into);
}

/// The messages, flattened. Last of all attributes, because they are the first to go over the limit.
pub(crate) fn flattened(prefix: &str, messages: &[Message], into: &mut Vec<Attribute<'_>>) {
    for (index, message) in messages.iter().enumerate() {
        let key = |rest: &str| format!("{prefix}.{index}.message.{rest}");
        into.push(attribute(key("role"), message.role.clone()));
        let text = message.text();
        if !text.is_empty() {
            into.push(attribute(key("content"), text));
        }
        if let Some(name) = &message.name {
            into.push(attribute(key("name"), name.clone()));
        }
        let answered = message.parts.iter().find_map(|part| match part {
            Part::ToolResponse { id, .. } => id.clone(),
            _ => None,
        });
        into.extend(answered.map(|id| attribute(key("tool_call_id"), id)));
        let calls = message.parts.iter().filter(|part| matches!(part, Part::ToolCall { .. }));
        for (number, call) in calls.enumerate() {
            tool_call(&key(&format!("tool_calls.{number}.tool_call")), call, into);
        }
    }
}

fn tool_call(prefix: &str, call: &Part, into: &mut Vec<Attribute<'_>>) {
    let Part::ToolCall { id, name, arguments } = call else { return };
    if let Some(id) = id {
        into.push(attribute(format!("{prefix}.id"), id.clone()));
    }
    into.push(attribute(format!("{prefix}.function.name"), name.clone()));
    let arguments = match arguments {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    into.push(attribute(format!("{prefix}.function.arguments"), arguments));
}

fn value<'a>(
    [value_key, type_key]: [&'static str; 2],
    content: Option<&'a Content>,
    hidden: bool,
    into: &mut Vec<Attribute<'a>>,
) {
    if hidden {
        into.push(attribute(value_key, HIDDEN));
        return;
    }
    let is_structure = |content: &&Content| {
        content.as_json().is_some_and(|json| json.get().trim_start().starts_with(['{', '[']))
    };
    let mime_type =
        if content.as_ref().is_some_and(is_structure) { "application/json" } else { "text/plain" };
    let text = content.map_or_else(|| "".into(), Content::text);
    into.push(attribute(value_key, text));
    into.push(attribute(type_key, mime_type));
}
