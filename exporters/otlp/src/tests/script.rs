//! Runs written down with their times, as the spans that come of them.
//!
//! Rule: the run's id and the clock are fixed, so that the payloads are the same each time.

use std::time::{Duration, UNIX_EPOCH};

use charm_telemetry_core::testing::ExporterHarness;
use charm_telemetry_core::trace::{
    FinishedSpan, Moment, TelemetrySettings, TraceAssembler, TraceLimits, TraceOutput,
};
use charm_telemetry_core::{
    CallId, EventTime, LlmEnd, LlmStart, RawValue, RunId, TelemetryExporter, TokenUsage,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::encode::EncodeOptions;

pub(super) const START: Duration = Duration::from_hours(482_136);

pub(super) fn run_id() -> RunId {
    RunId::from(Uuid::from_u128(0x0194_2000_0000_7000_8000_0000_0000_0001))
}

/// So many milliseconds after the start. Call 0 is none.
pub(super) fn at(millis: u64, call: u32, parent: u32) -> Moment {
    let passed = Duration::from_millis(millis);
    let time = EventTime { wall: UNIX_EPOCH + START + passed, monotonic: passed };
    Moment { run: run_id(), call: call_id(call), parent: call_id(parent), time }
}

/// Calls are counted by whoever opens them.
fn call_id(number: u32) -> Option<CallId> {
    struct Nobody;
    impl TelemetryExporter for Nobody {}
    let mut harness = ExporterHarness::new(Nobody);
    (0..number).map(|_| harness.new_call()).last()
}

pub(super) fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

pub(super) fn settings() -> TelemetrySettings {
    let mut settings = TelemetrySettings::default();
    settings.agent_name = Some("weather bot".into());
    settings.agent_version = Some("1.2.0".into());
    settings.tags = "team=search".parse().unwrap();
    settings
}

pub(super) fn options() -> EncodeOptions {
    EncodeOptions {
        max_attributes: 128,
        max_events: 128,
        tags: Some(r#"{"team":"search"}"#.to_owned()),
        agent_version: Some("1.2.0".to_owned()),
        ..EncodeOptions::default()
    }
}

pub(super) fn openinference() -> EncodeOptions {
    EncodeOptions { openinference: true, ..options() }
}

/// The spans of what `script` tells an assembler, in the order in which they end.
pub(super) fn spans_of(
    settings: &TelemetrySettings,
    script: impl FnOnce(&mut TraceAssembler),
) -> Vec<FinishedSpan> {
    let mut assembler = TraceAssembler::new(settings, TraceLimits::default());
    script(&mut assembler);
    let mut spans = Vec::new();
    while let Some(output) = assembler.next_output() {
        if let TraceOutput::Finished(span) = output {
            spans.push(*span);
        }
    }
    spans
}

/// One span of a call of a model that answered.
pub(super) fn llm_span(input: &Value, output: &Value) -> FinishedSpan {
    let mut spans = spans_of(&settings(), |trace| {
        trace.run_start(at(0, 0, 0), &raw(&json!({})));
        trace.llm_start(at(1, 1, 0), &LlmStart::new("gpt-4o").provider("openai").input(input));
        trace.llm_end(at(9, 1, 0), &LlmEnd::new().output(output));
    });
    spans.remove(0)
}

pub(super) fn usage() -> TokenUsage {
    let mut usage = TokenUsage::new(120, 7);
    usage.cache_read_tokens = Some(100);
    usage.reasoning_tokens = Some(2);
    usage
}

/// A run with everything: a streamed answer that calls a tool, a tool that fails, a search, an action, a conversation.
pub(super) fn whole_run() -> Vec<FinishedSpan> {
    spans_of(&settings(), |trace| {
        let inputs = json!({ "input": "SECRET weather in Oslo?", "thread_id": "thread-7" });
        trace.run_start(at(0, 0, 0), &raw(&inputs));
        let asked = json!([
            { "role": "system", "content": "SECRET rules" },
            { "role": "user", "content": "SECRET weather in Oslo?" },
        ]);
        trace.llm_start(at(10, 1, 0), &LlmStart::new("gpt-4o").provider("azure_openai").input(&asked));
        trace.llm_new_token(at(110, 1, 0), "Let");
        trace.llm_new_token(at(130, 1, 0), " me");
        trace.llm_new_token(at(150, 1, 0), " look.");
        let answer = json!({
            "role": "assistant", "content": "SECRET look.", "finish_reason": "tool_calls",
            "tool_calls": [{ "id": "call_1", "name": "weather", "args": { "city": "SECRET Oslo" } }],
        });
        let end = LlmEnd::new().model("gpt-4o-2024-08-06").output(&answer).usage(usage());
        trace.llm_end(at(160, 1, 0), &end);
        trace.agent_action(at(165, 0, 0), "weather", "SECRET Oslo");
        trace.tool_start(at(170, 2, 0), "weather", r#"{"city":"SECRET Oslo"}"#);
        trace.retriever_start(at(180, 3, 2), "cities", "SECRET Oslo");
        trace.retriever_end(at(190, 3, 2), &raw(&json!([{ "page_content": "SECRET 59.9 N", "id": "d1" }])));
        trace.tool_error(at(200, 2, 0), "weather", "ValueError: SECRET no such city");
        trace.error(at(210, 0, 0), "ValueError: SECRET no such city");
    })
}
