//! Spans of runs that are only sent if something in them fails.
//!
//! Rule: a run in which something fails, or that is cut off, is sent whole, as far as it fits; every span that is not sent is counted.

use std::collections::HashMap;

use super::span::{FinishedSpan, SpanStatus};
use crate::id::RunId;

/// Bytes of content that wait. Spans beyond it are dropped unless they failed.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Spans that wait.
const MAX_SPANS: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Unsampled {
    runs: HashMap<RunId, Waiting>,
    bytes: usize,
    spans: usize,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    spans: Vec<FinishedSpan>,
    failed: bool,
}

/// Spans that are sent after all.
pub(super) struct Kept(pub(super) Vec<FinishedSpan>);

impl Unsampled {
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn drop_one(&mut self) {
        self.dropped += 1;
    }

    /// Takes a span; gives those that are sent now.
    pub(super) fn add(&mut self, span: FinishedSpan) -> Kept {
        let (run, ends_run) = (span.head.run, span.head.is_root());
        let waiting = self.runs.entry(run).or_default();
        waiting.failed |=
            span.status.is_error() || (ends_run && matches!(span.status, SpanStatus::Aborted(_)));
        let mut kept = Vec::new();
        if waiting.failed {
            kept = self.release(run);
            kept.push(span);
        } else if self.spans < MAX_SPANS && self.bytes + span.content_bytes() <= MAX_BYTES {
            self.bytes += span.content_bytes();
            self.spans += 1;
            waiting.spans.push(span);
        } else {
            self.dropped += 1;
        }
        if ends_run {
            self.dropped += self.release(run).len() as u64;
            self.runs.remove(&run);
        }
        Kept(kept)
    }

    fn release(&mut self, run: RunId) -> Vec<FinishedSpan> {
        let spans =
            self.runs.get_mut(&run).map(|waiting| std::mem::take(&mut waiting.spans)).unwrap_or_default();
        self.spans -= spans.len();
        self.bytes -= spans.iter().map(FinishedSpan::content_bytes).sum::<usize>();
        spans
    }
}
