//! A span as a run of LangSmith.
//!
//! Rule: encoding is pure, and the same span gives the same run: a batch that arrives twice changes nothing.
//!
//! Limits: a name has at most `MAX_NAME_CHARS`; a run that is larger than `MAX_RUN_BYTES` loses what
//! its events hold, then the ends of its inputs and outputs, and says so.

use std::time::SystemTime;

use charm_telemetry_core::delivery::Item;
use charm_telemetry_core::trace::{
    Content, FinishedSpan, SpanError, SpanHead, SpanKind, SpanStatus, StartedSpan, TelemetrySettings,
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::LangsmithExporter;
use crate::content::{self, NOTHING};
use crate::extra::{ExtraWriter, is_reserved};
use crate::multipart::RUN_OVERHEAD;
use crate::request::MAX_BODY_BYTES;
use crate::run_parts::{Operation, RunParts};
use crate::sound_json::sound;
use crate::stamp::Stamp;

/// Longest name of a run: <https://github.com/langchain-ai/langsmith-sdk/issues/453>.
pub(crate) const MAX_NAME_CHARS: usize = 128;

/// Largest run: one fits into a request with all that is around it.
pub(crate) const MAX_RUN_BYTES: usize = MAX_BODY_BYTES - RUN_OVERHEAD - 1024;

/// What is left of an input or output of a run that is too large. Written as JSON it is at most six times this.
const CUT_BYTES: usize = 128 * 1024;

/// The error of a run that waits for a person: LangSmith shows no error for it, and no content is in it.
const SUSPENDED: &str = "suspended: the run waits for a person";

/// Writes runs.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    project: String,
    tags: Vec<String>,
    hide_inputs: bool,
    hide_outputs: bool,
    extra: ExtraWriter,
}

/// Everything of a run that has no part of its own.
#[derive(Serialize)]
struct Main<'a> {
    id: &'a str,
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_run_id: Option<String>,
    dotted_order: String,
    name: &'a str,
    run_type: &'static str,
    start_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    session_name: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
}

/// A point in time within a run.
#[derive(Serialize)]
struct RunEvent<'a> {
    name: &'a str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kwargs: Option<Box<RawValue>>,
}

/// How much of a run is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Whole,
    BareEvents,
    Cut,
}

impl Encoder {
    pub(crate) fn new(exporter: &LangsmithExporter, settings: &TelemetrySettings) -> Self {
        let tags = settings.tags.without("langsmith", is_reserved);
        Self {
            project: exporter.project.clone(),
            tags: tags.iter().map(|(key, value)| format!("{key}:{value}")).collect(),
            hide_inputs: exporter.hide_inputs,
            hide_outputs: exporter.hide_outputs,
            extra: ExtraWriter::new(exporter, settings, &tags),
        }
    }

    /// A run that has begun.
    pub(crate) fn started(&self, span: &StartedSpan) -> Item {
        let head = &*span.head;
        let id = head.uuid().to_string();
        let input = span.input.as_ref();
        let inputs =
            self.early_inputs(head.kind, input).unwrap_or_else(|| self.inputs(head.kind, input, Fit::Cut));
        let parts = RunParts {
            operation: Operation::Post,
            id: &id,
            main: &self.main(&id, head, None),
            inputs: &inputs,
            outputs: "",
            events: "",
            extra: &self.extra.started(span).to_string(),
            error: "",
        };
        parts.to_item()
    }

    /// A run that has ended: all of it, or what is new of one that has been posted.
    pub(crate) fn finished(&self, span: &FinishedSpan, operation: Operation) -> Item {
        let fits = |item: &Item| item.len() <= MAX_RUN_BYTES;
        let mut tries = [Fit::Whole, Fit::BareEvents].into_iter().map(|fit| self.run(span, operation, fit));
        tries.find(fits).unwrap_or_else(|| self.run(span, operation, Fit::Cut))
    }

    fn run(&self, span: &FinishedSpan, operation: Operation, fit: Fit) -> Item {
        let head = &*span.head;
        let id = head.uuid().to_string();
        let inputs = match operation {
            // LangSmith has them, unless they were cut to be there early.
            Operation::Patch if self.early_inputs(head.kind, span.input.as_ref()).is_some() => String::new(),
            Operation::Post | Operation::Patch => self.inputs(head.kind, span.input.as_ref(), fit),
        };
        let parts = RunParts {
            operation,
            id: &id,
            main: &self.main(&id, head, Some(span.end)),
            inputs: &inputs,
            outputs: &self.outputs(head.kind, span.output.as_ref(), fit),
            events: &self.events(span, fit),
            extra: &self.extra.finished(span, &missing(span, fit)).to_string(),
            error: &self.error(span).map(|text| json_string(&text)).unwrap_or_default(),
        };
        parts.to_item()
    }

    /// What went wrong, or that somebody is waited for: that counts as such only beside the mark in the metadata, and the
    /// mark only beside an error.
    fn error(&self, span: &FinishedSpan) -> Option<String> {
        let suspended = span.suspended && !self.extra.is_hidden();
        error_text(span).or_else(|| suspended.then(|| SUSPENDED.to_owned()))
    }

    fn main(&self, id: &str, head: &SpanHead, end: Option<SystemTime>) -> String {
        let main = Main {
            id,
            trace_id: head.root().uuid().to_string(),
            parent_run_id: head.parent.as_ref().map(|parent| parent.uuid().to_string()),
            dotted_order: dotted_order(head),
            name: name(head),
            run_type: run_type(head.kind),
            start_time: Stamp::of(head.start).rfc3339(),
            end_time: end.map(|end| Stamp::of(end).rfc3339()),
            session_name: &self.project,
            tags: &self.tags,
        };
        serde_json::to_string(&main).expect("it has no map with keys that are not strings")
    }

    fn inputs(&self, kind: SpanKind, content: Option<&Content>, fit: Fit) -> String {
        match content.filter(|_| !self.hide_inputs) {
            None => NOTHING.to_owned(),
            Some(content) if fit == Fit::Cut => content::cut("input", content, CUT_BYTES),
            Some(content) => content::inputs(kind, content),
        }
    }

    /// As they are posted early: `None` if they are too long for that.
    fn early_inputs(&self, kind: SpanKind, content: Option<&Content>) -> Option<String> {
        Some(self.inputs(kind, content, Fit::Whole)).filter(|whole| whole.len() <= MAX_RUN_BYTES / 2)
    }

    fn outputs(&self, kind: SpanKind, content: Option<&Content>, fit: Fit) -> String {
        match content.filter(|_| !self.hide_outputs) {
            None => NOTHING.to_owned(),
            Some(content) if fit == Fit::Cut => content::cut("output", content, CUT_BYTES),
            Some(content) => content::outputs(kind, content),
        }
    }

    /// The first token, without its text: it is where LangSmith takes the time to the first token from. Then what the agent
    /// did and showed; as that is input of one and output of another, hiding either hides it.
    fn events(&self, span: &FinishedSpan, fit: Fit) -> String {
        let shown = fit == Fit::Whole && !self.hide_inputs && !self.hide_outputs;
        let token = span.streaming.map(|streaming| RunEvent {
            name: "new_token",
            time: Stamp::of(streaming.first_token).rfc3339(),
            kwargs: None,
        });
        let others = span.events.iter().map(|event| RunEvent {
            name: &event.name,
            time: Stamp::of(event.time).rfc3339(),
            kwargs: event.content.as_ref().filter(|_| shown).and_then(kwargs),
        });
        let events: Vec<_> = token.into_iter().chain(others).collect();
        if events.is_empty() {
            return String::new();
        }
        serde_json::to_string(&events).expect("it has no map with keys that are not strings")
    }
}

/// Where the run stands in its trace: the moments and ids from the trace's first run down to this one.
fn dotted_order(head: &SpanHead) -> String {
    let segment = |head: &SpanHead| format!("{}{}", Stamp::of(head.start).dotted(), head.uuid());
    let mut segments: Vec<_> = head.ancestors().map(segment).collect();
    segments.reverse();
    segments.push(segment(head));
    segments.join(".")
}

fn name(head: &SpanHead) -> &str {
    let name = if head.name.trim().is_empty() { head.kind.name() } else { &head.name };
    name.char_indices().nth(MAX_NAME_CHARS).map_or(name, |(end, _)| &name[..end])
}

fn run_type(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Agent => "chain",
        SpanKind::Llm => "llm",
        SpanKind::Tool => "tool",
        SpanKind::Retrieval => "retriever",
    }
}

fn error_text(span: &FinishedSpan) -> Option<String> {
    match &span.status {
        SpanStatus::Ok => None,
        SpanStatus::Error(error) => Some(told(error)),
        SpanStatus::Aborted(reason) => Some(format!("aborted: {}", reason.describe())),
    }
}

/// The class, the text, and where it happened, as LangSmith's SDKs write an error.
fn told(error: &SpanError) -> String {
    let mut text = error.message.clone();
    if let Some(class) = error.error_type.as_deref().filter(|class| !text.contains(class)) {
        text = format!("{class}: {text}");
    }
    if let Some(traceback) = &error.traceback {
        text.extend(["\n\n", traceback]);
    }
    text
}

fn kwargs(content: &Content) -> Option<Box<RawValue>> {
    let json = content.json_text();
    let json = sound(&json);
    // As elsewhere: an object, or in one.
    let object = if json.starts_with('{') { json.into_owned() } else { format!("{{\"content\":{json}}}") };
    RawValue::from_string(object).ok()
}

/// What of the run is not whole.
fn missing(span: &FinishedSpan, fit: Fit) -> Vec<&'static str> {
    let is_cut = |content: &Option<Content>| {
        content.as_ref().is_some_and(|content| content.is_truncated() || fit == Fit::Cut)
    };
    let had_content = span.events.iter().any(|event| event.content.is_some());
    let cut_event = span.events.iter().filter_map(|event| event.content.as_ref()).any(Content::is_truncated);
    let parts = [
        ("inputs", is_cut(&span.input)),
        ("outputs", is_cut(&span.output)),
        ("events", cut_event || (had_content && fit > Fit::Whole)),
    ];
    parts.into_iter().filter(|(_, cut)| *cut).map(|(part, _)| part).collect()
}

/// In quotes: the server reads the part as JSON.
fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
