//! What each listed difference makes of the reference's output.
//!
//! Rule: a rewrite turns what the reference wrote into what we promise, never ours into something else; it says whether
//! it found what it is for.

use serde_json::{Value, json};

use super::agent::Agent;
use super::outcome::{Outcome, PREFIX};

/// Turns the reference's outcome into what we promise. False if the difference isn't there.
pub(super) type Rewrite = fn(&mut Outcome, &Agent) -> bool;

/// The rewrite of the row with that id.
pub(super) fn rewrite_named(id: &str) -> Option<Rewrite> {
    REWRITES.iter().find(|(name, _)| *name == id).map(|(_, rewrite)| *rewrite)
}

const REWRITES: &[(&str, Rewrite)] = &[
    ("logs-on-stderr", logs_on_stderr),
    ("result-on-one-line", result_on_one_line),
    ("result-untouched", result_untouched),
    ("result-of-failed-run", result_of_failed_run),
    ("result-of-command", result_of_command),
    ("partial-line-kept", promised_events),
    ("flush-ends-no-line", flush_ends_no_line),
    ("event-line-whole", event_line_whole),
    ("second-prefix-read", second_prefix_read),
    ("no-event-is-text", no_event_is_text),
    ("token-lines-are-tokens", token_lines_are_tokens),
    ("output-without-events", output_without_events),
    ("child-print-shown", child_print_shown),
    ("late-print-shown", late_print_shown),
    ("token-is-text", promised_events),
    ("class-instantiated", works_where_the_reference_fails),
    ("graph-without-checkpointer", works_where_the_reference_fails),
    ("calls-without-run-id", works_where_the_reference_fails),
    ("generator-streamed", works_where_the_reference_fails),
    ("failure-to-load-is-an-event", ends_well_with_an_error_event),
    ("exit-is-told", ends_well_with_an_error_event),
    ("chain-runs-once", promised_events),
    ("no-note-for-wrapper", no_note_for_wrapper),
    ("command-stderr-is-log", promised_events),
    ("error-is-text", error_is_text),
    ("half-pair-replaced", works_where_the_reference_fails),
    ("no-number-is-null", readable_by_all),
    ("arrays-are-json", arrays_are_json),
    ("token-is-text", token_is_text),
    ("odd-values-told", works_where_the_reference_fails),
    ("depth-is-bounded", readable_by_all),
    ("any-callable", starts_where_the_reference_does_not),
    ("stdout-is-a-file", works_where_the_reference_fails),
    ("command-adapter", starts_where_the_reference_does_not),
    ("broken-environment-file", refused_to_start),
    ("crew-is-told", promised_events),
];

fn logs_on_stderr(reference: &mut Outcome, _: &Agent) -> bool {
    let starts = ["[charm] ", "✔ Loaded Agent: ", "Loading .env from: "];
    drop_others(reference, |line| starts.iter().any(|start| line.starts_with(start)))
}

fn result_on_one_line(reference: &mut Outcome, _: &Agent) -> bool {
    reference.spaceless = reference.result.as_deref().is_some_and(|text| text.contains('\n'));
    reference.spaceless
}

/// The `final` event has the output as the agent gave it.
fn result_untouched(reference: &mut Outcome, _: &Agent) -> bool {
    let output = reference.events.last().map_or(Value::Null, |event| event["content"].clone());
    change_result(reference, |result| result["output"] = output)
}

fn result_of_failed_run(reference: &mut Outcome, agent: &Agent) -> bool {
    let had_none = reference.result.is_none();
    reference.result = agent.promised().result.map(|result| result.to_string());
    had_none && reference.result.is_some()
}

fn result_of_command(reference: &mut Outcome, _: &Agent) -> bool {
    change_result(reference, |result| {
        if let Some(fields) = result.as_object_mut() {
            fields.remove("message");
        }
    })
}

/// The two halves were flushed separately.
fn flush_ends_no_line(reference: &mut Outcome, _: &Agent) -> bool {
    let is_half = |event: &Value| event["content"] == "flushed half\n";
    let Some(at) = reference.events.iter().position(is_half) else { return false };
    let rest = reference.events.remove(at + 1);
    reference.events[at]["content"] =
        json!(format!("flushed half{}", rest["content"].as_str().unwrap_or_default()));
    true
}

/// The newline that `print` hands over separately is lost behind an event line.
fn event_line_whole(reference: &mut Outcome, _: &Agent) -> bool {
    std::mem::take(&mut reference.glued) > 0
}

fn second_prefix_read(reference: &mut Outcome, _: &Agent) -> bool {
    let mut found = false;
    for event in &mut reference.events {
        let inner = event["content"].as_str().and_then(|text| text.strip_prefix("::CHARM_EVENT::"));
        if let Some(inner) = inner.and_then(|text| serde_json::from_str(text).ok()) {
            *event = inner;
            found = true;
        }
    }
    found
}

fn no_event_is_text(reference: &mut Outcome, agent: &Agent) -> bool {
    drop_others(reference, |line| line.starts_with(PREFIX));
    promised_events(reference, agent)
}

/// `NaN` makes an event that is no JSON, and such a result; what is nested too deeply no reader takes either.
fn readable_by_all(reference: &mut Outcome, agent: &Agent) -> bool {
    reference.result = agent.promised().result.map(|result| result.to_string());
    no_event_is_text(reference, agent)
}

/// A `final` follows although tokens were streamed.
fn token_lines_are_tokens(reference: &mut Outcome, _: &Agent) -> bool {
    let streamed = reference.events.iter().any(|event| event["type"] == "delta");
    streamed && reference.last_event_is("final") && reference.events.pop().is_some()
}

fn output_without_events(reference: &mut Outcome, _: &Agent) -> bool {
    change_result(reference, |result| {
        let output = result["output"].as_str().unwrap_or_default();
        let lines = output.split_inclusive('\n').filter(|line| !line.starts_with(PREFIX));
        result["output"] = json!(lines.collect::<String>());
    })
}

fn child_print_shown(reference: &mut Outcome, agent: &Agent) -> bool {
    drop_others(reference, |line| line == "from a child") && promised_events(reference, agent)
}

fn late_print_shown(reference: &mut Outcome, agent: &Agent) -> bool {
    let result = reference.result.as_deref().and_then(|result| result.strip_suffix("\nlate"));
    let Some(result) = result.map(str::to_owned) else { return false };
    reference.result = Some(result);
    promised_events(reference, agent)
}

fn works_where_the_reference_fails(reference: &mut Outcome, agent: &Agent) -> bool {
    let fails = reference.last_event_is("error");
    reference.result = agent.promised().result.map(|result| result.to_string());
    fails && promised_events(reference, agent)
}

fn ends_well_with_an_error_event(reference: &mut Outcome, agent: &Agent) -> bool {
    let code = reference.code.replace(0);
    reference.others.clear();
    code != Some(0) && promised_events(reference, agent) && reference.last_event_is("error")
}

fn no_note_for_wrapper(reference: &mut Outcome, _: &Agent) -> bool {
    let before = reference.events.len();
    reference
        .events
        .retain(|event| !event["content"].as_str().is_some_and(|text| text.starts_with("[Charm] ")));
    reference.events.len() < before
}

/// The content is the same, only what it is called differs.
fn arrays_are_json(reference: &mut Outcome, _: &Agent) -> bool {
    let Some(last) = reference.events.last_mut() else { return false };
    let found = last["content"].is_array() && last["format"] == "markdown";
    if found {
        last["format"] = json!("json");
    }
    found
}

fn token_is_text(reference: &mut Outcome, agent: &Agent) -> bool {
    let is_no_text = |event: &Value| event["type"] == "delta" && !event["content"].is_string();
    reference.events.iter().any(is_no_text) && promised_events(reference, agent)
}

fn promised_events_and_result(reference: &mut Outcome, agent: &Agent) -> bool {
    reference.result = agent.promised().result.map(|result| result.to_string());
    promised_events(reference, agent)
}

/// The reference ends with 1 before the agent has begun.
fn starts_where_the_reference_does_not(reference: &mut Outcome, agent: &Agent) -> bool {
    let code = reference.code.replace(0);
    reference.others.clear();
    code == Some(1) && promised_events_and_result(reference, agent)
}

/// Nothing but the exit code: what is wrong stands on stderr.
fn refused_to_start(reference: &mut Outcome, _: &Agent) -> bool {
    let ran = reference.code.replace(78) == Some(0) && reference.last_event_is("final");
    reference.events.clear();
    reference.result = None;
    ran
}

fn error_is_text(reference: &mut Outcome, _: &Agent) -> bool {
    let Some(error) = reference.events.last_mut() else { return false };
    let found = error["content"].is_number();
    error["content"] = json!(error["content"].to_string());
    found
}

/// What we promise instead is beside the agent.
fn promised_events(reference: &mut Outcome, agent: &Agent) -> bool {
    let promised = agent.promised().events;
    std::mem::replace(&mut reference.events, promised.clone()) != promised
}

fn drop_others(reference: &mut Outcome, which: impl Fn(&str) -> bool) -> bool {
    let before = reference.others.len();
    reference.others.retain(|line| !which(line));
    reference.others.len() < before
}

fn change_result(reference: &mut Outcome, change: impl FnOnce(&mut Value)) -> bool {
    let Some(before) = reference.result() else { return false };
    let mut after = before.clone();
    change(&mut after);
    reference.result = Some(after.to_string());
    after != before
}
