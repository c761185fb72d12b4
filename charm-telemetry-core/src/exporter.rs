//! What an exporter is: a trait with one hook per thing that happens.
//!
//! Rule: an author implements only the hooks they need, and never sees threads, queues or retries.

use std::cell::Cell;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::environment::EnvironmentReader;
use crate::event::{Event, EventKind, EventTime, LlmEnd, LlmStart};
use crate::id::{CallId, RunId};
use crate::interest::Interest;
use crate::stream_event::StreamEvent;
use crate::trace::TelemetrySettings;

/// Why a hook failed: any error, by `?`.
///
/// ```
/// use charm_telemetry_core::HookError;
///
/// let own: HookError = "the vendor has said no".into();
/// assert_eq!(own.to_string(), "the vendor has said no");
/// let foreign: HookError = std::io::Error::other("the disk is full").into();
/// assert!(foreign.is::<std::io::Error>());
/// ```
pub type HookError = Box<dyn Error + Send + Sync>;

/// What a hook answers. An error drops this one event for this one exporter, is counted under `hook_error` and shown
/// to the operator; the next event comes as usual.
///
/// ```
/// use charm_telemetry_core::HookResult;
///
/// fn send(amount: &str) -> HookResult {
///     let _amount: u64 = amount.parse()?;
///     Ok(())
/// }
///
/// assert!(send("3").is_ok());
/// assert_eq!(send("three").unwrap_err().to_string(), "invalid digit found in string");
/// ```
pub type HookResult = Result<(), HookError>;

/// Sends what happens in a run somewhere.
///
/// # Contract
///
/// - Hooks run on the exporter's own thread, one at a time, in the order of the events. They may block: neither the
///   agent nor another exporter waits. The lane that calls them is bounded; what does not fit is counted.
/// - A hook that panics loses that event. The exporter is dropped and built anew, after a growing pause.
/// - A hook that is not implemented costs nothing: its default body tells the lane not to send that kind of event again.
///   An exporter that wraps others therefore hands each of them only the hooks that it really has.
/// - After [`shutdown`](Self::shutdown) no hook is called.
///
/// ```
/// use charm_telemetry_core::{HookContext, HookResult, TelemetryExporter};
///
/// #[derive(Default)]
/// struct Counter {
///     tools: u64,
/// }
///
/// impl TelemetryExporter for Counter {
///     fn on_tool_start(&mut self, _cx: &HookContext<'_>, _tool_name: &str, _input: &str) -> HookResult {
///         self.tools += 1;
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an exporter",
    label = "this type has no `impl TelemetryExporter`",
    note = "write `impl TelemetryExporter for {Self} {{ .. }}` with the hooks that you need; every hook has a default"
)]
#[expect(unused_variables, reason = "the names of the arguments are documentation")]
pub trait TelemetryExporter: Send + 'static {
    /// Looks at what the variables say together, and at those that are not fields. A problem that is recorded in `reader` keeps
    /// the exporter from being used, and is told with those of its fields. Called once, right after it was built from the
    /// environment. Starts nothing: a mere check builds exporters too.
    fn prepare(&mut self, reader: &mut EnvironmentReader<'_>) {}

    /// What the operator has set for all exporters. Called once, before the first event, and again on an exporter that is
    /// built anew after a panic.
    fn configure(&mut self, settings: &Arc<TelemetrySettings>) {}

    /// No event may ever come: start to send what earlier processes left in the spool. Called once after
    /// [`configure`](Self::configure) by `charm-runner spool send`, before [`shutdown`](Self::shutdown), and never in a run.
    /// An exporter that has no spool leaves it out.
    ///
    /// # Errors
    /// An error is shown to the operator; what was left stays.
    fn resume(&mut self) -> HookResult {
        Ok(())
    }

    /// A run began. `inputs` is a JSON object.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_run_start(&mut self, cx: &HookContext<'_>, inputs: &RawValue) -> HookResult {
        cx.not_interested()
    }

    /// A run succeeded or was suspended. `outputs` is the adapter's result object.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_run_end(&mut self, cx: &HookContext<'_>, outputs: &RawValue) -> HookResult {
        cx.not_interested()
    }

    /// A run failed.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_error(&mut self, cx: &HookContext<'_>, error: &str) -> HookResult {
        cx.not_interested()
    }

    /// A tool was called.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_tool_start(&mut self, cx: &HookContext<'_>, tool_name: &str, input: &str) -> HookResult {
        cx.not_interested()
    }

    /// A tool answered.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_tool_end(&mut self, cx: &HookContext<'_>, tool_name: &str, output: &str) -> HookResult {
        cx.not_interested()
    }

    /// A tool failed.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_tool_error(&mut self, cx: &HookContext<'_>, tool_name: &str, error: &str) -> HookResult {
        cx.not_interested()
    }

    /// A model was called.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_llm_start(&mut self, cx: &HookContext<'_>, start: &LlmStart) -> HookResult {
        cx.not_interested()
    }

    /// A model produced a token.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_llm_new_token(&mut self, cx: &HookContext<'_>, token: &str) -> HookResult {
        cx.not_interested()
    }

    /// A model's answer is complete.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_llm_end(&mut self, cx: &HookContext<'_>, end: &LlmEnd) -> HookResult {
        cx.not_interested()
    }

    /// A call of a model failed.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_llm_error(&mut self, cx: &HookContext<'_>, error: &str) -> HookResult {
        cx.not_interested()
    }

    /// Documents are searched for.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_retriever_start(&mut self, cx: &HookContext<'_>, name: &str, query: &str) -> HookResult {
        cx.not_interested()
    }

    /// Documents were found. `documents` is a JSON array.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_retriever_end(&mut self, cx: &HookContext<'_>, documents: &RawValue) -> HookResult {
        cx.not_interested()
    }

    /// A search for documents failed.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_retriever_error(&mut self, cx: &HookContext<'_>, error: &str) -> HookResult {
        cx.not_interested()
    }

    /// The agent decided to use a tool.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_agent_action(&mut self, cx: &HookContext<'_>, tool: &str, tool_input: &str) -> HookResult {
        cx.not_interested()
    }

    /// Something else went to the end user: status, thinking, the final result, artifacts, state, unknown kinds.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn on_stream_event(&mut self, cx: &HookContext<'_>, event: &StreamEvent) -> HookResult {
        cx.not_interested()
    }

    /// No more events will come. Send what is still held, within `deadline`.
    ///
    /// # Errors
    /// An error is shown to the operator; nothing is called after it.
    fn shutdown(&mut self, deadline: Duration) -> HookResult {
        Ok(())
    }
}

/// Whose event a hook is called for, and when it happened.
///
/// ```
/// # use charm_telemetry_core::{HookContext, HookResult, TelemetryExporter, testing::ExporterHarness};
/// # #[derive(Default)]
/// # struct Lines(Vec<String>);
/// impl TelemetryExporter for Lines {
///     fn on_tool_start(&mut self, cx: &HookContext<'_>, tool_name: &str, _input: &str) -> HookResult {
///         let depth = if cx.parent_call_id().is_some() { "inner" } else { "outer" };
///         self.0.push(format!("{}: {depth} {tool_name}", cx.sequence()));
///         Ok(())
///     }
/// }
/// # let mut harness = ExporterHarness::new(Lines::default());
/// # let outer = harness.new_call();
/// # let inner = harness.new_call_in(outer);
/// # harness.tool_start(outer, "search", "Oslo")?;
/// # harness.tool_start(inner, "fetch", "Oslo")?;
/// # assert_eq!(harness.exporter().0, ["0: outer search", "1: inner fetch"]);
/// # Ok::<(), charm_telemetry_core::HookError>(())
/// ```
#[derive(Debug)]
pub struct HookContext<'a> {
    event: &'a Event,
    interest: &'a Cell<Interest>,
}

impl<'a> HookContext<'a> {
    pub(crate) fn new(event: &'a Event, interest: &'a Cell<Interest>) -> Self {
        Self { event, interest }
    }

    /// The run.
    pub fn run_id(&self) -> RunId {
        self.event.run
    }

    /// The event's place in the run, from 0, dense.
    pub fn sequence(&self) -> u64 {
        self.event.sequence
    }

    /// The call that the event belongs to, if it belongs to one.
    pub fn call_id(&self) -> Option<CallId> {
        self.event.call
    }

    /// The call in which that call was made, if it was made in one.
    pub fn parent_call_id(&self) -> Option<CallId> {
        self.event.parent
    }

    /// When the event was emitted (not when the hook is called).
    pub fn time(&self) -> EventTime {
        self.event.time
    }

    /// What happened.
    pub(crate) fn kind(&self) -> &'a EventKind {
        &self.event.kind
    }

    /// What every default hook answers: events of this kind need not come again.
    ///
    /// # Errors
    /// None: the result is there so that it can be the whole body of a hook.
    pub fn not_interested(&self) -> HookResult {
        let hook = self.event.kind.hook();
        self.interest.set(self.interest.get().without(hook));
        Ok(())
    }
}

/// Calls the hook that belongs to the event.
pub(crate) fn call_hook(
    exporter: &mut dyn TelemetryExporter,
    event: &Event,
    interest: &Cell<Interest>,
) -> HookResult {
    let cx = HookContext::new(event, interest);
    match &event.kind {
        EventKind::RunStart { inputs } => exporter.on_run_start(&cx, inputs),
        EventKind::RunEnd { outputs } => exporter.on_run_end(&cx, outputs),
        EventKind::Error { error } => exporter.on_error(&cx, error),
        EventKind::ToolStart { tool_name, input } => exporter.on_tool_start(&cx, tool_name, input),
        EventKind::ToolEnd { tool_name, output } => exporter.on_tool_end(&cx, tool_name, output),
        EventKind::ToolError { tool_name, error } => exporter.on_tool_error(&cx, tool_name, error),
        EventKind::LlmStart(start) => exporter.on_llm_start(&cx, start),
        // The rest of a secret, whose replacement came with the token before.
        EventKind::LlmNewToken { token } if token.is_empty() => Ok(()),
        EventKind::LlmNewToken { token } => exporter.on_llm_new_token(&cx, token),
        EventKind::LlmEnd(end) => exporter.on_llm_end(&cx, end),
        EventKind::LlmError { error } => exporter.on_llm_error(&cx, error),
        EventKind::RetrieverStart { name, query } => exporter.on_retriever_start(&cx, name, query),
        EventKind::RetrieverEnd { documents } => exporter.on_retriever_end(&cx, documents),
        EventKind::RetrieverError { error } => exporter.on_retriever_error(&cx, error),
        EventKind::AgentAction { tool, tool_input } => exporter.on_agent_action(&cx, tool, tool_input),
        EventKind::Stream(event) => exporter.on_stream_event(&cx, event),
    }
}
