//! The last line of a run: how it went, how long it took, how fast it spoke.
//!
//! Rule: every figure comes from the times of the events, not from when they were shown.

use std::fmt::Write as _;
use std::time::Duration;

use charm_telemetry_core::{Event, EventKind};

use super::paint::Style;

/// Collects the figures of a run.
#[derive(Debug, Default)]
pub(super) struct Summary {
    started: Option<Duration>,
    ended: Option<(Duration, Ending)>,
    first_token: Option<Duration>,
    tokens: u64,
    tools: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Done,
    Failed,
}

impl Summary {
    pub(super) fn take_note(&mut self, event: &Event) {
        let now = event.time.monotonic;
        match &event.kind {
            EventKind::RunStart { .. } => self.started = Some(now),
            EventKind::RunEnd { .. } => self.ended = Some((now, Ending::Done)),
            EventKind::Error { .. } => self.ended = Some((now, Ending::Failed)),
            EventKind::LlmNewToken { .. } => {
                self.tokens += 1;
                self.first_token.get_or_insert(now);
            }
            EventKind::ToolStart { .. } => self.tools += 1,
            _ => {}
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.ended.is_some_and(|(_, ending)| ending == Ending::Failed)
    }

    /// The line, once a run has ended. Begins anew.
    pub(super) fn take(&mut self) -> Option<(Style, String)> {
        let (ended, ending) = self.ended?;
        let summary = std::mem::take(self);
        let started = summary.started.unwrap_or(ended);
        let took = ended.saturating_sub(started);
        let (style, word) = match ending {
            Ending::Done => (Style::Good, "done"),
            Ending::Failed => (Style::Bad, "failed"),
        };
        let mut words = format!("{word} in {took:.1?}");
        if summary.tools > 0 {
            let plural = if summary.tools == 1 { "" } else { "s" };
            write!(words, " · {} tool call{plural}", summary.tools).expect("a string takes every text");
        }
        if let Some(first) = summary.first_token {
            let wait = first.saturating_sub(started);
            let plural = if summary.tokens == 1 { "" } else { "s" };
            write!(words, " · {} token{plural}, the first after {wait:.0?}", summary.tokens)
                .expect("a string takes every text");
        }
        Some((style, words))
    }
}
