//! Takes secrets out of everything that leaves.
//!
//! Rule: a value is replaced by the name of its variable, in plain text and in JSON, however JSON spells it, and in text
//! that holds JSON or what Python shows of a value.

mod json;
mod layers;
mod parts;
mod patterns;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::event::EventKind;
use crate::event_text::ErrorText;
use layers::Layers;
use patterns::{Found, Patterns};

/// Shorter values are left alone: `prod` or `1` would take half of every text with it.
const SHORTEST: usize = 6;

/// Replaces the values of certain variables by `[NAME_REDACTED]`.
///
/// ```
/// use charm_telemetry_core::Redactor;
///
/// let redactor = Redactor::new([("API_KEY", "sk-12345")]);
/// assert_eq!(redactor.text("key=sk-12345!"), "key=[API_KEY_REDACTED]!");
/// ```
#[derive(Debug, Default)]
pub struct Redactor {
    patterns: Option<Patterns>,
}

impl Redactor {
    /// A redactor for these variables. Of a value with several lines each line, of an address the password, and of a list
    /// of headers each value that is secret by its name is redacted alone, too.
    /// Values of less than six bytes are not redacted.
    pub fn new<N: Into<String>, V: Into<String>>(secrets: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut all = BTreeMap::new();
        for (name, value) in secrets {
            let (name, value) = (name.into(), value.into());
            all.extend(parts::of(&value).into_iter().map(|part| (part, name.clone())));
            // Often a line break comes with a value that was read from a file.
            all.insert(value.trim().to_owned(), name.clone());
            all.insert(value, name);
        }
        all.retain(|value, _| value.len() >= SHORTEST);
        Self { patterns: Patterns::new(all) }
    }

    /// Whether there is nothing to take out.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_none()
    }

    /// A text without the secrets.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(patterns) = &self.patterns else { return Cow::Borrowed(text) };
        let mut clean = Clean::of(text);
        take_out(&patterns.find(&Layers::of_text(text), true).secrets, 0, &mut clean);
        clean.finish()
    }

    /// The beginning of a longer text, without the secrets and without an end that may be the beginning of one; and how much of
    /// `beginning` that is, in bytes.
    ///
    /// ```
    /// # use charm_telemetry_core::Redactor;
    /// let redactor = Redactor::new([("API_KEY", "sk-12345")]);
    /// let (clean, taken) = redactor.cut_text("sk-12345 and sk-12");
    /// assert_eq!((&*clean, taken), ("[API_KEY_REDACTED] and ", 13));
    /// ```
    pub fn cut_text<'a>(&self, beginning: &'a str) -> (Cow<'a, str>, usize) {
        let found = self.find(beginning, false);
        let taken = found.pending_from(beginning.len());
        let mut clean = Clean::of(&beginning[..taken]);
        take_out(&found.secrets, 0, &mut clean);
        (clean.finish(), taken)
    }

    /// JSON without the secrets: still JSON.
    pub fn json<'a>(&self, json: &'a str) -> Cow<'a, str> {
        self.patterns.as_ref().map_or(Cow::Borrowed(json), |patterns| json::clean(json, patterns))
    }

    /// Finds the secrets in a text. Where it may go on (`is_whole` is false), nothing is found behind what may be the
    /// beginning of a secret.
    pub(crate) fn find(&self, text: &str, is_whole: bool) -> Found<'_> {
        let find = |patterns| Patterns::find(patterns, &Layers::of_text(text), is_whole);
        self.patterns.as_ref().map(find).unwrap_or_default()
    }

    /// Takes the secrets out of an event.
    pub(crate) fn event(&self, kind: &mut EventKind) {
        if self.patterns.is_none() {
            return;
        }
        self.names(kind);
        match kind {
            EventKind::RunStart { inputs: json }
            | EventKind::RunEnd { outputs: json }
            | EventKind::RetrieverEnd { documents: json } => self.raw(json),
            EventKind::Error { error }
            | EventKind::LlmError { error }
            | EventKind::RetrieverError { error }
            | EventKind::ToolError { error, .. } => self.error(error),
            EventKind::ToolStart { input, .. } => {
                self.string(&mut input.text);
                input.arguments.iter_mut().for_each(|json| self.raw(json));
            }
            EventKind::RetrieverStart { query: text, .. } | EventKind::ToolEnd { output: text, .. } => {
                self.string(text);
            }
            EventKind::AgentAction { tool, tool_input } => {
                self.string(tool);
                self.string(tool_input);
            }
            EventKind::LlmStart(start) => start.input.iter_mut().for_each(|json| self.raw(json)),
            EventKind::LlmEnd(end) => end.output.iter_mut().for_each(|json| self.raw(json)),
            EventKind::LlmNewToken { token } => {
                if let Cow::Owned(clean) = self.text(token) {
                    *token = clean.into();
                }
            }
            EventKind::Stream(event) => {
                if let Cow::Owned(clean) = self.json(event.json()) {
                    event.set_json(clean);
                }
            }
        }
    }

    /// Names are the agent's words, too.
    fn names(&self, kind: &mut EventKind) {
        match kind {
            EventKind::ToolStart { tool_name: name, .. }
            | EventKind::ToolEnd { tool_name: name, .. }
            | EventKind::ToolError { tool_name: name, .. }
            | EventKind::RetrieverStart { name, .. } => self.shared(name),
            EventKind::LlmStart(start) => {
                start.model.iter_mut().chain(&mut start.provider).for_each(|name| self.string(name));
            }
            EventKind::LlmEnd(end) => end.model.iter_mut().for_each(|name| self.string(name)),
            _ => {}
        }
    }

    fn shared(&self, text: &mut Arc<str>) {
        if let Cow::Owned(clean) = self.text(text) {
            *text = clean.into();
        }
    }

    fn error(&self, error: &mut ErrorText) {
        self.string(&mut error.text);
        if let Some(detail) = &mut error.detail {
            detail.error_type.iter_mut().chain(&mut detail.traceback).for_each(|text| self.string(text));
        }
    }

    fn string(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.text(text) {
            *text = clean;
        }
    }

    fn raw(&self, json: &mut Box<RawValue>) {
        if let Cow::Owned(clean) = self.json(json.get()) {
            *json =
                RawValue::from_string(clean).expect("only text inside of strings and numbers was replaced");
        }
    }
}

/// A copy of a text that is made when the first of its parts is replaced.
struct Clean<'a> {
    text: &'a str,
    copy: String,
    copied: usize,
}

impl<'a> Clean<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, copy: String::new(), copied: 0 }
    }

    /// Replaces a part of the text that is behind all before.
    fn replace(&mut self, range: Range<usize>, by: &[&str]) {
        self.copy.push_str(&self.text[self.copied..range.start]);
        self.copy.extend(by.iter().copied());
        self.copied = range.end;
    }

    fn finish(mut self) -> Cow<'a, str> {
        if self.copied == 0 {
            return Cow::Borrowed(self.text);
        }
        self.copy.push_str(&self.text[self.copied..]);
        Cow::Owned(self.copy)
    }
}

/// Replaces what was found in a part of the text that begins at `offset`.
fn take_out(secrets: &[(Range<usize>, &str)], offset: usize, clean: &mut Clean<'_>) {
    for (range, replacement) in secrets {
        clean.replace(offset + range.start..offset + range.end, &[replacement]);
    }
}

#[cfg(test)]
mod tests;
