//! What each listed difference makes of the reference's output.
//!
//! Rule: a rewrite turns what the reference wrote into what we promise, never ours into something else; it says whether
//! it found what it is for.

use serde_json::{Value, json};

use super::agent::Agent;
use super::outcome::Outcome;

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
    ("partial-line-kept", partial_line_kept),
    ("event-line-whole", event_line_whole),
    ("second-prefix-read", second_prefix_read),
    ("broken-event-shown", broken_event_shown),
    ("child-print-shown", child_print_shown),
    ("class-instantiated", runs_where_the_reference_fails),
    ("graph-without-checkpointer", runs_where_the_reference_fails),
    ("calls-without-run-id", runs_where_the_reference_fails),
    ("generator-streamed", runs_where_the_reference_fails),
    ("failure-to-load-is-an-event", failure_to_load_is_an_event),
    ("exit-is-told", exit_is_told),
    ("own-message-first", own_message_first),
    ("no-note-for-wrapper", no_note_for_wrapper),
];

fn logs_on_stderr(reference: &mut Outcome, _: &Agent) -> bool {
    let before = reference.others.len();
    let starts = ["[charm] ", "✔ Loaded Agent: ", "Loading .env from: "];
    reference.others.retain(|line| !starts.iter().any(|start| line.starts_with(start)));
    reference.others.len() < before
}

fn result_on_one_line(reference: &mut Outcome, _: &Agent) -> bool {
    reference.spaceless = reference.result.as_deref().is_some_and(|text| text.contains('\n'));
    reference.spaceless
}

/// The `final` event has the output as the agent gave it.
fn result_untouched(reference: &mut Outcome, _: &Agent) -> bool {
    let Some(mut result) = reference.result() else { return false };
    let output = reference.events.last().map_or(Value::Null, |event| event["content"].clone());
    let raw_type = result["raw_type"].take();
    let promised = json!({"status": "success", "output": output, "raw_type": raw_type});
    reference.result = Some(promised.to_string());
    true
}

fn partial_line_kept(reference: &mut Outcome, agent: &Agent) -> bool {
    replace_events(reference, agent)
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

fn broken_event_shown(reference: &mut Outcome, agent: &Agent) -> bool {
    let before = reference.others.len();
    reference.others.retain(|line| !line.starts_with("__CHARM_EVENT__"));
    reference.others.len() < before && replace_events(reference, agent)
}

fn child_print_shown(reference: &mut Outcome, agent: &Agent) -> bool {
    let before = reference.others.len();
    reference.others.retain(|line| line != "from a child");
    reference.others.len() < before && replace_events(reference, agent)
}

fn runs_where_the_reference_fails(reference: &mut Outcome, agent: &Agent) -> bool {
    reference.last_event_is("error") && replace_events(reference, agent)
}

fn failure_to_load_is_an_event(reference: &mut Outcome, agent: &Agent) -> bool {
    reference.others.clear();
    reference.code == Some(1) && replace_events(reference, agent)
}

fn exit_is_told(reference: &mut Outcome, agent: &Agent) -> bool {
    reference.code == Some(3) && replace_events(reference, agent)
}

fn own_message_first(reference: &mut Outcome, agent: &Agent) -> bool {
    replace_events(reference, agent)
}

fn no_note_for_wrapper(reference: &mut Outcome, _: &Agent) -> bool {
    let before = reference.events.len();
    reference
        .events
        .retain(|event| !event["content"].as_str().is_some_and(|text| text.starts_with("[Charm] ")));
    reference.events.len() < before
}

/// What we promise instead is beside the agent.
fn replace_events(reference: &mut Outcome, agent: &Agent) -> bool {
    let promised = agent.promised_events();
    std::mem::replace(&mut reference.events, promised.clone()) != promised
}
