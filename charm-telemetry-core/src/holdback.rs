//! Secrets that come in pieces: a model streams `sk-12` and `345`, and neither token is the secret.
//!
//! Rule: a token is kept back only while the end of what its call has said may be the beginning of a secret, and with it
//! what the run says next; each token stays one event, in its place.
//!
//! Of a secret that was cut, the first token carries the replacement and the rest of the secret is gone from the others,
//! which may leave them empty: they count and are shown to nobody.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::event::{Event, EventKind};
use crate::id::CallId;
use crate::redact::Redactor;

/// So long a token may wait for those that follow. Then half of a secret and more is taken for the whole, and less than that
/// is let go; the rest of it is recognised all the same when it comes.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// What is kept back of one run.
#[derive(Debug, Default)]
pub(crate) struct Holdback {
    /// From the first token that waits: all events of the run, in order.
    queue: VecDeque<Event>,
    tails: HashMap<Option<CallId>, Tail>,
}

/// The last tokens of a call, which end in what may be the beginning of a secret.
#[derive(Debug, Default)]
struct Tail {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    sequence: u64,
    text: String,
    /// When it came.
    since: Instant,
    /// It waited too long and was let go: kept to recognise what follows.
    is_out: bool,
}

impl Holdback {
    /// Takes the next event of the run, and hands on what need not wait.
    pub(crate) fn take(
        &mut self,
        mut event: Event,
        redactor: &Redactor,
        now: Instant,
        hand_on: &mut impl FnMut(Event),
    ) {
        match &event.kind {
            EventKind::LlmNewToken { token } => {
                let piece =
                    Piece { sequence: event.sequence, text: token.to_string(), since: now, is_out: false };
                let call = event.call;
                self.queue.push_back(event);
                let mut tail = self.tails.remove(&call).unwrap_or_default();
                tail.pieces.push(piece);
                self.resolve(call, tail, redactor);
                self.release(hand_on);
                return;
            }
            EventKind::LlmEnd(_) | EventKind::LlmError { .. } => self.settle(event.call, redactor),
            EventKind::RunEnd { .. } | EventKind::Error { .. } => self.settle_all(redactor),
            _ => {}
        }
        redactor.event(&mut event.kind);
        self.queue.push_back(event);
        self.release(hand_on);
    }

    /// Nothing more will come: hands on everything.
    pub(crate) fn finish(&mut self, redactor: &Redactor, hand_on: &mut impl FnMut(Event)) {
        self.settle_all(redactor);
        self.release(hand_on);
    }

    /// Whether anything waits.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Lets go of what has waited too long.
    pub(crate) fn let_go(&mut self, redactor: &Redactor, now: Instant, hand_on: &mut impl FnMut(Event)) {
        for tail in self.tails.values_mut() {
            if tail.waits_since().is_some_and(|since| now.duration_since(since) >= LONGEST_WAIT) {
                let text = tail.text();
                let found = redactor.find(&text, false).with_half();
                let found = found.unwrap_or_else(|| redactor.find(&text, true).secrets);
                rewrite(&mut self.queue, &tail.recut(&found));
                tail.pieces.iter_mut().for_each(|piece| piece.is_out = true);
            }
        }
        self.release(hand_on);
    }

    /// Takes out the secrets that a call's last tokens hold together, and keeps those back that may go on.
    fn resolve(&mut self, call: Option<CallId>, mut tail: Tail, redactor: &Redactor) {
        let text = tail.text();
        let found = redactor.find(&text, false);
        if !found.secrets.is_empty() {
            let clean = tail.recut(&found.secrets);
            rewrite(&mut self.queue, &clean);
        }
        tail.keep_from(found.pending_from(text.len()), &found.secrets);
        if !tail.pieces.is_empty() {
            self.tails.insert(call, tail);
        }
    }

    /// The call says nothing more: a beginning of a secret was none.
    fn settle(&mut self, call: Option<CallId>, redactor: &Redactor) {
        if let Some(tail) = self.tails.remove(&call) {
            let text = tail.text();
            rewrite(&mut self.queue, &tail.recut(&redactor.find(&text, true).secrets));
        }
    }

    fn settle_all(&mut self, redactor: &Redactor) {
        let calls: Vec<_> = self.tails.keys().copied().collect();
        for call in calls {
            self.settle(call, redactor);
        }
    }

    fn release(&mut self, hand_on: &mut impl FnMut(Event)) {
        let waiting = self.tails.values().flat_map(|tail| &tail.pieces).filter(|piece| !piece.is_out);
        let first = waiting.map(|piece| piece.sequence).min().unwrap_or(u64::MAX);
        while self.queue.front().is_some_and(|event| event.sequence < first) {
            self.queue.pop_front().into_iter().for_each(&mut *hand_on);
        }
    }
}

impl Tail {
    /// When the first token came that is still kept back: however many follow, it does not wait any longer for them.
    fn waits_since(&self) -> Option<Instant> {
        self.pieces.iter().find(|piece| !piece.is_out).map(|piece| piece.since)
    }

    fn text(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    /// The texts of the tokens that are still here, without the secrets.
    fn recut(&self, secrets: &[(Range<usize>, &str)]) -> Vec<(u64, String)> {
        let mut named = vec![false; secrets.len()];
        let mut start = 0;
        let mut texts = Vec::new();
        for piece in &self.pieces {
            let range = start..start + piece.text.len();
            start = range.end;
            if piece.is_out {
                continue;
            }
            let mut text = String::new();
            let mut copied = range.start;
            for ((secret, name), named) in secrets.iter().zip(&mut named) {
                if secret.start < range.end && secret.end > range.start {
                    text.push_str(&piece.text[copied - range.start..secret.start.max(copied) - range.start]);
                    text.push_str(if std::mem::replace(named, true) { "" } else { name });
                    copied = secret.end.min(range.end);
                }
            }
            text.push_str(&piece.text[copied - range.start..]);
            texts.push((piece.sequence, text));
        }
        texts
    }

    /// Forgets what lies before `from`, where a secret may begin, with the secrets that were taken out.
    fn keep_from(&mut self, from: usize, secrets: &[(Range<usize>, &str)]) {
        let clean: HashMap<u64, String> =
            if secrets.is_empty() { HashMap::new() } else { self.recut(secrets).into_iter().collect() };
        let mut end = 0;
        self.pieces.retain_mut(|piece| {
            end += piece.text.len();
            if let Some(clean) = clean.get(&piece.sequence) {
                piece.text.clone_from(clean);
            }
            end > from
        });
    }
}

fn rewrite(queue: &mut VecDeque<Event>, texts: &[(u64, String)]) {
    for (sequence, text) in texts {
        let at = queue.binary_search_by_key(sequence, |event| event.sequence);
        if let Some(EventKind::LlmNewToken { token }) = at.ok().map(|at| &mut queue[at].kind) {
            *token = text.as_str().into();
        }
    }
}

#[cfg(test)]
mod tests;
