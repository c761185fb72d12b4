//! The handles of an agent written in Rust: one for a run, and in it one for each call.
//!
//! Rule: what was begun ends. A handle that is dropped unfinished says so as an error event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::call::{LlmCall, RetrieverCall, ToolCall};
use crate::emit::{Hub, RunCore};
use crate::event::{EventKind, LlmStart};
use crate::event_text::ToolInput;
use crate::id::{CallId, RunId};
use crate::run_outcome::RunOutcome;
use crate::stream_event::StreamEvent;

/// What a run says first.
const FIRST_STATUS: &str = "Initializing Agent Runtime...";

/// A run of an agent that is going on.
///
/// ```
/// use charm_telemetry_core::{LlmEnd, LlmStart, Manager};
///
/// # let sink = tempfile::tempfile().unwrap();
/// let manager = Manager::builder()
/// #   .stdout(charm_telemetry_core::PipeWriter::new(sink))
///     .start()?;
/// let run = manager.start_run(&serde_json::json!({ "question": "What is the weather in Oslo?" }));
///
/// let search = run.tool_call("weather", "Oslo");
/// search.finish("3 degrees");
///
/// let mut answer = run.llm_call(LlmStart::new("gpt-4o"));
/// for token in ["Cold", ", ", "3 degrees."] {
///     answer.token(token);
/// }
/// answer.finish(LlmEnd::new());
///
/// run.finish("Cold, 3 degrees.");
/// # drop(manager);
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Debug)]
#[must_use = "a run that is dropped unfinished is an error event"]
pub struct Run {
    scope: Scope,
    concluded: bool,
}

/// Where calls can be made: a run, or a call in it.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) core: Arc<RunCore>,
    pub(crate) streamed: Arc<AtomicBool>,
    /// The call that this scope is; `None` for the run itself.
    pub(crate) call: Option<CallId>,
}

impl Run {
    pub(crate) fn start(hub: &Arc<Hub>, id: RunId, inputs: Box<RawValue>) -> Self {
        let core = hub.open_run(id);
        let run = Self { scope: Scope { core, streamed: Arc::default(), call: None }, concluded: false };
        run.emit(EventKind::Stream(StreamEvent::status(FIRST_STATUS)));
        run.emit(EventKind::RunStart { inputs });
        run
    }

    /// Its id, the same in every exporter.
    pub fn id(&self) -> RunId {
        self.scope.core.id
    }

    /// A model is called now.
    pub fn llm_call(&self, start: LlmStart) -> LlmCall {
        LlmCall::start(&self.scope, start)
    }

    /// A tool is called now.
    pub fn tool_call(&self, tool_name: &str, input: impl Into<ToolInput>) -> ToolCall {
        ToolCall::start(&self.scope, tool_name, input)
    }

    /// Documents are searched for now.
    pub fn retriever_call(&self, name: &str, query: &str) -> RetrieverCall {
        RetrieverCall::start(&self.scope, name, query)
    }

    /// The agent has decided to use a tool.
    pub fn agent_action(&self, tool: &str, tool_input: &str) {
        self.emit(EventKind::AgentAction { tool: tool.to_owned(), tool_input: tool_input.to_owned() });
    }

    /// Tells the end user something else: a status, a thought, an artifact, or an event of any other kind.
    pub fn event(&self, event: StreamEvent) {
        self.emit(EventKind::Stream(event));
    }

    /// Whether a token was streamed: then the final result is not repeated.
    pub fn has_streamed(&self) -> bool {
        self.scope.streamed.load(Ordering::Relaxed)
    }

    /// The run has succeeded. An output that cannot be written as JSON fails it.
    pub fn finish<T: Serialize + ?Sized>(self, output: &T) {
        match to_raw_value(output) {
            Ok(output) => self.conclude(&RunOutcome::success(&output)),
            Err(error) => self.fail(&format!("the output cannot be written as JSON: {error}")),
        }
    }

    /// The run has failed.
    pub fn fail(self, message: &str) {
        self.conclude(&RunOutcome::error(message));
    }

    /// The run has ended in any of its ways.
    pub fn conclude(mut self, outcome: &RunOutcome) {
        self.emit_outcome(outcome);
    }

    /// The outcome is known and told, once; the agent has more to say, which follows it: a thread that runs on, say.
    ///
    /// ```
    /// # use charm_telemetry_core::{Manager, RunOutcome, StreamEvent, testing::MemoryWriter};
    /// # let seen = MemoryWriter::new();
    /// # let manager = Manager::builder().stdout(seen.clone()).start()?;
    /// let mut run = manager.start_run(&"hi");
    /// run.settle(&RunOutcome::error("no network"));
    /// run.event(StreamEvent::thinking("closing files"));
    /// drop(run);
    /// # manager.shutdown(std::time::Duration::from_secs(5));
    /// assert_eq!(seen.text().matches(r#""type":"error""#).count(), 1);
    /// # Ok::<(), charm_telemetry_core::Problems>(())
    /// ```
    pub fn settle(&mut self, outcome: &RunOutcome) {
        if !self.concluded {
            self.emit_outcome(outcome);
        }
    }

    fn emit_outcome(&mut self, outcome: &RunOutcome) {
        self.concluded = true;
        for kind in outcome.events(self.has_streamed()) {
            self.emit(kind);
        }
    }

    /// Emits any event that belongs to no call that is open.
    pub fn emit(&self, kind: EventKind) {
        self.scope.core.emit(None, None, Some(kind));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.concluded {
            self.emit_outcome(&RunOutcome::error("the run was dropped before it was finished"));
        }
    }
}
