//! A failure as Sentry's list of exceptions: what was raised last at the end, what led to it before it.
//!
//! Rule: what the agent's side told of the failure counts; a traceback adds where it happened, and because of what.

use charm_telemetry_core::trace::{SpanError, SpanHead, SpanKind};
use serde::Serialize;

use crate::messages::cut;
use crate::traceback::{FrameJson, Raised, Traceback, frames_json};

/// Longest text of an exception. Sentry would cut it with a remark.
const MAX_VALUE_BYTES: usize = 8192;

/// How a text begins that is a traceback of Python.
const TRACEBACKS: [&str; 2] = ["Traceback ", "  + Exception Group "];

#[derive(Serialize)]
pub(crate) struct Exceptions<'a> {
    values: Vec<Exception<'a>>,
}

#[derive(Serialize)]
struct Exception<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'a str>,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stacktrace: Option<Stacktrace<'a>>,
    mechanism: Mechanism,
}

#[derive(Serialize)]
struct Stacktrace<'a> {
    frames: Vec<FrameJson<'a>>,
}

#[derive(Serialize)]
struct Mechanism {
    r#type: &'static str,
    handled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception_id: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<usize>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_exception_group: bool,
}

/// The traceback of a failure: the one that was told, or its text if that is one.
pub(crate) fn traceback(error: &SpanError) -> Option<Traceback<'_>> {
    let begins =
        |text: &&str| TRACEBACKS.iter().any(|start| text.starts_with(start)) || text.contains("\n    at ");
    let message = || Some(error.message.as_str()).filter(begins);
    Traceback::read(error.traceback.as_deref().or_else(message)?)
}

/// The failure, and what led to it, each with at most so many frames.
pub(crate) fn exceptions<'a>(
    head: &SpanHead,
    error: &'a SpanError,
    traceback: Option<&Traceback<'a>>,
    most_frames: usize,
) -> Exceptions<'a> {
    let untold = Raised::default();
    let raised = traceback.map_or(std::slice::from_ref(&untold), |traceback| &traceback.raised);
    let project = traceback.map(Traceback::project).unwrap_or_default();
    // One alone is in no need of an id.
    let has_ids = raised.len() > 1;
    let exception = |(id, raised): (usize, &Raised<'a>)| {
        let (name, value) = match id {
            0 => (Some(name(head.kind, error, raised)), value(error, raised)),
            _ => (raised.class, raised.text.clone()),
        };
        let (module, class) = name.map(module_and_class).unzip();
        let frames = frames_json(&raised.frames, project, most_frames);
        Exception {
            r#type: class,
            value: cut(value.into(), MAX_VALUE_BYTES).into_owned(),
            module: module.flatten(),
            stacktrace: (!frames.is_empty()).then_some(Stacktrace { frames }),
            mechanism: mechanism(head, has_ids.then_some(id), raised),
        }
    };
    Exceptions { values: raised.iter().enumerate().rev().map(exception).collect() }
}

/// A failed call was told to the agent, which may go on: `handled`. A run that failed was not.
fn mechanism(head: &SpanHead, id: Option<usize>, raised: &Raised<'_>) -> Mechanism {
    Mechanism {
        r#type: if raised.parent.is_some() { "chained" } else { "charm" },
        handled: !head.is_root(),
        source: raised.parent.map(|(_, link)| link.source()),
        exception_id: id,
        parent_id: raised.parent.map(|(parent, _)| parent),
        is_exception_group: raised.is_group,
    }
}

/// The class as it was told, with the module that the traceback has of it.
fn name<'a>(kind: SpanKind, error: &'a SpanError, raised: &Raised<'a>) -> &'a str {
    let Some(told) = error.error_type.as_deref() else { return raised.class.unwrap_or(unnamed(kind)) };
    let whole =
        raised.class.filter(|class| class.strip_suffix(told).is_some_and(|module| module.ends_with('.')));
    whole.unwrap_or(told)
}

/// The type of an error that does not tell its class.
fn unnamed(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Agent => "AgentError",
        SpanKind::Llm => "ModelError",
        SpanKind::Tool => "ToolError",
        SpanKind::Retrieval => "RetrievalError",
    }
}

fn module_and_class(name: &str) -> (Option<&str>, &str) {
    name.rsplit_once('.').map_or((None, name), |(module, class)| (Some(module), class))
}

/// The text without the class that stands before it, with the notes that the traceback has of it; of a text that is a
/// traceback, what was raised last.
fn value(error: &SpanError, raised: &Raised<'_>) -> String {
    let is_place = error.traceback.is_none() && !raised.frames.is_empty();
    let told = told(error);
    if is_place || raised.text.starts_with(told) { raised.text.clone() } else { told.to_owned() }
}

fn told(error: &SpanError) -> &str {
    let message = error.message.as_str();
    let told = if message.starts_with("Traceback ") {
        message.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(message)
    } else {
        message
    };
    let whole = error.error_type.as_deref().unwrap_or_default();
    let names = [whole, module_and_class(whole).1];
    let rest = names.iter().find_map(|name| told.strip_prefix(name)?.strip_prefix(": "));
    rest.unwrap_or(told)
}
