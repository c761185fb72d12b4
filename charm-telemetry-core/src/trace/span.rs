//! What a span is: what is known when it starts, and all of it when it has ended.
//!
//! Rule: a finished span is complete in itself. A vendor maps it and asks nobody else.
//!
//! Long because each of its types has an example, and the parts of a span are best read together.

use std::iter;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::content::Content;
use super::ids::{SpanId, TraceId};
use super::traceparent::TraceParent;
use crate::event::TokenUsage;
use crate::id::{CallId, RunId};
use crate::model_parameters::ModelParameters;

/// What a span is about.
///
/// ```
/// use charm_telemetry_core::trace::SpanKind;
///
/// let operation = |kind| match kind {
///     SpanKind::Llm => "chat".to_owned(),
///     other => format!("run {}", other.name()),
/// };
/// assert_eq!(operation(SpanKind::Tool), "run tool");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// A run of the agent: the root of its spans.
    Agent,
    /// A call of a model.
    Llm,
    /// A call of a tool.
    Tool,
    /// A search for documents.
    Retrieval,
}

/// What is known of a span from its start on: who it is and where it stands.
///
/// ```
/// # use charm_telemetry_core::{EventTime, RawValue, RunId, trace::*};
/// # use std::time::{Duration, SystemTime};
/// # let (run, wall) = (RunId::new(), SystemTime::now());
/// # let at = |s| Moment { run, call: None, parent: None, time: EventTime { wall, monotonic: Duration::from_secs(s) } };
/// # let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
/// # trace.run_start(at(0), RawValue::NULL);
/// # trace.tool_start(at(1), "search", "Oslo");
/// # trace.tool_end(at(3), "search", "found");
/// # let Some(TraceOutput::Finished(span)) = trace.next_output() else { panic!("it has ended") };
/// // A tool was called in a run.
/// assert_eq!((span.head.kind, &*span.head.name), (SpanKind::Tool, "search"));
/// assert_eq!(span.head.parent_span_id(), Some(SpanId::of_run(run)));
/// assert_eq!(span.head.root().kind, SpanKind::Agent);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct SpanHead {
    /// The run that it belongs to.
    pub run: RunId,
    /// The trace: the run's own, or the one that `TRACEPARENT` names.
    pub trace_id: TraceId,
    /// Its id in the trace.
    pub span_id: SpanId,
    /// What it is about.
    pub kind: SpanKind,
    /// The agent, the model, the tool or the retriever; the kind's name where there is none (see
    /// [`given_name`](Self::given_name)).
    pub name: Arc<str>,
    /// The call, if it is one with an id.
    pub call: Option<CallId>,
    /// When it began. Never before its parent.
    pub start: SystemTime,
    /// The span in which it began. `None` for an agent span alone.
    pub parent: Option<Arc<SpanHead>>,
    /// The span of another process in which the run began. Only on agent spans.
    pub remote_parent: Option<TraceParent>,
    /// Its start, since the start of the run.
    pub(super) offset: Duration,
    /// How many spans are above it.
    pub(super) depth: u16,
    /// Nobody gave it a name.
    pub(super) unnamed: bool,
}

/// A span that has begun: for vendors that show runs while they last.
///
/// ```
/// # use charm_telemetry_core::{EventTime, RawValue, RunId, trace::*};
/// # use std::time::{Duration, SystemTime};
/// # let (run, wall) = (RunId::new(), SystemTime::now());
/// # let at = |s| Moment { run, call: None, parent: None, time: EventTime { wall, monotonic: Duration::from_secs(s) } };
/// # let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
/// // `trace` is a `TraceAssembler`, `at` makes the `Moment` of a second.
/// let mut trace = trace.report_starts(true);
/// trace.tool_start(at(1), "search", "Oslo");
/// let Some(TraceOutput::Started(span)) = trace.next_output() else { panic!("it has begun") };
/// assert_eq!(&*span.head.name, "search");
/// assert_eq!(span.input.as_ref().map(Content::text).as_deref(), Some("Oslo"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StartedSpan {
    /// Who it is and where it stands.
    pub head: Arc<SpanHead>,
    /// What it was called with.
    pub input: Option<Content>,
    /// The model that was asked for.
    pub model: Option<Arc<str>>,
    /// Who serves the model.
    pub provider: Option<Arc<str>>,
    /// What is asked of the model besides the prompt.
    pub parameters: ModelParameters,
    /// The conversation that the run belongs to, if its inputs name one.
    pub conversation: Option<Arc<str>>,
}

/// A span that has ended.
///
/// ```
/// # use charm_telemetry_core::{EventTime, RawValue, RunId, trace::*};
/// # use std::time::{Duration, SystemTime};
/// # let (run, wall) = (RunId::new(), SystemTime::now());
/// # let at = |s| Moment { run, call: None, parent: None, time: EventTime { wall, monotonic: Duration::from_secs(s) } };
/// # let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
/// // `trace` is a `TraceAssembler`, `at` makes the `Moment` of a second.
/// trace.tool_start(at(1), "search", "Oslo");
/// trace.tool_end(at(3), "search", "two museums");
/// let Some(TraceOutput::Finished(span)) = trace.next_output() else { panic!("it has ended") };
/// let line = format!("{} {} took {:?}", span.head.kind.name(), span.head.name, span.duration);
/// assert_eq!(line, "tool search took 2s");
/// assert_eq!(span.output.as_ref().map(Content::text).as_deref(), Some("two museums"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FinishedSpan {
    /// Who it is and where it stands.
    pub head: Arc<SpanHead>,
    /// When it ended: its start and its duration. Never before its start.
    pub end: SystemTime,
    /// How long it took, by a clock that does not step.
    pub duration: Duration,
    /// How it ended.
    pub status: SpanStatus,
    /// What it was called with: the inputs of a run, the messages for a model, the input of a tool, the query.
    pub input: Option<Content>,
    /// What came of it. For a model that streamed and gave no whole answer: the streamed text.
    pub output: Option<Content>,
    /// The model that was asked for.
    pub model: Option<Arc<str>>,
    /// The model that answered, if the provider told another name.
    pub response_model: Option<Arc<str>>,
    /// Who serves the model. On agent spans: that of the first call to end whose provider is known.
    pub provider: Option<Arc<str>>,
    /// What was asked of the model besides the prompt.
    pub parameters: ModelParameters,
    /// What a call of a model consumed; the tokens of the cache are counted in the input, those of reasoning in the
    /// output, whatever the provider does. Not on agent spans: see [`totals`](Self::totals).
    pub usage: Option<TokenUsage>,
    /// Why the model ended its answers, in the provider's words (`stop`, `tool_calls`, `end_turn`): one for each answer that
    /// says it. Words that providers say are no content, and are there without it.
    pub finish_reasons: Vec<Arc<str>>,
    /// The stream of tokens, if there was one.
    pub streaming: Option<Streaming>,
    /// Points in time within the span: actions of the agent, artifacts, suspensions, protocol events of unknown kinds.
    pub events: Vec<SpanEvent>,
    /// Events that did not fit into [`events`](Self::events).
    pub events_dropped: u32,
    /// The conversation that the run belongs to, if its inputs name one (`thread_id` or `__charm_thread_id__`).
    pub conversation: Option<Arc<str>>,
    /// On agent spans: the sums of the calls.
    pub totals: Option<RunTotals>,
    /// On agent spans: the run has not failed, it waits for a person.
    pub suspended: bool,
    /// The start was not seen (the exporter was built anew, or an event was lost): the span begins with the first
    /// event that was.
    pub start_missing: bool,
    /// Content was there and was taken off, because it must not leave.
    pub content_withheld: bool,
}

/// How a span ended.
///
/// ```
/// use charm_telemetry_core::trace::{AbortReason, SpanStatus};
///
/// let text = |status: &SpanStatus| match status {
///     SpanStatus::Ok => "ok".to_owned(),
///     SpanStatus::Error(error) => error.message.clone(),
///     SpanStatus::Aborted(reason) => reason.describe().to_owned(),
/// };
/// assert_eq!(text(&SpanStatus::Aborted(AbortReason::RunEnded)), "the run ended before the call did");
/// ```
#[derive(Clone, Debug)]
pub enum SpanStatus {
    /// As it should.
    Ok,
    /// With an error.
    Error(SpanError),
    /// Nobody said that it ended.
    Aborted(AbortReason),
}

/// What went wrong.
///
/// ```
/// # use charm_telemetry_core::{EventTime, RawValue, RunId, trace::*};
/// # use std::time::{Duration, SystemTime};
/// # let (run, wall) = (RunId::new(), SystemTime::now());
/// # let at = |s| Moment { run, call: None, parent: None, time: EventTime { wall, monotonic: Duration::from_secs(s) } };
/// # let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
/// # trace.tool_start(at(1), "search", "Osol");
/// // `trace` is a `TraceAssembler`, `at` makes the `Moment` of a second.
/// trace.tool_error(at(2), "search", "ValueError: no such city");
/// # let Some(TraceOutput::Finished(span)) = trace.next_output() else { panic!("it has ended") };
/// let error = span.error().expect("the call failed");
/// assert_eq!(error.error_type.as_deref(), Some("ValueError"));
/// assert_eq!(error.message, "ValueError: no such city");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SpanError {
    /// The class of the error: as the agent's side told it, else if the text does: `ValueError` of `ValueError: no such city`.
    pub error_type: Option<String>,
    /// The whole text.
    pub message: String,
    /// Where it happened, if the agent's side told that beside the text. It may quote what it happened with.
    pub traceback: Option<String>,
    /// On agent spans: the call whose error failed the run, so that one failure need not be told twice.
    pub origin: Option<Arc<SpanHead>>,
}

/// Why a span was closed although nobody said that it ended.
///
/// ```
/// # use charm_telemetry_core::{EventTime, RawValue, RunId, trace::*};
/// # use std::time::{Duration, SystemTime};
/// # let (run, wall) = (RunId::new(), SystemTime::now());
/// # let at = |s| Moment { run, call: None, parent: None, time: EventTime { wall, monotonic: Duration::from_secs(s) } };
/// # let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
/// # trace.run_start(at(0), RawValue::NULL);
/// // `trace` is a `TraceAssembler`, `at` makes the `Moment` of a second.
/// trace.tool_start(at(1), "search", "Oslo");
/// trace.run_end(at(2), RawValue::NULL); // and nobody says what became of the call
/// # let Some(TraceOutput::Finished(span)) = trace.next_output() else { panic!("it has ended") };
/// assert!(matches!(span.status, SpanStatus::Aborted(AbortReason::RunEnded)));
/// assert_eq!(AbortReason::RunEnded.describe(), "the run ended before the call did");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbortReason {
    /// Its run ended.
    RunEnded,
    /// The process ended.
    Shutdown,
    /// Nothing was heard of the run for too long.
    Expired,
    /// Too many were open.
    Evicted,
}

/// The tokens of a call as they came.
///
/// ```
/// # use charm_telemetry_core::{EventTime, LlmEnd, LlmStart, RunId, trace::*};
/// # use std::time::{Duration, SystemTime};
/// # let (run, wall) = (RunId::new(), SystemTime::now());
/// # let at = |s| Moment { run, call: None, parent: None, time: EventTime { wall, monotonic: Duration::from_secs(s) } };
/// # let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
/// // `trace` is a `TraceAssembler`, `at` makes the `Moment` of a second.
/// trace.llm_start(at(0), &LlmStart::new("gpt-4o"));
/// (2..5).for_each(|second| trace.llm_new_token(at(second), "word "));
/// trace.llm_end(at(6), &LlmEnd::new());
/// # let Some(TraceOutput::Finished(span)) = trace.next_output() else { panic!("it has ended") };
/// let streaming = span.streaming.expect("there were tokens");
/// assert_eq!(streaming.time_to_first_token, Some(Duration::from_secs(2)));
/// assert_eq!(streaming.time_per_token(), Some(Duration::from_secs(1)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Streaming {
    /// How many there were. A provider may put several of its own tokens into one.
    pub tokens: u64,
    /// From the start of the call to the first. `None` if the start was not seen.
    pub time_to_first_token: Option<Duration>,
    /// When the first came.
    pub first_token: SystemTime,
    /// From the first to the last.
    pub span_of_tokens: Duration,
}

/// A point in time within a span.
///
/// ```
/// # use charm_telemetry_core::{EventTime, RawValue, RunId, trace::*};
/// # use std::time::{Duration, SystemTime};
/// # let (run, wall) = (RunId::new(), SystemTime::now());
/// # let at = |s| Moment { run, call: None, parent: None, time: EventTime { wall, monotonic: Duration::from_secs(s) } };
/// # let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
/// # trace.run_start(at(0), RawValue::NULL);
/// // `trace` is a `TraceAssembler`, `at` makes the `Moment` of a second.
/// trace.agent_action(at(1), "search", "Oslo");
/// trace.run_end(at(2), RawValue::NULL);
/// # let Some(TraceOutput::Finished(span)) = trace.next_output() else { panic!("it has ended") };
/// assert_eq!(&*span.events[0].name, "agent_action");
/// assert_eq!(span.events[0].time, wall + Duration::from_secs(1));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SpanEvent {
    /// `agent_action`, or the type of the protocol event.
    pub name: Arc<str>,
    /// When.
    pub time: SystemTime,
    /// The action (`{"tool": .., "tool_input": ..}`), or the whole protocol event.
    pub content: Option<Content>,
}

/// The sums of a run.
///
/// ```
/// # use charm_telemetry_core::{EventTime, RawValue, RunId, trace::*};
/// # use std::time::{Duration, SystemTime};
/// # let (run, wall) = (RunId::new(), SystemTime::now());
/// # let at = |s| Moment { run, call: None, parent: None, time: EventTime { wall, monotonic: Duration::from_secs(s) } };
/// # let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
/// # trace.run_start(at(0), RawValue::NULL);
/// // `trace` is a `TraceAssembler`, `at` makes the `Moment` of a second.
/// trace.tool_start(at(1), "search", "Osol");
/// trace.tool_error(at(2), "search", "no such city");
/// trace.run_end(at(3), RawValue::NULL);
/// # trace.next_output();
/// # let Some(TraceOutput::Finished(span)) = trace.next_output() else { panic!("it has ended") };
/// let totals = span.totals.expect("the span of a run has them");
/// assert_eq!((totals.tool_calls, totals.failed_calls, totals.llm_calls), (1, 1, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunTotals {
    /// Calls of models.
    pub llm_calls: u64,
    /// Calls of tools.
    pub tool_calls: u64,
    /// Searches for documents.
    pub retrievals: u64,
    /// Calls of any kind that ended with an error.
    pub failed_calls: u64,
    /// What all calls of models consumed.
    pub usage: TokenUsage,
}

/// What an assembler gives.
///
/// ```
/// # use charm_telemetry_core::{EventTime, RawValue, RunId, trace::*};
/// # use std::time::{Duration, SystemTime};
/// # let (run, wall) = (RunId::new(), SystemTime::now());
/// # let at = |s| Moment { run, call: None, parent: None, time: EventTime { wall, monotonic: Duration::from_secs(s) } };
/// # let mut trace = TraceAssembler::new(&TelemetrySettings::default(), TraceLimits::default());
/// # let mut trace = trace.report_starts(true);
/// # let mut lines = Vec::new();
/// # trace.run_start(at(0), RawValue::NULL);
/// # trace.run_end(at(3), RawValue::NULL);
/// while let Some(output) = trace.next_output() {
///     lines.push(match output {
///         TraceOutput::Started(span) => format!("{} began", span.head.name),
///         TraceOutput::Finished(span) => format!("{} took {:?}", span.head.name, span.duration),
///     });
/// }
/// assert_eq!(lines, ["agent began", "agent took 3s"]);
/// ```
#[derive(Clone, Debug)]
pub enum TraceOutput {
    /// A span has begun. Only if starts are asked for.
    Started(Box<StartedSpan>),
    /// A span has ended.
    Finished(Box<FinishedSpan>),
}

impl SpanKind {
    /// In one lower-case word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Llm => "llm",
            Self::Tool => "tool",
            Self::Retrieval => "retrieval",
        }
    }
}

impl SpanHead {
    /// The id of the span above it, in this process or in the remote one. `None` for the root of the trace.
    pub fn parent_span_id(&self) -> Option<SpanId> {
        let remote = || self.remote_parent.as_ref().map(TraceParent::span_id);
        self.parent.as_ref().map(|parent| parent.span_id).or_else(remote)
    }

    /// The name that somebody gave it. `None` where [`name`](Self::name) is but the word for its kind.
    pub fn given_name(&self) -> Option<&str> {
        (!self.unnamed && !self.name.is_empty()).then_some(&*self.name)
    }

    /// Whether it is the topmost span of its run.
    pub fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    /// The span of the run.
    pub fn root(&self) -> &Self {
        self.ancestors().last().unwrap_or(self)
    }

    /// The spans above it, from its parent to the run's.
    pub fn ancestors(&self) -> impl Iterator<Item = &Self> {
        iter::successors(self.parent.as_deref(), |head| head.parent.as_deref())
    }

    /// A UUID for vendors whose span ids are UUIDs: the run id for the run, else one of version 7 that begins with the
    /// start and derives from the run and the call.
    pub fn uuid(&self) -> Uuid {
        if self.is_root() {
            return Uuid::from_bytes(*self.run.as_bytes());
        }
        self.span_id.uuid(self.run, self.start)
    }
}

impl FinishedSpan {
    /// What went wrong, if something did.
    pub fn error(&self) -> Option<&SpanError> {
        match &self.status {
            SpanStatus::Error(error) => Some(error),
            SpanStatus::Ok | SpanStatus::Aborted(_) => None,
        }
    }

    /// The tokens of the answer: as the provider counts them, else as they were streamed.
    pub fn output_tokens(&self) -> Option<u64> {
        let counted = self.usage.and_then(|usage| usage.output_tokens);
        counted.or(self.streaming.map(|streaming| streaming.tokens))
    }

    /// Tokens of the answer over the whole duration.
    #[expect(clippy::cast_precision_loss, reason = "no answer has 2^52 tokens")]
    pub fn tokens_per_second(&self) -> Option<f64> {
        let seconds = self.duration.as_secs_f64();
        let tokens = self.output_tokens().filter(|&tokens| tokens > 0 && seconds > 0.0)?;
        Some(tokens as f64 / seconds)
    }

    /// About how many bytes of content it carries.
    pub fn content_bytes(&self) -> usize {
        let contents = [&self.input, &self.output].into_iter().chain(self.events.iter().map(|e| &e.content));
        contents.flatten().map(Content::len).sum()
    }
}

impl SpanStatus {
    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

impl AbortReason {
    /// In words, for a status text.
    pub fn describe(self) -> &'static str {
        match self {
            Self::RunEnded => "the run ended before the call did",
            Self::Shutdown => "the process ended before the call did",
            Self::Expired => "nothing was heard of the run for too long",
            Self::Evicted => "too many calls were open at once",
        }
    }
}

impl Streaming {
    /// The mean time between two tokens. `None` for fewer than two.
    pub fn time_per_token(&self) -> Option<Duration> {
        let gaps = u32::try_from(self.tokens.saturating_sub(1)).unwrap_or(u32::MAX);
        self.span_of_tokens.checked_div(gaps)
    }
}

impl RunTotals {
    pub(super) fn count(&mut self, span: &FinishedSpan) {
        match span.head.kind {
            SpanKind::Agent => return,
            SpanKind::Llm => self.llm_calls += 1,
            SpanKind::Tool => self.tool_calls += 1,
            SpanKind::Retrieval => self.retrievals += 1,
        }
        self.failed_calls += u64::from(span.status.is_error());
        if let Some(usage) = &span.usage {
            self.add_usage(usage);
        }
    }

    fn add_usage(&mut self, usage: &TokenUsage) {
        let sum = &mut self.usage;
        for (total, more) in [
            (&mut sum.input_tokens, usage.input_tokens),
            (&mut sum.output_tokens, usage.output_tokens),
            (&mut sum.total_tokens, usage.total_tokens),
            (&mut sum.cache_read_tokens, usage.cache_read_tokens),
            (&mut sum.cache_write_tokens, usage.cache_write_tokens),
            (&mut sum.reasoning_tokens, usage.reasoning_tokens),
        ] {
            if let Some(more) = more {
                *total = Some(total.unwrap_or(0).saturating_add(more));
            }
        }
    }
}
