//! A run that has begun and not ended, with its open calls.
//!
//! Rule: all times of a run are its start by the calendar plus a difference of the clock that does not step, so that no
//! span ends before it starts, or starts before its parent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::context::TraceContext;
use super::desk::{Charge, Desk, start_of};
use super::ended::Ended;
use super::ids::SpanId;
use super::limits::{MAX_DEPTH, REMEMBERED_ERROR_BYTES};
use super::moment::Moment;
use super::open_call::{Ending, OpenCall, at};
use super::span::{
    AbortReason, RunTotals, SpanError, SpanEvent, SpanHead, SpanKind, SpanStatus, TraceOutput,
};
use crate::event::EventTime;
use crate::id::CallId;

/// Numbers above those of all calls with an id.
const FIRST_NUMBER_WITHOUT_ID: u64 = 1 << 32;

#[derive(Debug)]
pub(super) struct OpenRun {
    pub(super) agent: OpenCall,
    pub(super) conversation: Option<Arc<str>>,
    /// When it was last heard of, by the clock that does not step.
    pub(super) last_heard: Duration,
    started: EventTime,
    calls: BTreeMap<u64, OpenCall>,
    ended: Ended,
    without_id: u64,
    totals: RunTotals,
    /// The last call that failed, and what it said.
    failure: Option<(Arc<SpanHead>, String)>,
}

/// A call that begins, or a run.
pub(super) struct Opening {
    kind: SpanKind,
    name: Option<Arc<str>>,
}

impl OpenRun {
    pub(super) fn new(moment: &Moment, context: &TraceContext, name: Option<Arc<str>>) -> Self {
        let (unnamed, name) = Opening { kind: SpanKind::Agent, name }.label();
        let head = SpanHead {
            run: moment.run,
            trace_id: context.trace_id(moment.run),
            span_id: SpanId::of_run(moment.run),
            kind: SpanKind::Agent,
            name,
            call: None,
            start: moment.time.wall,
            parent: None,
            remote_parent: context.remote_parent(),
            offset: Duration::ZERO,
            depth: 0,
            unnamed,
        };
        Self {
            agent: OpenCall::new(Arc::new(head)),
            conversation: None,
            last_heard: moment.time.monotonic,
            started: moment.time,
            calls: BTreeMap::new(),
            ended: Ended::new(),
            without_id: FIRST_NUMBER_WITHOUT_ID,
            totals: RunTotals::default(),
            failure: None,
        }
    }

    pub(super) fn heard(&mut self, time: EventTime) {
        self.last_heard = self.last_heard.max(time.monotonic);
    }

    /// Begins a call. `None` if it had begun before.
    pub(super) fn start_call(
        &mut self,
        desk: &mut Desk,
        moment: &Moment,
        opening: Opening,
    ) -> Option<&mut OpenCall> {
        let number = match moment.call {
            Some(call) => u64::from(call.get()),
            None => self.next_number(),
        };
        if self.calls.contains_key(&number) || self.ended.contains(number) {
            desk.counters.repeated_starts += 1;
            return None;
        }
        if self.calls.len() >= desk.limits.open_calls {
            self.evict(desk, moment.time);
        }
        let head = Arc::new(self.head_of(desk, number, moment, opening));
        Some(self.calls.entry(number).or_insert_with(|| OpenCall::new(head)))
    }

    /// Ends a call. One whose start was not seen begins and ends now.
    pub(super) fn end_call(
        &mut self,
        desk: &mut Desk,
        moment: &Moment,
        opening: Opening,
        ending: impl FnOnce(&mut Desk, &mut Charge) -> Ending,
    ) {
        let name = opening.name.as_deref().filter(|_| opening.kind == SpanKind::Tool);
        let found = self.number_of(moment, opening.kind, name);
        let number = found.unwrap_or(self.without_id);
        if let Some(open) = self.calls.get(&number) {
            desk.counters.odd_ends += u64::from(open.head.kind != opening.kind);
        } else if self.ended.contains(number) {
            desk.counters.odd_ends += 1;
            return;
        } else {
            desk.counters.missing_starts += 1;
            let Some(call) = self.start_call(desk, moment, opening) else { return };
            call.start_missing = true;
        }
        let Some(mut call) = self.calls.remove(&number) else { return };
        let ending = ending(desk, &mut call.charge);
        self.finish_call(desk, number, call, self.offset(moment.time), ending);
    }

    /// The open call of a model that a token belongs to; begun now if there is none. `None` if it has ended.
    pub(super) fn streaming_call(&mut self, desk: &mut Desk, moment: &Moment) -> Option<&mut OpenCall> {
        let found = self.number_of(moment, SpanKind::Llm, None);
        if let Some(number) = found {
            if self.calls.contains_key(&number) {
                return self.calls.get_mut(&number);
            }
            if self.ended.contains(number) {
                desk.counters.late += 1;
                return None;
            }
            desk.counters.missing_starts += 1;
        }
        let call = self.start_call(desk, moment, Opening::unnamed(SpanKind::Llm))?;
        call.start_missing = found.is_some();
        call.from_tokens = found.is_none();
        Some(call)
    }

    /// Adds a point in time to the call that it belongs to, else to the run.
    pub(super) fn event(
        &mut self,
        desk: &mut Desk,
        moment: &Moment,
        event: impl FnOnce(&mut Desk, &mut Charge) -> SpanEvent,
    ) {
        let number = moment.call.map(|call| u64::from(call.get()));
        let call = number.and_then(|number| self.calls.get_mut(&number)).unwrap_or(&mut self.agent);
        call.event(desk, event);
    }

    /// The wall time of an event of this run.
    pub(super) fn wall(&self, time: EventTime) -> std::time::SystemTime {
        at(self.started.wall, self.offset(time))
    }

    /// Since the start of the run.
    pub(super) fn offset(&self, time: EventTime) -> Duration {
        time.monotonic.saturating_sub(self.started.monotonic)
    }

    /// Ends the run: what is still open is closed first, the deepest before what is above.
    pub(super) fn close(
        mut self,
        desk: &mut Desk,
        time: EventTime,
        reason: AbortReason,
        ending: Ending,
        suspended: bool,
    ) {
        let end = self.offset(time);
        let mut open: Vec<_> = std::mem::take(&mut self.calls).into_iter().collect();
        open.sort_by_key(|(number, call)| (std::cmp::Reverse(call.head.depth), *number));
        for (number, call) in open {
            self.abort_call(desk, number, call, end, reason);
        }
        let (mut span, charge) =
            self.agent.finish(self.started.wall, end, ending, self.conversation.as_ref());
        span.totals = Some(self.totals);
        span.suspended = suspended;
        desk.finish(span, &charge);
    }

    /// The call whose error is repeated by an error of the run.
    pub(super) fn origin_of(&self, message: &str) -> Option<Arc<SpanHead>> {
        let (head, said) = self.failure.as_ref()?;
        (said.len() >= 4 && message.contains(said.as_str())).then(|| Arc::clone(head))
    }

    fn abort_call(
        &mut self,
        desk: &mut Desk,
        number: u64,
        call: OpenCall,
        end: Duration,
        reason: AbortReason,
    ) {
        // Nothing but tokens was ever said of it: it is over with its last one, and that it has no end is no fault.
        let (status, end) = match (call.from_tokens, call.last_token(), reason) {
            (true, Some(last), AbortReason::RunEnded) => (SpanStatus::Ok, last),
            (true, Some(last), _) => (SpanStatus::Aborted(reason), last),
            _ => (SpanStatus::Aborted(reason), end),
        };
        self.finish_call(desk, number, call, end, Ending::new(status, None));
    }

    fn finish_call(&mut self, desk: &mut Desk, number: u64, call: OpenCall, end: Duration, ending: Ending) {
        self.ended.insert(number, Arc::clone(&call.head));
        let (span, charge) = call.finish(self.started.wall, end, ending, self.conversation.as_ref());
        self.totals.count(&span);
        if self.agent.provider.is_none() {
            self.agent.provider.clone_from(&span.provider);
        }
        if let SpanStatus::Error(SpanError { message, .. }) = &span.status {
            let said = start_of(message, REMEMBERED_ERROR_BYTES);
            self.failure = Some((Arc::clone(&span.head), said.to_owned()));
        }
        desk.finish(span, &charge);
    }

    fn evict(&mut self, desk: &mut Desk, now: EventTime) {
        let oldest = self.calls.iter().min_by_key(|(number, call)| (call.head.offset, **number));
        let Some(number) = oldest.map(|(number, _)| *number) else { return };
        if let Some(call) = self.calls.remove(&number) {
            self.abort_call(desk, number, call, self.offset(now), AbortReason::Evicted);
        }
    }

    fn head_of(&self, desk: &mut Desk, number: u64, moment: &Moment, opening: Opening) -> SpanHead {
        let parent = self.parent_of(desk, moment.call, moment.parent);
        let root = &self.agent.head;
        let offset = self.offset(moment.time).max(parent.offset);
        let kind = opening.kind;
        let (unnamed, name) = opening.label();
        SpanHead {
            run: root.run,
            trace_id: root.trace_id,
            span_id: SpanId::derive(root.run, number),
            kind,
            name,
            call: moment.call,
            start: at(self.started.wall, offset),
            remote_parent: None,
            offset,
            depth: parent.depth + 1,
            unnamed,
            parent: Some(parent),
        }
    }

    fn parent_of(&self, desk: &mut Desk, call: Option<CallId>, parent: Option<CallId>) -> Arc<SpanHead> {
        let Some(id) = parent else { return Arc::clone(&self.agent.head) };
        let number = u64::from(id.get());
        let open = self.calls.get(&number).map(|call| &call.head).filter(|_| call != parent);
        let Some(head) = open.or_else(|| self.ended.head(number)) else {
            desk.counters.unknown_parents += 1;
            return Arc::clone(&self.agent.head);
        };
        match &head.parent {
            Some(above) if head.depth >= MAX_DEPTH => Arc::clone(above),
            _ => Arc::clone(head),
        }
    }

    /// The number of the call that an end belongs to. `None` for a call without an id whose start was not seen.
    fn number_of(&self, moment: &Moment, kind: SpanKind, name: Option<&str>) -> Option<u64> {
        let with_id = moment.call.map(|call| u64::from(call.get()));
        with_id.or_else(|| self.last_without_id(kind, name))
    }

    /// The call of this kind that was begun last of those without an id.
    fn last_without_id(&self, kind: SpanKind, name: Option<&str>) -> Option<u64> {
        let mut calls = self.calls.range(FIRST_NUMBER_WITHOUT_ID..).rev();
        let matches =
            |call: &OpenCall| call.head.kind == kind && name.is_none_or(|name| name == &*call.head.name);
        calls.find(|(_, call)| matches(call)).map(|(number, _)| *number)
    }

    fn next_number(&mut self) -> u64 {
        let number = self.without_id;
        self.without_id += 1;
        number
    }
}

impl Opening {
    pub(super) fn named(kind: SpanKind, name: Arc<str>) -> Self {
        Self { kind, name: Some(name) }
    }

    pub(super) fn unnamed(kind: SpanKind) -> Self {
        Self { kind, name: None }
    }

    /// Whether it has no name, and what stands in its place.
    fn label(self) -> (bool, Arc<str>) {
        (self.name.is_none(), self.name.unwrap_or_else(|| self.kind.name().into()))
    }
}

/// Reports a start if starts are asked for.
pub(super) fn report_start(desk: &mut Desk, call: &OpenCall, conversation: Option<&Arc<str>>) {
    if desk.report_starts {
        desk.ready.push_back(TraceOutput::Started(Box::new(call.started(conversation))));
    }
}
