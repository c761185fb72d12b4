//! The exporter, from the hooks to the bytes that a receiver reads back.
//!
//! Rule: a payload is good when every rule of the format holds for it, not when a receiver said 200.

mod ageing;
mod answers;
mod breaks;
mod captures;
mod golden;
mod intake;
mod journey;
mod rules;
mod sdk;
mod sizes;
mod speech;
mod traps;
mod variables;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use charm_telemetry_core::testing::{ExporterHarness, ManualClock, ReceiverDouble};
use charm_telemetry_core::trace::TelemetrySettings;
use charm_telemetry_core::{
    Environment, EnvironmentReader, ErrorText, EventKind, LlmEnd, LlmStart, TokenUsage,
};
use serde_json::{Value, json};

use crate::DatadogExporter;
use crate::settings::Format;

const KEY: &str = "key-that-nobody-may-see";
const PATIENCE: Duration = Duration::from_secs(20);

/// As it is in the captures.
const TRACEBACK: &str = "Traceback (most recent call last):\n  ...\nValueError: boom: upstream 500\n";

type Harness = ExporterHarness<DatadogExporter>;

/// The variables of a run that ends up at the receiver.
fn variables(receiver: &ReceiverDouble, format: Format) -> Environment {
    let mut environment = Environment::from_pairs([
        ("DD_SERVICE", "wsvc"),
        ("DD_ENV", "staging"),
        ("DD_VERSION", "1.2.3"),
        ("DD_LLMOBS_ML_APP", "weather-app"),
        ("CHARM_AGENT_NAME", "weather_agent"),
        ("CHARM_SPOOL_MAX_BYTES", "0"),
    ]);
    match format {
        Format::Public => {
            environment.set("DD_API_KEY", KEY);
            environment.set("DD_LLMOBS_OVERRIDE_ORIGIN", receiver.url(""));
        }
        Format::Agent => environment.set("DD_TRACE_AGENT_URL", receiver.url("/")),
    }
    environment
}

/// An exporter as a manager would make it, an hour ago: Datadog takes nothing of another day.
fn exporter(environment: &Environment) -> Harness {
    exporter_at(environment, now().saturating_sub(Duration::from_hours(1)))
}

/// The same at that time since 1970.
fn exporter_at(environment: &Environment, time: Duration) -> Harness {
    let settings = TelemetrySettings::read(&mut EnvironmentReader::new(environment));
    let harness = Harness::from_environment(environment);
    let harness = harness.unwrap_or_else(|problems| panic!("{problems:?}")).configured(settings);
    harness.clock().advance(time.saturating_sub(ManualClock::START));
    harness
}

/// In whole seconds since 1970.
fn now() -> Duration {
    Duration::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

/// What arrives of a run, span by span. Every rule was checked.
fn arrived(format: Format, run: impl FnOnce(&mut Harness)) -> Vec<Value> {
    arrived_with(format, &[], run)
}

/// The same, with more variables.
fn arrived_with(format: Format, more: &[(&str, &str)], run: impl FnOnce(&mut Harness)) -> Vec<Value> {
    let receiver = intake::strict(format);
    let mut environment = variables(&receiver, format);
    for (name, value) in more {
        environment.set(*name, *value);
    }
    let mut harness = exporter(&environment);
    run(&mut harness);
    harness.shutdown(PATIENCE).unwrap();
    intake::spans(&receiver, format)
}

/// The span of that name.
#[track_caller]
fn named<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    spans
        .iter()
        .find(|span| span["name"] == name)
        .unwrap_or_else(|| panic!("no span is called `{name}`: {spans:#?}"))
}

/// An agent that asks a model, calls one tool that answers and one that fails: what the reference run did.
fn weather(harness: &mut Harness) {
    let tick = |harness: &Harness, millis| harness.clock().advance(Duration::from_millis(millis));
    harness.run_start(&json!({ "input": "Weather in Lyon?", "thread_id": "sess-42" })).unwrap();
    let chat = harness.new_call();
    let messages = json!([
        { "role": "system", "content": "be brief" },
        { "role": "user", "content": "Weather in Lyon?" },
    ]);
    let parameters = serde_json::from_str(r#"{"temperature": 0.2, "max_tokens": 100}"#).unwrap();
    let start = LlmStart::new("gpt-x").provider("openai").parameters(parameters).input(&messages);
    harness.llm_start(chat, start).unwrap();
    tick(harness, 250);
    harness.token(chat, "{").unwrap();
    tick(harness, 50);
    harness.token(chat, "}").unwrap();
    let call = json!({ "id": "call_1", "name": "get_weather", "args": { "city": "Lyon" } });
    let mut usage = TokenUsage::default();
    (usage.input_tokens, usage.output_tokens) = (Some(12), Some(5));
    let answer = json!({ "role": "assistant", "content": "", "tool_calls": [call] });
    harness.llm_end(chat, LlmEnd::new().output(&answer).usage(usage)).unwrap();
    let tool = harness.new_call();
    harness.tool_start(tool, "get_weather", r#"{"city": "Lyon"}"#).unwrap();
    tick(harness, 7);
    harness.tool_end(tool, "get_weather", r#"{"temp_c": 21}"#).unwrap();
    let tool = harness.new_call();
    harness.tool_start(tool, "bad_tool", r#"{"x": 1}"#).unwrap();
    let error = ErrorText::new("boom: upstream 500").error_type("ValueError").traceback(TRACEBACK);
    harness.feed(Some(tool), EventKind::ToolError { tool_name: "bad_tool".into(), error }).unwrap();
    harness.run_end(&json!({ "status": "success", "output": "21 C in Lyon" })).unwrap();
}
