//! The few keys that are read in the JSON of agents, and the one object that is written.
//!
//! Rule: what is not there or not as expected is no error; agents owe us nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::desk::name;

/// What the result object of a run says.
#[derive(Deserialize)]
struct RunResult<'a> {
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
}

/// Where the inputs of a run name the conversation.
#[derive(Deserialize)]
struct Conversation<'a> {
    #[serde(borrow)]
    thread_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "__charm_thread_id__")]
    charm_thread_id: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Action<'a> {
    tool: &'a str,
    tool_input: &'a str,
}

/// The output in a result object, else all of it; and whether the run is suspended.
pub(super) fn result(outputs: &RawValue) -> (&RawValue, bool) {
    let Ok(result) = serde_json::from_str::<RunResult<'_>>(outputs.get()) else { return (outputs, false) };
    let suspended = result.status.is_some_and(|status| status.get() == "\"suspended\"");
    (result.output.unwrap_or(outputs), suspended)
}

/// The conversation that the inputs of a run name.
pub(super) fn conversation(inputs: &RawValue) -> Option<Arc<str>> {
    let inputs: Conversation<'_> = serde_json::from_str(inputs.get()).ok()?;
    let id = inputs.thread_id.or(inputs.charm_thread_id)?.get();
    let text = match serde_json::from_str::<serde_json::Value>(id).ok()? {
        serde_json::Value::String(text) => text,
        serde_json::Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then(|| name(&text))
}

/// What the agent decided, as an object.
pub(super) fn action(tool: &str, tool_input: &str) -> Option<Box<RawValue>> {
    to_raw_value(&Action { tool, tool_input }).ok()
}
