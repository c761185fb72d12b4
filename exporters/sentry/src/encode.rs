//! A finished span as Sentry's span of the second version, and what both forms share: names, operations, attributes.
//!
//! Rule: pure: a span goes in, bytes come out, without a clock. Sentry takes 1 MiB for an item: what is longer is encoded
//! again with less content, until it fits.
//!
//! What makes a span appear among agents, models and tools is `gen_ai.operation.name`, and any name that Sentry does not
//! know counts as a call of a model: a search for documents therefore has neither that attribute nor a `gen_ai.`
//! operation.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use charm_telemetry_core::TokenUsage;
use charm_telemetry_core::trace::{FinishedSpan, SpanHead, SpanKind, SpanStatus};
use serde::Serialize;

use crate::attributes::{Attribute, Attributes, Typed};
use crate::messages::{Conversation, Message, Part, cut};
use crate::profile::{ORIGIN, PLATFORM, Profile, SDK_NAME, SDK_VERSION, TraceHeader};

/// The longest item.
pub(crate) const MAX_ITEM_BYTES: usize = 1024 * 1024;

/// Bytes of one attribute of content, from try to try. The last try has no content.
const CONTENT_CAPS: [usize; 5] = [256 * 1024, 64 * 1024, 16 * 1024, 2 * 1024, 0];

/// What goes with an item into the header of its envelope: the first line of the item.
#[derive(Serialize)]
pub(crate) struct ItemLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event_id: Option<String>,
    pub(crate) trace: TraceHeader<'a>,
    /// How many spans are lost with it, for client reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spans: Option<usize>,
}

#[derive(Serialize)]
struct SpanV2<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: String,
    status: &'static str,
    is_segment: bool,
    start_timestamp: f64,
    end_timestamp: f64,
    attributes: Typed<'a>,
}

/// The item of a span.
pub(crate) fn span_item(span: &FinishedSpan, profile: &Profile) -> Vec<u8> {
    let line = ItemLine { event_id: None, trace: profile.trace_header(&span.head, true), spans: None };
    let encode = |cap| {
        let mut attributes = own_attributes(span, cap);
        add_process_attributes(&mut attributes, span, profile);
        let head = &span.head;
        item(
            &line,
            &SpanV2 {
                trace_id: head.trace_id.to_string(),
                span_id: head.span_id.to_string(),
                parent_span_id: head.parent_span_id().map(|id| id.to_string()),
                name: span_name(head),
                status: if matches!(span.status, SpanStatus::Ok) { "ok" } else { "error" },
                is_segment: head.is_root(),
                start_timestamp: seconds(head.start),
                end_timestamp: seconds(span.end),
                attributes: Typed(&attributes),
            },
        )
    };
    fit(&CONTENT_CAPS, encode)
}

/// An item: a line for the envelope, then the payload.
pub(crate) fn item(line: &impl Serialize, payload: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).expect("it is texts and numbers");
    bytes.push(b'\n');
    serde_json::to_writer(&mut bytes, payload).expect("writing to memory cannot fail");
    bytes
}

/// Encodes with less and less content until it fits. The last try counts whatever its size.
pub(crate) fn fit(caps: &[usize], encode: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &cap in caps {
        bytes = encode(cap);
        if bytes.len() <= MAX_ITEM_BYTES {
            break;
        }
    }
    bytes
}

/// The name of a span, from what is known at its start.
pub(crate) fn span_name(head: &SpanHead) -> String {
    match head.kind {
        SpanKind::Agent => format!("invoke_agent {}", head.name),
        // A call whose model is not known has the name of its kind.
        SpanKind::Llm if *head.name == *SpanKind::Llm.name() => "chat".to_owned(),
        SpanKind::Llm => format!("chat {}", head.name),
        SpanKind::Tool => format!("execute_tool {}", head.name),
        SpanKind::Retrieval => format!("retrieve {}", head.name),
    }
}

/// The operation of a span.
pub(crate) fn op(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Agent => "gen_ai.invoke_agent",
        SpanKind::Llm => "gen_ai.chat",
        SpanKind::Tool => "gen_ai.execute_tool",
        SpanKind::Retrieval => "retrieval",
    }
}

/// Seconds since 1970, to the microsecond.
pub(crate) fn seconds(time: SystemTime) -> f64 {
    let micros = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    #[expect(clippy::cast_precision_loss, reason = "microseconds of this century fit into 53 bits")]
    let micros = micros as f64;
    micros / 1e6
}

/// What the span itself is about. Each content has at most `cap` bytes.
pub(crate) fn own_attributes(span: &FinishedSpan, cap: usize) -> Attributes<'_> {
    let mut attributes = Attributes::default();
    let root = span.head.root();
    match span.head.kind {
        SpanKind::Agent => {
            attributes.set("gen_ai.operation.name", "invoke_agent");
            add_messages(&mut attributes, span, cap);
        }
        SpanKind::Llm => {
            attributes.set("gen_ai.operation.name", "chat");
            add_model(&mut attributes, span);
            add_messages(&mut attributes, span, cap);
        }
        SpanKind::Tool => {
            attributes.set("gen_ai.operation.name", "execute_tool");
            attributes.set("gen_ai.tool.name", &*span.head.name);
            add_contents(
                &mut attributes,
                span,
                cap,
                ["gen_ai.tool.call.arguments", "gen_ai.tool.call.result"],
            );
        }
        SpanKind::Retrieval => {
            let keys = ["gen_ai.retrieval.query.text", "gen_ai.retrieval.documents"];
            add_contents(&mut attributes, span, cap, keys);
        }
    }
    attributes.set("gen_ai.agent.name", &*root.name);
    let conversation = span.conversation.as_deref().map(Cow::Borrowed);
    attributes
        .set("gen_ai.conversation.id", conversation.unwrap_or_else(|| Cow::Owned(span.head.run.to_string())));
    attributes.set("charm.run_id", span.head.run.to_string());
    add_ending(&mut attributes, span);
    attributes
}

/// What only spans of the second version carry themselves; a transaction says it once.
fn add_process_attributes<'a>(attributes: &mut Attributes<'a>, span: &'a FinishedSpan, profile: &'a Profile) {
    let root = span.head.root();
    attributes.set("sentry.op", op(span.head.kind));
    attributes.set("sentry.origin", ORIGIN);
    attributes.set_some("sentry.release", profile.release.as_deref());
    attributes.set("sentry.environment", profile.environment.as_str());
    attributes.set("sentry.platform", PLATFORM);
    attributes.set("sentry.sdk.name", SDK_NAME);
    attributes.set("sentry.sdk.version", SDK_VERSION);
    attributes.set("sentry.segment.id", root.span_id.to_string());
    attributes.set("sentry.segment.name", span_name(root));
    if span.head.is_root() {
        attributes.set("sentry.segment.name.source", "custom");
    }
    for (key, value) in &profile.tags {
        attributes.set(key.as_str(), value.as_str());
    }
}

fn add_ending<'a>(attributes: &mut Attributes<'a>, span: &'a FinishedSpan) {
    match &span.status {
        SpanStatus::Ok => {}
        SpanStatus::Error(error) => attributes.set_some("error.type", error.error_type.as_deref()),
        SpanStatus::Aborted(reason) => attributes.set("charm.aborted", reason.describe()),
    }
    if span.suspended {
        attributes.set("charm.suspended", true);
    }
}

/// The new names, and the old ones of those that Sentry still reads by their old names.
fn add_model<'a>(attributes: &mut Attributes<'a>, span: &'a FinishedSpan) {
    let answered = span.response_model.as_deref().or(span.model.as_deref());
    attributes.set_some("gen_ai.provider.name", span.provider.as_deref());
    attributes.set_some("gen_ai.request.model", span.model.as_deref());
    attributes.set_some("gen_ai.response.model", answered);
    attributes.set_some("gen_ai.response.finish_reasons", finish_reasons(span));
    for (name, value) in span.parameters.integers() {
        // Sentry's conventions have it as a text.
        let value = if name == "seed" { value.to_string().into() } else { Attribute::from(value) };
        attributes.set(format!("gen_ai.request.{name}"), value);
    }
    for (name, value) in span.parameters.doubles() {
        attributes.set(format!("gen_ai.request.{name}"), value);
    }
    attributes.set("gen_ai.response.streaming", span.streaming.is_some());
    let first = span.streaming.and_then(|streaming| streaming.time_to_first_token);
    if let Some(first) = first {
        attributes.set("gen_ai.response.time_to_first_chunk", first.as_secs_f64());
        attributes.set("gen_ai.response.time_to_first_token", first.as_secs_f64());
    }
    if let Some(usage) = &span.usage {
        add_usage(attributes, usage);
    }
}

/// One text, as Sentry's conventions have it: that of each answer, if they differ.
fn finish_reasons(span: &FinishedSpan) -> Option<String> {
    let mut reasons: Vec<&str> = Vec::new();
    for reason in &span.finish_reasons {
        if !reasons.contains(&&**reason) {
            reasons.push(reason);
        }
    }
    (!reasons.is_empty()).then(|| reasons.join(","))
}

/// Sentry computes a price from what is left of the whole without its parts: where only a part is known, that is the whole.
fn add_usage(attributes: &mut Attributes<'_>, usage: &TokenUsage) {
    let cached = [usage.cache_read_tokens, usage.cache_write_tokens];
    let cached = cached.into_iter().flatten().reduce(u64::saturating_add);
    let (input, output) = (usage.input_tokens.or(cached), usage.output_tokens.or(usage.reasoning_tokens));
    let sum = input.zip(output).map(|(input, output)| input.saturating_add(output));
    let total = usage.total_tokens.or(sum);
    attributes.set_some("gen_ai.usage.input_tokens", input);
    attributes.set_some("gen_ai.usage.output_tokens", output);
    attributes.set_some("gen_ai.usage.total_tokens", total);
    attributes.set_some("gen_ai.usage.cache_read.input_tokens", usage.cache_read_tokens);
    attributes.set_some("gen_ai.usage.input_tokens.cached", usage.cache_read_tokens);
    attributes.set_some("gen_ai.usage.cache_creation.input_tokens", usage.cache_write_tokens);
    attributes.set_some("gen_ai.usage.input_tokens.cache_write", usage.cache_write_tokens);
    attributes.set_some("gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens);
    attributes.set_some("gen_ai.usage.output_tokens.reasoning", usage.reasoning_tokens);
}

fn add_messages(attributes: &mut Attributes<'_>, span: &FinishedSpan, cap: usize) {
    if cap == 0 {
        return;
    }
    if let Some(input) = &span.input {
        let said = Conversation::read(input, "user");
        let system = said.system_json().map(|json| bounded(json, cap, as_instructions));
        attributes.set_some("gen_ai.system_instructions", system);
        let messages = said.messages_json().map(|json| bounded(json, cap, |text| as_message("user", text)));
        attributes.set_some("gen_ai.input.messages", messages);
    }
    let messages =
        said_by(span).messages_json().map(|json| bounded(json, cap, |text| as_message("assistant", text)));
    attributes.set_some("gen_ai.output.messages", messages);
}

/// What the agent decided to do comes before its answer, unless that tells the calls itself.
fn said_by(span: &FinishedSpan) -> Conversation {
    let answer =
        span.output.as_ref().map(|output| Conversation::read(output, "assistant")).unwrap_or_default();
    if answer.calls_tool() {
        return answer;
    }
    let mut said = Conversation::default();
    let actions = span.events.iter().filter(|event| &*event.name == "agent_action");
    actions.filter_map(|event| event.content.as_ref()).for_each(|action| said.add_action(action));
    said.messages.extend(answer.messages);
    said
}

fn add_contents<'a>(
    attributes: &mut Attributes<'a>,
    span: &'a FinishedSpan,
    cap: usize,
    [input, output]: [&'static str; 2],
) {
    if cap > 0 {
        attributes.set_some(input, span.input.as_ref().map(|content| cut(content.text(), cap)));
        attributes.set_some(output, span.output.as_ref().map(|content| cut(content.text(), cap)));
    }
}

/// A list of messages that is too long becomes one message with the beginning of it: still a list, so still shown.
fn bounded(json: String, cap: usize, wrap: impl Fn(String) -> String) -> String {
    if json.len() <= cap { json } else { wrap(cut(Cow::Owned(json), cap).into_owned()) }
}

fn as_message(role: &'static str, content: String) -> String {
    let messages = [Message { role, parts: vec![Part::Text { content }] }];
    serde_json::to_string(&messages).expect("it is texts")
}

fn as_instructions(content: String) -> String {
    serde_json::to_string(&[Part::Text { content }]).expect("it is texts")
}
