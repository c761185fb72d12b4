//! Feeds an exporter by hand.
//!
//! Rule: one run, in the order in which the test calls.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::to_raw_value;

use super::ManualClock;
use crate::construct::{self, Construct};
use crate::environment::{Environment, EnvironmentReader, VariableProblem};
use crate::event::{Event, EventKind, Hook, LlmEnd, LlmStart};
use crate::exporter::{HookResult, TelemetryExporter, call_hook};
use crate::id::{CallId, RunId};
use crate::interest::Interest;
use crate::stream_event::StreamEvent;
use crate::trace::TelemetrySettings;

/// Calls the hooks of an exporter, one run long.
///
/// ```
/// use charm_telemetry_core::testing::ExporterHarness;
/// use charm_telemetry_core::{Hook, HookContext, HookResult, TelemetryExporter};
///
/// #[derive(Default)]
/// struct Names(Vec<String>);
///
/// impl TelemetryExporter for Names {
///     fn on_tool_start(&mut self, _cx: &HookContext<'_>, tool_name: &str, _input: &str) -> HookResult {
///         self.0.push(tool_name.to_owned());
///         Ok(())
///     }
/// }
///
/// let mut harness = ExporterHarness::new(Names::default());
/// harness.run_start(&serde_json::json!({ "input": "hi" }))?;
/// let call = harness.new_call();
/// harness.tool_start(call, "search", "Oslo")?;
/// assert_eq!(harness.exporter().0, ["search"]);
/// assert!(!harness.is_interested_in(Hook::RunStart), "that hook has its default body");
/// # Ok::<(), charm_telemetry_core::HookError>(())
/// ```
#[derive(Debug)]
pub struct ExporterHarness<E> {
    exporter: E,
    clock: ManualClock,
    run: RunId,
    sequence: u64,
    calls: u32,
    parents: Vec<Option<CallId>>,
    interest: Cell<Interest>,
}

impl<E: Construct + TelemetryExporter> ExporterHarness<E> {
    /// A harness for an exporter with `#[charm_exporter]`, built as the runner builds it.
    ///
    /// ```
    /// use charm_telemetry_core::testing::ExporterHarness;
    /// use charm_telemetry_core::{Environment, TelemetryExporter, charm_exporter};
    ///
    /// #[charm_exporter("greeter")]
    /// struct Greeter {
    ///     #[env("GREETER_WORD", default = "hello")]
    ///     word: String,
    /// }
    ///
    /// impl TelemetryExporter for Greeter {}
    ///
    /// let harness = ExporterHarness::<Greeter>::from_environment(&Environment::default()).unwrap();
    /// assert_eq!(harness.exporter().word, "hello");
    /// ```
    ///
    /// # Errors
    /// Every variable that is missing or cannot be read.
    pub fn from_environment(environment: &Environment) -> Result<Self, Vec<VariableProblem>> {
        let mut reader = EnvironmentReader::new(environment);
        let built = construct::from_reader(&mut reader);
        built.map(Self::new).ok_or_else(|| reader.into_problems())
    }
}

impl<E: TelemetryExporter> ExporterHarness<E> {
    /// A harness for a run that has not started.
    pub fn new(exporter: E) -> Self {
        Self {
            exporter,
            clock: ManualClock::new(),
            run: RunId::new(),
            sequence: 0,
            calls: 0,
            parents: Vec::new(),
            interest: Cell::new(Interest::all()),
        }
    }

    /// Calls [`TelemetryExporter::configure`]. A manager does so before the first event.
    #[must_use]
    pub fn configured(mut self, settings: TelemetrySettings) -> Self {
        self.exporter.configure(&Arc::new(settings));
        self
    }

    /// The clock of the events.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// The exporter, to look at.
    pub fn exporter(&self) -> &E {
        &self.exporter
    }

    /// The exporter, to change.
    pub fn exporter_mut(&mut self) -> &mut E {
        &mut self.exporter
    }

    /// The run that all events belong to.
    pub fn run_id(&self) -> RunId {
        self.run
    }

    /// An id for a call that the run itself makes.
    pub fn new_call(&mut self) -> CallId {
        self.open_call(None)
    }

    /// An id for a call that is made within another.
    pub fn new_call_in(&mut self, parent: CallId) -> CallId {
        self.open_call(Some(parent))
    }

    /// Whether the exporter still wants such events.
    pub fn is_interested_in(&self, hook: Hook) -> bool {
        self.interest.get().contains(hook)
    }

    /// Calls `on_run_start`.
    ///
    /// # Errors
    /// What the hook answers, as for all of these.
    pub fn run_start<T: Serialize + ?Sized>(&mut self, inputs: &T) -> HookResult {
        let inputs = to_raw_value(inputs)?;
        self.feed(None, EventKind::RunStart { inputs })
    }

    /// Calls `on_run_end`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn run_end<T: Serialize + ?Sized>(&mut self, outputs: &T) -> HookResult {
        let outputs = to_raw_value(outputs)?;
        self.feed(None, EventKind::RunEnd { outputs })
    }

    /// Calls `on_error`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn error(&mut self, error: &str) -> HookResult {
        self.feed(None, EventKind::Error { error: error.into() })
    }

    /// Calls `on_tool_start`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn tool_start(&mut self, call: CallId, tool_name: &str, input: &str) -> HookResult {
        self.feed(Some(call), EventKind::ToolStart { tool_name: tool_name.into(), input: input.into() })
    }

    /// Calls `on_tool_end`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn tool_end(&mut self, call: CallId, tool_name: &str, output: &str) -> HookResult {
        self.feed(Some(call), EventKind::ToolEnd { tool_name: tool_name.into(), output: output.to_owned() })
    }

    /// Calls `on_tool_error`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn tool_error(&mut self, call: CallId, tool_name: &str, error: &str) -> HookResult {
        self.feed(Some(call), EventKind::ToolError { tool_name: tool_name.into(), error: error.into() })
    }

    /// Calls `on_llm_start`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn llm_start(&mut self, call: CallId, start: LlmStart) -> HookResult {
        self.feed(Some(call), EventKind::LlmStart(Box::new(start)))
    }

    /// Calls `on_llm_new_token`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn token(&mut self, call: CallId, token: &str) -> HookResult {
        self.feed(Some(call), EventKind::LlmNewToken { token: token.into() })
    }

    /// Calls `on_llm_end`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn llm_end(&mut self, call: CallId, end: LlmEnd) -> HookResult {
        self.feed(Some(call), EventKind::LlmEnd(Box::new(end)))
    }

    /// Calls `on_llm_error`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn llm_error(&mut self, call: CallId, error: &str) -> HookResult {
        self.feed(Some(call), EventKind::LlmError { error: error.into() })
    }

    /// Calls `on_retriever_start`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn retriever_start(&mut self, call: CallId, name: &str, query: &str) -> HookResult {
        self.feed(Some(call), EventKind::RetrieverStart { name: name.into(), query: query.to_owned() })
    }

    /// Calls `on_retriever_end`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn retriever_end<T: Serialize + ?Sized>(&mut self, call: CallId, documents: &T) -> HookResult {
        let documents = to_raw_value(documents)?;
        self.feed(Some(call), EventKind::RetrieverEnd { documents })
    }

    /// Calls `on_retriever_error`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn retriever_error(&mut self, call: CallId, error: &str) -> HookResult {
        self.feed(Some(call), EventKind::RetrieverError { error: error.into() })
    }

    /// Calls `on_agent_action`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn agent_action(&mut self, tool: &str, tool_input: &str) -> HookResult {
        let kind = EventKind::AgentAction { tool: tool.to_owned(), tool_input: tool_input.to_owned() };
        self.feed(None, kind)
    }

    /// Calls `on_stream_event`.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn stream_event(&mut self, event: StreamEvent) -> HookResult {
        self.feed(None, EventKind::Stream(event))
    }

    /// Feeds any event, at the clock's time. Events that the exporter does not want are passed over, as a lane does.
    ///
    /// # Errors
    /// What the hook answers.
    pub fn feed(&mut self, call: Option<CallId>, kind: EventKind) -> HookResult {
        let parent = call.and_then(|call| self.parents.get(call.get() as usize - 1).copied().flatten());
        let (run, sequence, time) = (self.run, self.sequence, self.clock.now());
        self.sequence += 1;
        let event = Event { run, sequence, time, call, parent, kind };
        if !self.interest.get().contains(event.kind.hook()) {
            return Ok(());
        }
        call_hook(&mut self.exporter, &event, &self.interest)
    }

    /// Ends the exporter.
    ///
    /// # Errors
    /// What [`TelemetryExporter::shutdown`] answers.
    pub fn shutdown(&mut self, deadline: Duration) -> HookResult {
        self.exporter.shutdown(deadline)
    }

    fn open_call(&mut self, parent: Option<CallId>) -> CallId {
        self.calls += 1;
        self.parents.push(parent);
        CallId::from_number(self.calls).expect("calls are counted from one")
    }
}
