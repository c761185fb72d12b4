//! A run written down, and the spans that come of it.
//!
//! Rule: ids and times are fixed, so that payloads can be compared as a whole.

use std::time::Duration;

use charm_telemetry_core::testing::{ExporterHarness, ManualClock};
use charm_telemetry_core::trace::{
    FinishedSpan, Moment, TelemetrySettings, TraceAssembler, TraceLimits, TraceOutput,
};
use charm_telemetry_core::{
    CallId, Environment, EnvironmentReader, LlmEnd, LlmStart, RawValue, RunId, TelemetryExporter, TokenUsage,
};
use serde_json::json;
use serde_json::value::to_raw_value;

use crate::profile::Profile;

/// Nothing but a source of ids for calls.
struct Nobody;

impl TelemetryExporter for Nobody {}

/// Feeds a trace.
pub(super) struct Script {
    pub(super) trace: TraceAssembler,
    ids: ExporterHarness<Nobody>,
    clock: ManualClock,
    pub(super) run: RunId,
}

impl Script {
    pub(super) fn new() -> Self {
        let run = RunId::from(uuid::Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001));
        let ids = ExporterHarness::new(Nobody);
        Self {
            trace: TraceAssembler::new(&settings(), TraceLimits::default()),
            clock: ids.clock().clone(),
            ids,
            run,
        }
    }

    pub(super) fn call(&mut self) -> CallId {
        self.ids.new_call()
    }

    /// So many milliseconds later.
    pub(super) fn at(&self, later: u64, call: Option<CallId>) -> Moment {
        self.clock.advance(Duration::from_millis(later));
        Moment { run: self.run, call, parent: None, time: self.clock.now() }
    }

    pub(super) fn spans(mut self) -> Vec<FinishedSpan> {
        let mut spans = Vec::new();
        while let Some(output) = self.trace.next_output() {
            if let TraceOutput::Finished(span) = output {
                spans.push(*span);
            }
        }
        spans
    }
}

/// What an operator has set.
pub(super) fn settings() -> TelemetrySettings {
    let pairs = [
        ("CHARM_AGENT_NAME", "Weather"),
        ("CHARM_AGENT_VERSION", "1.2.3"),
        ("CHARM_TELEMETRY_TAGS", "team name=search,region=eu"),
    ];
    TelemetrySettings::read(&mut EnvironmentReader::new(&Environment::from_pairs(pairs)))
}

pub(super) fn profile() -> Profile {
    Profile::new(Some("demo@1.2.3".to_owned()), "test", &settings(), None)
}

/// A model that streams and calls a tool, the tool, a search, and an answer.
pub(super) fn weather() -> Vec<FinishedSpan> {
    let mut script = Script::new();
    let moment = script.at(0, None);
    script.trace.run_start(moment, &raw(&json!({"input": "Weather in Paris?", "thread_id": "thread-7"})));
    chat(&mut script);
    let tool = Some(script.call());
    let moment = script.at(100, tool);
    script.trace.tool_start(moment, "get_weather", r#"{"city":"Paris"}"#);
    let moment = script.at(500, tool);
    script.trace.tool_end(moment, "get_weather", "rainy ☔");
    let search = Some(script.call());
    let moment = script.at(10, search);
    script.trace.retriever_start(moment, "almanac", "Paris in November");
    let moment = script.at(20, search);
    script.trace.retriever_end(moment, &raw(&json!(["It rains."])));
    let moment = script.at(170, None);
    script.trace.run_end(moment, &raw(&json!({"status": "success", "output": "It is rainy"})));
    script.spans()
}

fn chat(script: &mut Script) {
    let llm = Some(script.call());
    let moment = script.at(100, llm);
    let start = LlmStart::new("gpt-4o").provider("openai").input(&json!([
        {"role": "system", "content": "be brief"}, {"role": "user", "content": "Weather in Paris?"}
    ]));
    script.trace.llm_start(moment, &start);
    for token in ["Let me ", "look."] {
        let moment = script.at(200, llm);
        script.trace.llm_new_token(moment, token);
    }
    let mut usage = TokenUsage::new(10, 5);
    (usage.cache_read_tokens, usage.reasoning_tokens) = (Some(4), Some(2));
    let call = json!({"id": "c1", "name": "get_weather", "args": {"city": "Paris"}});
    let answer = json!({
        "role": "assistant", "content": "Let me look.", "tool_calls": [call],
        "response_metadata": {"finish_reason": "tool_calls"},
    });
    let moment = script.at(500, llm);
    script.trace.llm_end(moment, &LlmEnd::new().model("gpt-4o-2024-08-06").usage(usage).output(&answer));
}

/// A tool that fails, and the run with it if `fatal`.
pub(super) fn failure(error: &str, fatal: bool) -> Vec<FinishedSpan> {
    let mut script = Script::new();
    let moment = script.at(0, None);
    script.trace.run_start(moment, RawValue::NULL);
    let tool = Some(script.call());
    let moment = script.at(100, tool);
    script.trace.tool_start(moment, "get_weather", "Paris");
    let moment = script.at(100, tool);
    script.trace.tool_error(moment, "get_weather", error);
    let moment = script.at(100, None);
    if fatal {
        script.trace.error(moment, error);
    } else {
        script.trace.run_end(moment, RawValue::NULL);
    }
    script.spans()
}

/// One call of a model, from its start and end.
pub(super) fn one_chat(start: &LlmStart, end: &LlmEnd) -> FinishedSpan {
    let mut script = Script::new();
    let llm = Some(script.call());
    let moment = script.at(0, llm);
    script.trace.llm_start(moment, start);
    let moment = script.at(100, llm);
    script.trace.llm_end(moment, end);
    script.spans().remove(0)
}

pub(super) fn raw(value: &serde_json::Value) -> Box<RawValue> {
    to_raw_value(value).expect("a value can be written")
}
