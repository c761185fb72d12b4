//! From a finished span to a span of OTLP, with the names of the GenAI conventions.
//!
//! Rule: pure; the same span gives the same bytes, so that a retry is harmless. Only spans that have ended come here, so
//! none is sent twice or without an end.
//!
//! - <https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/gen-ai-spans.md>
//! - <https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/gen-ai-agent-spans.md>
//! - Limits of a span: 128 attributes and 128 events unless `OTEL_SPAN_*_LIMIT` says otherwise.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use charm_telemetry_core::trace::{Content, FinishedSpan, SpanEvent, SpanKind, SpanStatus, TraceParent};

use crate::messages::{self, Message};
use crate::protobuf::{HAS_IS_REMOTE, IS_REMOTE};
use crate::wire::{Attribute, Event, Kind, Span, Value, attribute};
use crate::{openinference, semconv};

/// What the operator has set about the shape of spans.
#[derive(Clone, Debug, Default)]
pub(crate) struct EncodeOptions {
    /// Attributes of OpenInference besides.
    pub(crate) openinference: bool,
    /// `OPENINFERENCE_HIDE_INPUTS`
    pub(crate) hide_inputs: bool,
    /// `OPENINFERENCE_HIDE_OUTPUTS`
    pub(crate) hide_outputs: bool,
    /// Attributes of a span, at most.
    pub(crate) max_attributes: usize,
    /// Events of a span, at most.
    pub(crate) max_events: usize,
    /// Characters of a text, at most.
    pub(crate) max_value_chars: Option<usize>,
    /// `tracestate` of the trace in which the runs began.
    pub(crate) trace_state: String,
    /// The tags as a JSON object.
    pub(crate) tags: Option<String>,
    /// The agent's version.
    pub(crate) agent_version: Option<String>,
}

/// The span as OTLP has it.
pub(crate) fn encode<'a>(span: &'a FinishedSpan, options: &'a EncodeOptions) -> Span<'a> {
    let head = &span.head;
    let start_nanos = nanos(head.start);
    let remote = head.remote_parent.as_ref();
    // Of the trace, so the same for all spans in it.
    let of_trace = head.root().remote_parent.as_ref();
    let sampled = of_trace.is_none_or(TraceParent::is_sampled);
    let (events, dropped_events) = events(span, options);
    let mut encoded = Span {
        trace_id: *head.trace_id.as_bytes(),
        span_id: head.span_id.to_bytes(),
        parent: head.parent_span_id().map(charm_telemetry_core::trace::SpanId::to_bytes),
        trace_state: &options.trace_state,
        flags: HAS_IS_REMOTE | if remote.is_some() { IS_REMOTE } else { 0 } | u32::from(sampled),
        name: name(span),
        kind: if matches!(head.kind, SpanKind::Llm | SpanKind::Retrieval) {
            Kind::Client
        } else {
            Kind::Internal
        },
        start_nanos,
        end_nanos: nanos(span.end).max(start_nanos),
        attributes: attributes(span, options),
        dropped_attributes: 0,
        events,
        dropped_events,
        error: status_message(span),
    };
    let excess = encoded.attributes.len().saturating_sub(options.max_attributes);
    encoded.attributes.truncate(options.max_attributes);
    encoded.dropped_attributes = u32::try_from(excess).unwrap_or(u32::MAX);
    if let Some(most) = options.max_value_chars {
        let of_events = encoded.events.iter_mut().flat_map(|event| &mut event.attributes);
        encoded.attributes.iter_mut().chain(of_events).for_each(|attribute| shorten(attribute, most));
    }
    encoded
}

/// What the conventions call it: also a dimension of the metrics.
pub(crate) fn operation(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Agent => "invoke_agent",
        SpanKind::Llm => "chat",
        SpanKind::Tool => "execute_tool",
        SpanKind::Retrieval => "retrieval",
    }
}

/// The class of the error, one of few; `None` if there was none.
pub(crate) fn error_type(span: &FinishedSpan) -> Option<&str> {
    match &span.status {
        SpanStatus::Ok => None,
        SpanStatus::Error(error) => Some(error.error_type.as_deref().unwrap_or(semconv::OTHER_ERROR)),
        SpanStatus::Aborted(_) => Some("aborted"),
    }
}

/// Nanoseconds since 1970. Never 0, which receivers take for 1970 itself.
pub(crate) fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    u64::try_from(since).unwrap_or(u64::MAX).max(1)
}

fn name(span: &FinishedSpan) -> Cow<'_, str> {
    let operation = operation(span.head.kind);
    let model = || span.model.as_deref().or(span.response_model.as_deref());
    let what = if span.head.kind == SpanKind::Llm { model() } else { span.head.given_name() };
    what.map_or(Cow::Borrowed(operation), |what| format!("{operation} {what}").into())
}

/// The message of an error is content: it often quotes a prompt.
fn status_message(span: &FinishedSpan) -> Option<Cow<'_, str>> {
    match &span.status {
        SpanStatus::Ok => None,
        SpanStatus::Error(_) if span.content_withheld => Some("".into()),
        SpanStatus::Error(error) => Some(error.message.as_str().into()),
        SpanStatus::Aborted(reason) => Some(reason.describe().into()),
    }
}

/// The most important first: what is over the limit is cut off at the end.
fn attributes<'a>(span: &'a FinishedSpan, options: &'a EncodeOptions) -> Vec<Attribute<'a>> {
    let mut all = Vec::with_capacity(24);
    all.push(attribute(semconv::OPERATION_NAME, operation(span.head.kind)));
    all.extend(error_type(span).map(|class| attribute(semconv::ERROR_TYPE, class)));
    all.extend(span.conversation.as_deref().map(|id| attribute(semconv::CONVERSATION_ID, id)));
    all.extend(
        span.provider.as_deref().map(|name| attribute(semconv::PROVIDER_NAME, semconv::provider(name))),
    );
    match span.head.kind {
        SpanKind::Agent => agent(span, options, &mut all),
        SpanKind::Llm => llm(span, &mut all),
        SpanKind::Tool => {
            all.extend(span.head.given_name().map(|name| attribute(semconv::TOOL_NAME, name)));
            all.push(attribute(semconv::TOOL_TYPE, "function"));
        }
        SpanKind::Retrieval => {
            all.extend(span.head.given_name().map(|name| attribute(semconv::DATA_SOURCE_ID, name)));
        }
    }
    oddities(span, &mut all);
    if options.openinference {
        openinference::plain(span, options, &mut all);
    }
    content(span, options, &mut all);
    all
}

/// No token counts here: receivers add up all spans of a trace, and would count them twice.
fn agent<'a>(span: &'a FinishedSpan, options: &'a EncodeOptions, all: &mut Vec<Attribute<'a>>) {
    all.extend(span.head.given_name().map(|name| attribute(semconv::AGENT_NAME, name)));
    let version = options.agent_version.as_deref();
    all.extend(version.map(|version| attribute(semconv::AGENT_VERSION, version)));
    all.push(attribute("charm.run.id", span.head.run.to_string()));
    if span.suspended {
        all.push(attribute("charm.run.suspended", true));
    }
}

fn llm<'a>(span: &'a FinishedSpan, all: &mut Vec<Attribute<'a>>) {
    all.extend(span.model.as_deref().map(|model| attribute(semconv::REQUEST_MODEL, model)));
    // Only what answered says which it was.
    all.extend(span.response_model.as_deref().map(|model| attribute(semconv::RESPONSE_MODEL, model)));
    let reasons: Vec<_> = span.finish_reasons.iter().map(|reason| Cow::Borrowed(&**reason)).collect();
    if !reasons.is_empty() {
        all.push(attribute(semconv::FINISH_REASONS, reasons));
    }
    for (name, value) in span.parameters.integers() {
        let key = format!("{}{name}", semconv::REQUEST_PREFIX);
        // A double in v1.41, an integer later.
        #[expect(clippy::cast_precision_loss, reason = "nobody chooses among 2^53 tokens")]
        all.push(if name == "top_k" { attribute(key, value as f64) } else { attribute(key, value) });
    }
    all.extend(
        span.parameters
            .doubles()
            .map(|(name, value)| attribute(format!("{}{name}", semconv::REQUEST_PREFIX), value)),
    );
    if let Some(usage) = &span.usage {
        for (key, tokens) in [
            (semconv::INPUT_TOKENS, usage.input_tokens),
            (semconv::OUTPUT_TOKENS, usage.output_tokens),
            (semconv::CACHE_READ_TOKENS, usage.cache_read_tokens),
            (semconv::CACHE_CREATION_TOKENS, usage.cache_write_tokens),
            (semconv::CACHE_WRITE_TOKENS, usage.cache_write_tokens),
            (semconv::REASONING_TOKENS, usage.reasoning_tokens),
        ] {
            all.extend(tokens.map(|tokens| attribute(key, tokens)));
        }
    }
    if let Some(streaming) = span.streaming {
        all.push(attribute(semconv::REQUEST_STREAM, true));
        let first = streaming.time_to_first_token.map(|first| first.as_secs_f64());
        all.extend(first.map(|seconds| attribute(semconv::TIME_TO_FIRST_CHUNK, seconds)));
    }
}

/// What the reader should know about the span itself.
fn oddities(span: &FinishedSpan, all: &mut Vec<Attribute<'_>>) {
    let cut = |content: &Option<Content>| content.as_ref().is_some_and(Content::is_truncated);
    for (key, is_so) in [
        ("charm.content.truncated", cut(&span.input) || cut(&span.output)),
        ("charm.span.start_missing", span.start_missing),
    ] {
        if is_so {
            all.push(attribute(key, true));
        }
    }
}

fn content<'a>(span: &'a FinishedSpan, options: &EncodeOptions, all: &mut Vec<Attribute<'a>>) {
    let input = span.input.as_ref().filter(|_| !options.hide_inputs);
    let output = span.output.as_ref().filter(|_| !options.hide_outputs);
    let read = |content: Option<&Content>, read: fn(&str) -> Vec<Message>| {
        content.map(|content| read(&content.json_text())).unwrap_or_default()
    };
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    match span.head.kind {
        SpanKind::Tool => {
            all.extend(input.map(|input| attribute(semconv::TOOL_ARGUMENTS, input.text())));
            all.extend(output.map(|output| attribute(semconv::TOOL_RESULT, output.text())));
        }
        SpanKind::Retrieval => {
            all.extend(input.map(|input| attribute(semconv::RETRIEVAL_QUERY, input.text())));
            all.extend(output.map(|output| attribute(semconv::RETRIEVAL_DOCUMENTS, output.json_text())));
        }
        SpanKind::Agent | SpanKind::Llm => {
            asked = read(input, messages::input_messages);
            answered = read(output, messages::output_messages);
            written_messages(span, &asked, &answered, all);
        }
    }
    if options.openinference {
        openinference::values(span, options, all);
        if span.head.kind == SpanKind::Llm {
            openinference::flattened("llm.input_messages", &asked, all);
            openinference::flattened("llm.output_messages", &answered, all);
        }
    }
}

fn written_messages(
    span: &FinishedSpan,
    asked: &[Message],
    answered: &[Message],
    all: &mut Vec<Attribute<'_>>,
) {
    if !asked.is_empty() {
        all.push(attribute(semconv::INPUT_MESSAGES, messages::input_text(asked)));
    }
    if !answered.is_empty() {
        let failed = !matches!(span.status, SpanStatus::Ok);
        all.push(attribute(semconv::OUTPUT_MESSAGES, messages::output_text(answered, failed)));
    }
}

/// The first token, what the assembler has kept, and the error. One event for the stream, not one for each token.
fn events<'a>(span: &'a FinishedSpan, options: &EncodeOptions) -> (Vec<Event<'a>>, u32) {
    let first_token = span.streaming.map(|streaming| Event {
        name: "charm.first_token".into(),
        nanos: nanos(streaming.first_token),
        attributes: Vec::new(),
    });
    let mut events: Vec<_> = exception(span).into_iter().chain(first_token).collect();
    events.extend(span.events.iter().map(|kept| event(kept, options)));
    let excess = events.len().saturating_sub(options.max_events);
    events.truncate(options.max_events);
    events.sort_by_key(|event| event.nanos);
    (events, span.events_dropped.saturating_add(u32::try_from(excess).unwrap_or(u32::MAX)))
}

/// A run that failed because a call did says so in its status alone: the call has the exception.
fn exception(span: &FinishedSpan) -> Option<Event<'_>> {
    let error = span.error().filter(|error| error.origin.is_none())?;
    let class = error.error_type.as_deref().map(|class| attribute(semconv::EXCEPTION_TYPE, class));
    let told = !span.content_withheld && !error.message.is_empty();
    let message = told.then(|| attribute(semconv::EXCEPTION_MESSAGE, error.message.as_str()));
    let stack = error.traceback.as_deref().filter(|_| !span.content_withheld);
    let stack = stack.map(|stack| attribute(semconv::EXCEPTION_STACKTRACE, stack));
    let attributes: Vec<_> = class.into_iter().chain(message).chain(stack).collect();
    let nanos = nanos(span.end).max(nanos(span.head.start));
    (!attributes.is_empty()).then(|| Event { name: "exception".into(), nanos, attributes })
}

/// An action holds the input of a tool; everything else that is kept is what the agent gives out.
fn event<'a>(event: &'a SpanEvent, options: &EncodeOptions) -> Event<'a> {
    let is_input = &*event.name == "agent_action";
    let hidden = if is_input { options.hide_inputs } else { options.hide_outputs };
    let content = event.content.as_ref().filter(|_| !hidden);
    let content = content.map(|content| attribute("charm.event", content.json_text()));
    Event {
        name: Cow::Borrowed(&*event.name),
        nanos: nanos(event.time),
        attributes: content.into_iter().collect(),
    }
}

fn shorten(attribute: &mut Attribute<'_>, most: usize) {
    let cut = |text: &mut Cow<'_, str>| {
        if let Some((end, _)) = text.char_indices().nth(most) {
            *text = text[..end].to_owned().into();
        }
    };
    match &mut attribute.value {
        Value::Text(text) => cut(text),
        Value::Texts(texts) => texts.iter_mut().for_each(cut),
        Value::Int(_) | Value::Double(_) | Value::Bool(_) => {}
    }
}
