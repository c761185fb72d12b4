//! What all runs of an assembler share: the bounds, the counts, and the tray for finished spans.
//!
//! Rule: content is taken in here alone, so that none is held that is not accounted for.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::content::Content;
use super::counters::TraceCounters;
use super::limits::{Budget, MAX_NAME_BYTES, TraceLimits};
use super::span::{FinishedSpan, SpanStatus, TraceOutput};

#[derive(Debug)]
pub(super) struct Desk {
    pub(super) limits: TraceLimits,
    pub(super) counters: TraceCounters,
    pub(super) report_starts: bool,
    pub(super) ready: VecDeque<TraceOutput>,
    budget: Budget,
}

/// The bytes of content that one open span holds.
#[derive(Debug, Default)]
pub(super) struct Charge(usize);

impl Desk {
    pub(super) fn new(limits: TraceLimits) -> Self {
        Self {
            limits,
            counters: TraceCounters::default(),
            report_starts: false,
            ready: VecDeque::new(),
            budget: Budget::new(limits.held_bytes),
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.budget.held()
    }

    /// Takes in JSON, or as much of its text as there is room for.
    pub(super) fn json(&mut self, json: &RawValue, charge: &mut Charge) -> Option<Content> {
        let text = json.get();
        let room = self.room(text.len(), charge);
        if room == text.len() { Some(Content::from_json(json)) } else { self.cut(text, room) }
    }

    /// Takes in a text that is JSON.
    pub(super) fn json_text(&mut self, json: &str, charge: &mut Charge) -> Option<Content> {
        match serde_json::from_str::<&RawValue>(json) {
            Ok(json) => self.json(json, charge),
            Err(_) => self.text(json, charge),
        }
    }

    /// Takes in text, or as much of it as there is room for.
    pub(super) fn text(&mut self, text: &str, charge: &mut Charge) -> Option<Content> {
        let room = self.room(text.len(), charge);
        if room == text.len() { Some(Content::from_text(text)) } else { self.cut(text, room) }
    }

    /// Adds streamed text. `false` if not all of it had room.
    pub(super) fn streamed(&mut self, token: &str, text: &mut String, charge: &mut Charge) -> bool {
        let wanted = token.len().min(self.limits.streamed_text_bytes.saturating_sub(text.len()));
        let room = self.budget.take(wanted);
        charge.0 += room;
        text.push_str(start_of(token, room));
        room == token.len()
    }

    /// Puts a finished span into the tray.
    pub(super) fn finish(&mut self, span: FinishedSpan, charge: &Charge) {
        self.budget.give_back(charge.0);
        self.counters.spans += 1;
        self.counters.aborted += u64::from(matches!(span.status, SpanStatus::Aborted(_)));
        self.ready.push_back(TraceOutput::Finished(Box::new(span)));
    }

    fn room(&mut self, bytes: usize, charge: &mut Charge) -> usize {
        let room = self.budget.take(bytes.min(self.limits.content_bytes));
        charge.0 += room;
        room
    }

    fn cut(&mut self, text: &str, room: usize) -> Option<Content> {
        self.counters.truncated += 1;
        (room > 0).then(|| Content::cut(start_of(text, room)))
    }
}

/// A name, cut to the length that names have.
pub(super) fn name(text: &str) -> Arc<str> {
    start_of(text, MAX_NAME_BYTES).into()
}

/// At most so many bytes, and no half character.
pub(super) fn start_of(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
