//! Turns the events of runs into finished spans.
//!
//! Rule: no clock and no randomness: the same events give the same spans. An event that cannot be placed is counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::value::RawValue;

use super::besides::{Besides, span_error};
use super::context::TraceContext;
use super::counters::TraceCounters;
use super::desk::{Desk, name};
use super::finish_reason::finish_reasons;
use super::limits::{REMEMBERED_RUNS, TraceLimits};
use super::moment::Moment;
use super::open_call::Ending;
use super::open_run::{OpenRun, Opening, report_start};
use super::reading;
use super::recent::Recent;
use super::settings::TelemetrySettings;
use super::span::{AbortReason, SpanEvent, SpanKind, SpanStatus, TraceOutput};
use super::usage::with_parts_counted_in;
use crate::event::{Event, EventKind, EventTime, LlmEnd, LlmStart};
use crate::id::RunId;
use crate::stream_event::StreamEvent;

/// Protocol events that say what spans say already, or that are too many to keep.
const NOT_KEPT: [&str; 7] = ["status", "thinking", "delta", "final", "error", "tool_usage", "state_update"];

/// Turns events into spans. Exporters have one in their [`SpanFeed`](super::SpanFeed) and need not see it.
///
/// ```
/// use charm_telemetry_core::trace::{Moment, TelemetrySettings, TraceAssembler, TraceLimits, TraceOutput};
/// use charm_telemetry_core::{EventTime, RawValue, RunId};
/// use std::time::{Duration, SystemTime};
///
/// let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
/// let run = RunId::new();
/// let at = |seconds| Moment {
///     run,
///     call: None,
///     parent: None,
///     time: EventTime { wall: SystemTime::now(), monotonic: Duration::from_secs(seconds) },
/// };
/// trace.run_start(at(0), RawValue::NULL);
/// trace.run_end(at(3), RawValue::NULL);
/// let Some(TraceOutput::Finished(span)) = trace.next_output() else { panic!("the run has ended") };
/// assert_eq!(span.duration, Duration::from_secs(3));
/// ```
#[derive(Debug)]
pub struct TraceAssembler {
    agent_name: Option<Arc<str>>,
    context: TraceContext,
    runs: HashMap<RunId, OpenRun>,
    ended: Recent<RunId, ()>,
    desk: Desk,
    first: EventTime,
    last: EventTime,
    seen: bool,
    /// What the next event says besides its texts.
    besides: Besides,
}

impl TraceAssembler {
    /// An assembler without runs.
    pub fn new(settings: &TelemetrySettings, limits: TraceLimits) -> Self {
        Self {
            agent_name: settings.agent_name.as_deref().map(name),
            context: settings.context.clone(),
            runs: HashMap::new(),
            ended: Recent::new(REMEMBERED_RUNS),
            desk: Desk::new(limits),
            first: EventTime { wall: UNIX_EPOCH, monotonic: Duration::ZERO },
            last: EventTime { wall: UNIX_EPOCH, monotonic: Duration::ZERO },
            seen: false,
            besides: Besides::default(),
        }
    }

    /// Whether starts are reported too.
    #[must_use]
    pub fn report_starts(mut self, report: bool) -> Self {
        self.desk.report_starts = report;
        self
    }

    /// The next span, in the order in which they began or ended.
    pub fn next_output(&mut self) -> Option<TraceOutput> {
        self.desk.ready.pop_front()
    }

    /// Whether there is a next span.
    pub fn has_output(&self) -> bool {
        !self.desk.ready.is_empty()
    }

    /// What was odd so far.
    pub fn counters(&self) -> TraceCounters {
        self.desk.counters
    }

    /// Runs that are open.
    pub fn open_runs(&self) -> usize {
        self.runs.len()
    }

    /// Bytes of content that open spans hold.
    pub fn held_bytes(&self) -> usize {
        self.desk.held_bytes()
    }

    /// Any event.
    pub fn event(&mut self, event: &Event) {
        let moment = Moment::from(event);
        self.hear(&event.kind);
        match &event.kind {
            EventKind::RunStart { inputs } => self.run_start(moment, inputs),
            EventKind::RunEnd { outputs } => self.run_end(moment, outputs),
            EventKind::Error { error } => self.error(moment, error),
            EventKind::ToolStart { tool_name, input } => self.tool_start(moment, tool_name, input),
            EventKind::ToolEnd { tool_name, output } => self.tool_end(moment, tool_name, output),
            EventKind::ToolError { tool_name, error } => self.tool_error(moment, tool_name, error),
            EventKind::LlmStart(start) => self.llm_start(moment, start),
            EventKind::LlmNewToken { token } => self.llm_new_token(moment, token),
            EventKind::LlmEnd(end) => self.llm_end(moment, end),
            EventKind::LlmError { error } => self.llm_error(moment, error),
            EventKind::RetrieverStart { name, query } => self.retriever_start(moment, name, query),
            EventKind::RetrieverEnd { documents } => self.retriever_end(moment, documents),
            EventKind::RetrieverError { error } => self.retriever_error(moment, error),
            EventKind::AgentAction { tool, tool_input } => self.agent_action(moment, tool, tool_input),
            EventKind::Stream(event) => self.stream_event(moment, event),
        }
    }

    /// Notes what the event has besides its texts, for the method that is called with those.
    pub(crate) fn hear(&mut self, kind: &EventKind) -> &mut Self {
        self.besides = Besides::of(kind);
        self
    }

    /// A run began.
    pub fn run_start(&mut self, moment: Moment, inputs: &RawValue) {
        self.close_idle(moment.time);
        if self.runs.get(&moment.run).is_some_and(|run| !run.agent.start_missing) {
            self.desk.counters.repeated_starts += 1;
            return;
        }
        let Some((run, desk)) = self.run(&moment) else { return };
        run.agent.start_missing = false;
        run.conversation = reading::conversation(inputs);
        run.agent.input = desk.json(inputs, &mut run.agent.charge);
        report_start(desk, &run.agent, run.conversation.as_ref());
    }

    /// A run succeeded or was suspended.
    pub fn run_end(&mut self, moment: Moment, outputs: &RawValue) {
        let (output, suspended) = reading::result(outputs);
        self.end_run(moment, suspended, |desk, run| {
            Ending::new(SpanStatus::Ok, desk.json(output, &mut run.agent.charge))
        });
    }

    /// A run failed.
    pub fn error(&mut self, moment: Moment, error: &str) {
        let detail = self.besides.error.take();
        self.end_run(moment, false, |_, run| {
            let mut failure = span_error(error, detail);
            failure.origin = run.origin_of(&failure.message);
            Ending::new(SpanStatus::Error(failure), None)
        });
    }

    /// A tool was called.
    pub fn tool_start(&mut self, moment: Moment, tool_name: &str, input: &str) {
        self.text_call(moment, SpanKind::Tool, tool_name, input);
    }

    /// A tool answered.
    pub fn tool_end(&mut self, moment: Moment, tool_name: &str, output: &str) {
        let Some((run, desk)) = self.run(&moment) else { return };
        run.end_call(desk, &moment, Opening::named(SpanKind::Tool, name(tool_name)), |desk, charge| {
            Ending::new(SpanStatus::Ok, desk.text(output, charge))
        });
    }

    /// A tool failed.
    pub fn tool_error(&mut self, moment: Moment, tool_name: &str, error: &str) {
        self.fail(moment, Opening::named(SpanKind::Tool, name(tool_name)), error);
    }

    /// A model was called.
    pub fn llm_start(&mut self, moment: Moment, start: &LlmStart) {
        let Some((run, desk)) = self.run(&moment) else { return };
        let model = start.model.as_deref().map(name);
        let opening = match &model {
            Some(model) => Opening::named(SpanKind::Llm, Arc::clone(model)),
            None => Opening::unnamed(SpanKind::Llm),
        };
        let conversation = run.conversation.clone();
        let Some(call) = run.start_call(desk, &moment, opening) else { return };
        call.model = model;
        call.provider = start.provider.as_deref().map(name);
        call.parameters = start.parameters;
        call.input = start.input.as_deref().and_then(|input| desk.json(input, &mut call.charge));
        report_start(desk, call, conversation.as_ref());
    }

    /// A model produced a token.
    pub fn llm_new_token(&mut self, moment: Moment, token: &str) {
        let Some((run, desk)) = self.run(&moment) else { return };
        let offset = run.offset(moment.time);
        if let Some(call) = run.streaming_call(desk, &moment) {
            call.token(desk, offset, token);
        }
    }

    /// A model's answer is complete.
    pub fn llm_end(&mut self, moment: Moment, end: &LlmEnd) {
        let Some((run, desk)) = self.run(&moment) else { return };
        run.end_call(desk, &moment, Opening::unnamed(SpanKind::Llm), |desk, charge| Ending {
            status: SpanStatus::Ok,
            output: end.output.as_deref().and_then(|output| desk.json(output, charge)),
            response_model: end.model.as_deref().map(name),
            usage: end.usage.map(with_parts_counted_in),
            // Of the whole answer, before any of it is cut or withheld.
            finish_reasons: end.output.as_deref().map(finish_reasons).unwrap_or_default(),
        });
    }

    /// A call of a model failed.
    pub fn llm_error(&mut self, moment: Moment, error: &str) {
        self.fail(moment, Opening::unnamed(SpanKind::Llm), error);
    }

    /// Documents are searched for.
    pub fn retriever_start(&mut self, moment: Moment, name: &str, query: &str) {
        self.text_call(moment, SpanKind::Retrieval, name, query);
    }

    /// Documents were found.
    pub fn retriever_end(&mut self, moment: Moment, documents: &RawValue) {
        let Some((run, desk)) = self.run(&moment) else { return };
        run.end_call(desk, &moment, Opening::unnamed(SpanKind::Retrieval), |desk, charge| {
            Ending::new(SpanStatus::Ok, desk.json(documents, charge))
        });
    }

    /// A search failed.
    pub fn retriever_error(&mut self, moment: Moment, error: &str) {
        self.fail(moment, Opening::unnamed(SpanKind::Retrieval), error);
    }

    /// The agent decided to use a tool.
    pub fn agent_action(&mut self, moment: Moment, tool: &str, tool_input: &str) {
        let Some((run, desk)) = self.run(&moment) else { return };
        let time = run.wall(moment.time);
        run.event(desk, &moment, |desk, charge| SpanEvent {
            name: "agent_action".into(),
            time,
            content: reading::action(tool, tool_input).and_then(|json| desk.json(&json, charge)),
        });
    }

    /// Something else went to the end user. Only kinds that spans do not show otherwise are kept.
    pub fn stream_event(&mut self, moment: Moment, event: &StreamEvent) {
        self.saw(moment.time);
        let Some(run) = self.runs.get_mut(&moment.run) else { return };
        run.heard(moment.time);
        if NOT_KEPT.contains(&event.kind()) {
            return;
        }
        let time = run.wall(moment.time);
        run.event(&mut self.desk, &moment, |desk, charge| SpanEvent {
            name: name(event.kind()),
            time,
            content: desk.json_text(event.json(), charge),
        });
    }

    /// Closes what is open, as aborted: the process ends.
    pub fn close_all(&mut self, now: EventTime) {
        self.close_where(now, AbortReason::Shutdown, |_| true);
    }

    /// Closes the runs that were silent for longer than the limit. Done by itself whenever a run starts.
    pub fn close_idle(&mut self, now: EventTime) {
        let idle = self.desk.limits.idle;
        self.close_where(now, AbortReason::Expired, |run| {
            now.monotonic.saturating_sub(run.last_heard) > idle
        });
    }

    /// The time that is this long after the first event, but not before the last: the present, for
    /// [`close_all`](Self::close_all), by a clock that was started with the first event.
    pub fn time_after(&self, since_first: Duration) -> EventTime {
        let monotonic = self.first.monotonic.saturating_add(since_first).max(self.last.monotonic);
        let since_last = monotonic.saturating_sub(self.last.monotonic);
        EventTime { wall: self.last.wall.checked_add(since_last).unwrap_or(self.last.wall), monotonic }
    }

    fn text_call(&mut self, moment: Moment, kind: SpanKind, label: &str, input: &str) {
        let arguments = self.besides.arguments.take();
        let Some((run, desk)) = self.run(&moment) else { return };
        let conversation = run.conversation.clone();
        let Some(call) = run.start_call(desk, &moment, Opening::named(kind, name(label))) else { return };
        call.input = match arguments {
            Some(arguments) => desk.json(&arguments, &mut call.charge),
            None => desk.text(input, &mut call.charge),
        };
        report_start(desk, call, conversation.as_ref());
    }

    fn fail(&mut self, moment: Moment, opening: Opening, error: &str) {
        let detail = self.besides.error.take();
        let Some((run, desk)) = self.run(&moment) else { return };
        let failure = span_error(error, detail);
        run.end_call(desk, &moment, opening, |_, _| Ending::new(SpanStatus::Error(failure), None));
    }

    fn end_run(
        &mut self,
        moment: Moment,
        suspended: bool,
        ending: impl FnOnce(&mut Desk, &mut OpenRun) -> Ending,
    ) {
        if self.run(&moment).is_none() {
            return;
        }
        let Some(mut run) = self.runs.remove(&moment.run) else { return };
        self.ended.insert(moment.run, ());
        let ending = ending(&mut self.desk, &mut run);
        run.close(&mut self.desk, moment.time, AbortReason::RunEnded, ending, suspended);
    }

    /// The run of an event: begun now if nothing was seen of it, `None` if it has ended.
    fn run(&mut self, moment: &Moment) -> Option<(&mut OpenRun, &mut Desk)> {
        self.saw(moment.time);
        if !self.runs.contains_key(&moment.run) {
            self.open_run(moment)?;
        }
        let run = self.runs.get_mut(&moment.run)?;
        run.heard(moment.time);
        Some((run, &mut self.desk))
    }

    fn saw(&mut self, time: EventTime) {
        if !self.seen {
            (self.first, self.last, self.seen) = (time, time, true);
        } else if time.monotonic >= self.last.monotonic {
            self.last = time;
        }
    }

    #[cold]
    fn open_run(&mut self, moment: &Moment) -> Option<()> {
        if self.ended.contains(&moment.run) {
            self.desk.counters.after_run += 1;
            return None;
        }
        if self.runs.len() >= self.desk.limits.open_runs {
            self.evict_run(moment.time);
        }
        let mut run = OpenRun::new(moment, &self.context, self.agent_name.clone());
        run.agent.start_missing = true;
        self.runs.insert(moment.run, run);
        Some(())
    }

    fn evict_run(&mut self, now: EventTime) {
        let oldest = self.runs.iter().min_by_key(|(id, run)| (run.last_heard, **id)).map(|(id, _)| *id);
        self.close_where(now, AbortReason::Evicted, |run| Some(run.agent.head.run) == oldest);
    }

    fn close_where(&mut self, now: EventTime, reason: AbortReason, which: impl Fn(&OpenRun) -> bool) {
        let mut closing: Vec<RunId> =
            self.runs.iter().filter(|(_, run)| which(run)).map(|(id, _)| *id).collect();
        closing.sort_unstable();
        for id in closing {
            let Some(run) = self.runs.remove(&id) else { continue };
            self.ended.insert(id, ());
            let ending = Ending::new(SpanStatus::Aborted(reason), None);
            run.close(&mut self.desk, now, reason, ending, false);
        }
    }
}
