//! A call that has begun and not ended, or the run itself: what is gathered on the way.
//!
//! Rule: what it holds is bounded, whatever the agent sends.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::content::Content;
use super::desk::{Charge, Desk};
use super::span::{FinishedSpan, SpanEvent, SpanHead, SpanStatus, StartedSpan, Streaming};
use crate::event::TokenUsage;
use crate::model_parameters::ModelParameters;

#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) head: Arc<SpanHead>,
    pub(super) input: Option<Content>,
    pub(super) model: Option<Arc<str>>,
    pub(super) parameters: ModelParameters,
    pub(super) provider: Option<Arc<str>>,
    pub(super) start_missing: bool,
    /// Nobody said that it began: tokens came without a call.
    pub(super) from_tokens: bool,
    pub(super) charge: Charge,
    stream: Option<Stream>,
    events: Vec<SpanEvent>,
    events_dropped: u32,
}

/// Tokens as they come, and what is kept of their text. Times are offsets from the start of the run.
#[derive(Debug)]
struct Stream {
    tokens: u64,
    first: Duration,
    last: Duration,
    text: String,
    cut: bool,
}

/// What is said at the end of a call.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) status: SpanStatus,
    pub(super) output: Option<Content>,
    pub(super) response_model: Option<Arc<str>>,
    pub(super) usage: Option<TokenUsage>,
    pub(super) finish_reasons: Vec<Arc<str>>,
}

impl OpenCall {
    pub(super) fn new(head: Arc<SpanHead>) -> Self {
        Self {
            head,
            input: None,
            model: None,
            parameters: ModelParameters::default(),
            provider: None,
            start_missing: false,
            from_tokens: false,
            charge: Charge::default(),
            stream: None,
            events: Vec::new(),
            events_dropped: 0,
        }
    }

    pub(super) fn token(&mut self, desk: &mut Desk, offset: Duration, token: &str) {
        let offset = offset.max(self.head.offset);
        let fresh = || Stream { tokens: 0, first: offset, last: offset, text: String::new(), cut: false };
        let stream = self.stream.get_or_insert_with(fresh);
        stream.tokens += 1;
        stream.last = stream.last.max(offset);
        // After the first cut nothing is added: a text with holes would be a lie.
        if !stream.cut && !desk.streamed(token, &mut stream.text, &mut self.charge) {
            stream.cut = true;
            desk.counters.truncated += 1;
        }
    }

    pub(super) fn event(&mut self, desk: &mut Desk, event: impl FnOnce(&mut Desk, &mut Charge) -> SpanEvent) {
        if self.events.len() < desk.limits.events {
            self.events.push(event(desk, &mut self.charge));
        } else {
            self.events_dropped = self.events_dropped.saturating_add(1);
        }
    }

    pub(super) fn started(&self, conversation: Option<&Arc<str>>) -> StartedSpan {
        StartedSpan {
            head: Arc::clone(&self.head),
            input: self.input.clone(),
            model: self.model.clone(),
            provider: self.provider.clone(),
            parameters: self.parameters,
            conversation: conversation.cloned(),
        }
    }

    /// When the last token came.
    pub(super) fn last_token(&self) -> Option<Duration> {
        self.stream.as_ref().map(|stream| stream.last)
    }

    /// `origin` is the wall time of the run's start, `end` the offset of this end.
    pub(super) fn finish(
        self,
        origin: SystemTime,
        end: Duration,
        ending: Ending,
        conversation: Option<&Arc<str>>,
    ) -> (FinishedSpan, Charge) {
        let end = end.max(self.head.offset).max(self.last_token().unwrap_or_default());
        let streaming = self.streaming(origin);
        let Ending { status, output, response_model, usage, finish_reasons } = ending;
        let span = FinishedSpan {
            end: at(origin, end),
            duration: end.saturating_sub(self.head.offset),
            status,
            input: self.input,
            output: output.or_else(|| self.stream.and_then(Stream::into_content)),
            model: self.model,
            parameters: self.parameters,
            response_model,
            provider: self.provider,
            usage,
            finish_reasons,
            streaming,
            events: self.events,
            events_dropped: self.events_dropped,
            conversation: conversation.cloned(),
            totals: None,
            suspended: false,
            start_missing: self.start_missing,
            content_withheld: false,
            head: self.head,
        };
        (span, self.charge)
    }

    fn streaming(&self, origin: SystemTime) -> Option<Streaming> {
        let stream = self.stream.as_ref()?;
        let since_start = stream.first.saturating_sub(self.head.offset);
        Some(Streaming {
            tokens: stream.tokens,
            time_to_first_token: (!self.start_missing && !self.from_tokens).then_some(since_start),
            first_token: at(origin, stream.first),
            span_of_tokens: stream.last.saturating_sub(stream.first),
        })
    }
}

impl Stream {
    fn into_content(self) -> Option<Content> {
        match (self.text.is_empty(), self.cut) {
            (true, _) => None,
            (false, true) => Some(Content::cut(self.text)),
            (false, false) => Some(Content::from_text(self.text)),
        }
    }
}

impl Ending {
    pub(super) fn new(status: SpanStatus, output: Option<Content>) -> Self {
        Self { status, output, response_model: None, usage: None, finish_reasons: Vec::new() }
    }
}

/// The wall time of an offset from the start of a run.
pub(super) fn at(origin: SystemTime, offset: Duration) -> SystemTime {
    origin.checked_add(offset).unwrap_or(origin)
}
