//! A finished span as Datadog's JSON.
//!
//! Rule: pure, and complete: an item says whose it is by itself, since it may be sent by a later process.

use std::time::{SystemTime, UNIX_EPOCH};

use charm_telemetry_core::trace::{Content, FinishedSpan, SpanKind, TraceId};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::labels::Labels;
use crate::settings::Format;
use crate::{documents, messages, shrink};

/// The parent of a span without one. Not null, not empty, not 0: those hide the whole trace.
const NO_PARENT: &str = "undefined";

/// The span, at most [`MAX_SPAN_BYTES`](crate::limits::MAX_SPAN_BYTES) long.
pub(crate) fn encode(span: &FinishedSpan, labels: &Labels) -> Vec<u8> {
    let failure = Failure::of(span);
    let head = &span.head;
    // The run's own trace, even within the trace of another product: there, `apm_trace_id` leads to it.
    let (trace_id, apm_trace_id) = (TraceId::of_run(head.run).to_string(), head.trace_id.to_string());
    let mut json = json!({
        "trace_id": trace_id,
        "span_id": head.span_id.get().to_string(),
        "parent_id": head.parent.as_ref().map_or_else(|| NO_PARENT.to_owned(), |p| p.span_id.get().to_string()),
        "name": &*head.name,
        "start_ns": nanoseconds(head.start),
        "duration": u64::try_from(span.duration.as_nanos()).unwrap_or(u64::MAX),
        "status": if failure.is_some() { "error" } else { "ok" },
        "tags": labels.tags(span, failure.as_ref()),
        "meta": meta(span, labels.format, failure.as_ref()),
        "metrics": metrics(span),
    });
    if let Some(conversation) = &span.conversation {
        json["session_id"] = json!(&**conversation);
    }
    match labels.format {
        Format::Public => json["apm_trace_id"] = apm_trace_id.into(),
        Format::Agent => {
            let span_id = &json["span_id"];
            json["_dd"] =
                json!({ "span_id": span_id, "trace_id": apm_trace_id, "apm_trace_id": apm_trace_id });
        }
    }
    shrink::to_fit(json, labels.format)
}

/// Since 1970.
pub(crate) fn nanoseconds(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

fn meta(span: &FinishedSpan, format: Format, failure: Option<&Failure>) -> Value {
    let mut meta = Map::new();
    let kind = span.head.kind.name();
    match format {
        Format::Public => meta.insert("kind".to_owned(), kind.into()),
        Format::Agent => meta.insert("span".to_owned(), json!({ "kind": kind })),
    };
    if let Some(input) = &span.input {
        meta.insert("input".to_owned(), input_of(span.head.kind, input, format));
    }
    if let Some(output) = &span.output {
        meta.insert("output".to_owned(), output_of(span.head.kind, output, format));
    }
    if let Some(failure) = failure {
        meta.insert("error".to_owned(), failure.json());
    }
    let mut metadata = metadata(span);
    match format {
        Format::Public => metadata.extend(model(span)),
        Format::Agent => {
            meta.extend(model(span));
            meta.extend(attribution(span));
        }
    }
    meta.insert("metadata".to_owned(), metadata.into());
    meta.into()
}

fn input_of(kind: SpanKind, input: &Content, format: Format) -> Value {
    match kind {
        SpanKind::Llm => json!({ "messages": messages::messages(input, "user", format) }),
        SpanKind::Agent => json!({ "value": sole_input(input).unwrap_or_else(|| input.text().into_owned()) }),
        _ => json!({ "value": input.text() }),
    }
}

fn output_of(kind: SpanKind, output: &Content, format: Format) -> Value {
    match kind {
        SpanKind::Llm => json!({ "messages": messages::messages(output, "assistant", format) }),
        SpanKind::Retrieval => documents::output(output),
        _ => json!({ "value": output.text() }),
    }
}

/// The text of inputs that are nothing but a text: `{"input": "Weather in Lyon?"}`, with or without a conversation.
fn sole_input(inputs: &Content) -> Option<String> {
    let fields: Map<String, Value> = serde_json::from_str(inputs.as_json()?.get()).ok()?;
    let mut rest =
        fields.iter().filter(|(name, _)| !["thread_id", "__charm_thread_id__"].contains(&name.as_str()));
    let (name, value) = rest.next()?;
    let text = value.as_str().filter(|_| name == "input" && rest.next().is_none())?;
    Some(text.to_owned())
}

/// The model that answered, since it is what tokens are priced by; else the one that was asked for.
fn model(span: &FinishedSpan) -> Map<String, Value> {
    let mut model = Map::new();
    if span.head.kind == SpanKind::Llm {
        let names = [
            ("model_name", span.response_model.as_ref().or(span.model.as_ref())),
            ("model_provider", span.provider.as_ref()),
        ];
        model.extend(names.into_iter().filter_map(|(key, name)| Some((key.to_owned(), json!(&**name?)))));
    }
    model
}

/// The agent that a call was made for.
fn attribution(span: &FinishedSpan) -> Option<(String, Value)> {
    let agent = span.head.ancestors().find(|head| head.kind == SpanKind::Agent)?;
    let of = json!({ "pagent_name": &*agent.name, "pagent_span_id": agent.span_id.get().to_string() });
    Some(("agent_attribution".to_owned(), of))
}

/// Facts about the call. Never content: Datadog's scanner of sensitive data has not looked here
/// (<https://github.com/DataDog/dd-trace-py/issues/18502>).
fn metadata(span: &FinishedSpan) -> Map<String, Value> {
    let mut metadata = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        metadata.extend(value.map(|value| (name.to_owned(), value)));
    };
    let flag = |set: bool| set.then_some(Value::Bool(true));
    let cut = |content: &Option<Content>| flag(content.as_ref().is_some_and(Content::is_truncated));
    for (name, value) in span.parameters.integers() {
        put(name, Some(value.into()));
    }
    for (name, value) in span.parameters.doubles() {
        put(name, Some(value.into()));
    }
    put("suspended", flag(span.suspended));
    put("start_missing", flag(span.start_missing));
    put("content_withheld", flag(span.content_withheld));
    put("input_truncated", cut(&span.input));
    put("output_truncated", cut(&span.output));
    if let Some(totals) = &span.totals {
        put("llm_calls", Some(totals.llm_calls.into()));
        put("tool_calls", Some(totals.tool_calls.into()));
        put("failed_calls", Some(totals.failed_calls.into()));
    }
    if span.response_model.is_some() && span.response_model != span.model {
        put("requested_model", span.model.as_deref().map(Value::from));
    }
    put("streamed_tokens", span.streaming.map(|streaming| streaming.tokens.into()));
    put("tokens_per_second", span.tokens_per_second().map(Value::from));
    metadata
}

/// Tokens as the provider counted them, and times in seconds. Only on calls of models, so that no sum counts twice; what
/// is not known is left out, since a zero would be believed.
fn metrics(span: &FinishedSpan) -> Value {
    let mut metrics = Map::new();
    if let Some(usage) = span.usage.filter(|_| span.head.kind == SpanKind::Llm) {
        let sum = || usage.input_tokens?.checked_add(usage.output_tokens?);
        for (name, count) in [
            ("input_tokens", usage.input_tokens),
            ("output_tokens", usage.output_tokens),
            ("total_tokens", usage.total_tokens.or_else(sum)),
            ("cache_read_input_tokens", usage.cache_read_tokens),
            ("cache_write_input_tokens", usage.cache_write_tokens),
            ("reasoning_output_tokens", usage.reasoning_tokens),
        ] {
            metrics.extend(count.map(|count| (name.to_owned(), count.into())));
        }
    }
    if let Some(streaming) = span.streaming {
        for (name, time) in [
            ("time_to_first_token", streaming.time_to_first_token),
            ("time_per_output_token", streaming.time_per_token()),
        ] {
            metrics.extend(time.map(|time| (name.to_owned(), time.as_secs_f64().into())));
        }
    }
    metrics.into()
}
