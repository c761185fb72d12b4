//! What LangSmith shows beside a run: the model, the tokens, the thread, who sent it.
//!
//! Rule: what is sent is what the agent said and what the operator set; no variable of the environment is copied.

use std::sync::Arc;

use charm_telemetry_core::trace::{
    FinishedSpan, SpanHead, SpanKind, SpanStatus, StartedSpan, Tags, TelemetrySettings,
};
use charm_telemetry_core::{ModelParameters, TokenUsage};
use serde_json::{Map, Value, json};

use crate::LangsmithExporter;

/// Writes it.
#[derive(Clone, Debug)]
pub(crate) struct ExtraWriter {
    hidden: bool,
    /// On every run.
    common: Map<String, Value>,
}

/// What is known of a run when it begins.
struct Known<'a> {
    head: &'a SpanHead,
    conversation: Option<&'a str>,
    provider: Option<&'a str>,
    model: Option<&'a str>,
    parameters: &'a ModelParameters,
}

impl ExtraWriter {
    pub(crate) fn new(exporter: &LangsmithExporter, settings: &TelemetrySettings, tags: &Tags) -> Self {
        let mut common = Map::new();
        for (key, value) in tags.iter() {
            common.insert(key.to_owned(), value.into());
        }
        put(&mut common, "charm_agent_version", settings.agent_version.as_deref());
        put(&mut common, "ls_tracing_sample_rate", exporter.sampling_rate.map(crate::sampling::Rate::get));
        Self { hidden: exporter.hide_metadata, common }
    }

    /// Whether nobody may see the metadata.
    pub(crate) fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// Of a run that has begun.
    pub(crate) fn started(&self, span: &StartedSpan) -> Value {
        let names = [&span.conversation, &span.provider, &span.model];
        let known = Known::new(&span.head, names, &span.parameters);
        self.extra(self.metadata(&known, known.model), &known)
    }

    /// Of a run that has ended. `cut` names what of it could not be sent whole.
    pub(crate) fn finished(&self, span: &FinishedSpan, cut: &[&str]) -> Value {
        let names = [&span.conversation, &span.provider, &span.model];
        let known = Known::new(&span.head, names, &span.parameters);
        let mut metadata = self.metadata(&known, known.model.or(span.response_model.as_deref()));
        put(&mut metadata, "charm_response_model", span.response_model.as_deref());
        put(&mut metadata, "usage_metadata", span.usage.as_ref().map(usage));
        put(&mut metadata, "ls_is_error_interrupt", span.suspended.then_some(true));
        put(&mut metadata, "charm_truncated", (!cut.is_empty()).then_some(cut));
        put(&mut metadata, "charm_events_dropped", Some(span.events_dropped).filter(|&count| count > 0));
        put(&mut metadata, "charm_start_missing", span.start_missing.then_some(true));
        put(&mut metadata, "charm_content_withheld", span.content_withheld.then_some(true));
        if let SpanStatus::Error(error) = &span.status {
            put(&mut metadata, "charm_error_type", error.error_type.as_deref());
        }
        self.extra(metadata, &known)
    }

    /// What is known from the start on: the end of a run says it again, because LangSmith replaces all of it.
    fn metadata(&self, known: &Known<'_>, model: Option<&str>) -> Map<String, Value> {
        let mut metadata = self.common.clone();
        put(&mut metadata, "thread_id", known.conversation);
        describe(&mut metadata, known.head.kind, known.provider, model);
        put(&mut metadata, "ls_temperature", known.parameters.temperature);
        put(&mut metadata, "ls_max_tokens", known.parameters.max_tokens);
        put(&mut metadata, "charm_traceparent", known.head.remote_parent.map(|parent| parent.to_string()));
        metadata
    }

    fn extra(&self, metadata: Map<String, Value>, known: &Known<'_>) -> Value {
        let metadata = if self.hidden { Map::new() } else { metadata };
        let mut extra = json!({ "metadata": metadata, "runtime": {
            "sdk": env!("CARGO_PKG_NAME"),
            "sdk_version": env!("CARGO_PKG_VERSION"),
            "library": "charm-telemetry",
            "platform": format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
            "runtime": "rust",
        }});
        let invocation = invocation(known);
        if known.head.kind == SpanKind::Llm && !self.hidden && !invocation.is_empty() {
            extra["invocation_params"] = invocation.into();
        }
        extra
    }
}

/// The model and its parameters, where LangChain's own tracer has them.
fn invocation(known: &Known<'_>) -> Map<String, Value> {
    let mut invocation = Map::new();
    put(&mut invocation, "model", known.model);
    known.parameters.integers().for_each(|(name, value)| put(&mut invocation, name, Some(value)));
    known.parameters.doubles().for_each(|(name, value)| put(&mut invocation, name, Some(value)));
    invocation
}

impl<'a> Known<'a> {
    fn new(
        head: &'a SpanHead,
        [conversation, provider, model]: [&'a Option<Arc<str>>; 3],
        parameters: &'a ModelParameters,
    ) -> Self {
        let [conversation, provider, model] = [conversation, provider, model].map(|text| text.as_deref());
        Self { head, conversation, provider, model, parameters }
    }
}

/// Keys of the metadata that mean something to LangSmith, or that are ours.
pub(crate) fn is_reserved(key: &str) -> bool {
    ["ls_", "charm_"].iter().any(|prefix| key.starts_with(prefix))
        || ["usage_metadata", "thread_id", "session_id", "conversation_id"].contains(&key)
}

/// The names by which LangSmith knows a model; it needs both for the cost.
fn describe(metadata: &mut Map<String, Value>, kind: SpanKind, provider: Option<&str>, model: Option<&str>) {
    put(metadata, "ls_agent_type", (kind == SpanKind::Agent).then_some("root"));
    if kind == SpanKind::Llm {
        put(metadata, "ls_provider", provider);
        put(metadata, "ls_model_name", model);
        put(metadata, "ls_model_type", Some("chat"));
    }
}

fn usage(usage: &TokenUsage) -> Value {
    let sum = usage.input_tokens.zip(usage.output_tokens).map(|(input, output)| input.saturating_add(output));
    let mut object = Map::new();
    put(&mut object, "input_tokens", usage.input_tokens);
    put(&mut object, "output_tokens", usage.output_tokens);
    put(&mut object, "total_tokens", usage.total_tokens.or(sum));
    let (mut input, mut output) = (Map::new(), Map::new());
    put(&mut input, "cache_read", usage.cache_read_tokens);
    put(&mut input, "cache_creation", usage.cache_write_tokens);
    put(&mut output, "reasoning", usage.reasoning_tokens);
    put(&mut object, "input_token_details", (!input.is_empty()).then_some(input));
    put(&mut object, "output_token_details", (!output.is_empty()).then_some(output));
    object.into()
}

fn put(object: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(key.to_owned(), value.into());
    }
}
