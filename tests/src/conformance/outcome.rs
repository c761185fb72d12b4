//! What a runner wrote to stdout, taken apart.
//!
//! Rule: every line ends up in exactly one field, so that nothing is compared by accident or forgotten.

use serde_json::Value;

use crate::process::Finished;

pub(super) const PREFIX: &str = "__CHARM_EVENT__";

/// The events of a run, its result and its exit code.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    pub(super) events: Vec<Value>,
    /// The result object as it was written: several lines, if the runner wraps.
    pub(super) result: Option<String>,
    /// Every other line.
    pub(super) others: Vec<String>,
    /// How many events began in the middle of a line.
    pub(super) glued: usize,
    pub(super) code: Option<i32>,
    /// Whether the result can only be compared without its spaces, because wrapping ate some.
    pub(super) spaceless: bool,
}

impl Outcome {
    pub(super) fn of(finished: &Finished) -> Self {
        let mut outcome = Self {
            events: Vec::new(),
            result: None,
            others: Vec::new(),
            glued: 0,
            code: finished.code,
            spaceless: false,
        };
        let (lines, result) = split_result(&finished.stdout);
        outcome.result = result;
        for line in lines.lines() {
            match line.strip_prefix(PREFIX) {
                Some(event) => outcome.read_event_line(event),
                None if line.is_empty() => {}
                None => outcome.others.push(line.to_owned()),
            }
        }
        outcome
    }

    /// An event, and whatever is glued to its end.
    fn read_event_line(&mut self, text: &str) {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let Some(Ok(event)) = values.next() else {
            self.others.push(format!("{PREFIX}{text}"));
            return;
        };
        self.events.push(event);
        let rest = &text[values.byte_offset()..];
        match rest.strip_prefix(PREFIX) {
            Some(next) => {
                self.glued += 1;
                self.read_event_line(next);
            }
            None if rest.trim().is_empty() => {}
            None => self.others.push(rest.to_owned()),
        }
    }

    /// The result on one valid line, read.
    pub(super) fn result_value(&self) -> Option<Value> {
        self.result
            .as_deref()
            .filter(|text| !text.contains('\n'))
            .and_then(|text| serde_json::from_str(text).ok())
    }

    /// The result, in the form that is compared.
    pub(super) fn result(&self) -> Option<Value> {
        if self.spaceless { self.result.as_deref().and_then(without_spaces) } else { self.result_value() }
    }

    /// The result, in the form that the other one's is compared in.
    pub(super) fn result_as(&self, other: &Self) -> Option<Value> {
        Self { spaceless: other.spaceless, ..self.clone() }.result()
    }

    /// Whether the last event is of that type.
    pub(super) fn last_event_is(&self, kind: &str) -> bool {
        self.events.last().is_some_and(|event| event["type"] == kind)
    }
}

/// A result that was wrapped: a line may end between two words, where the space is lost, or within one.
fn without_spaces(text: &str) -> Option<Value> {
    let mut value = serde_json::from_str(&text.replace(['\n', ' '], "")).ok()?;
    drop_spaces(&mut value);
    Some(value)
}

/// Escapes become spaces only when the text is read, so both sides go through this.
fn drop_spaces(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|c| c != ' '),
        Value::Array(items) => items.iter_mut().for_each(drop_spaces),
        Value::Object(fields) => fields.values_mut().for_each(drop_spaces),
        _ => {}
    }
}

/// The result begins on the last line that starts like one; whatever follows belongs to it.
fn split_result(stdout: &str) -> (&str, Option<String>) {
    let start = if stdout.starts_with("{\"") { Some(0) } else { stdout.rfind("\n{\"").map(|at| at + 1) };
    match start {
        Some(at) => (&stdout[..at], Some(stdout[at..].trim_end_matches('\n').to_owned())),
        None => (stdout, None),
    }
}
