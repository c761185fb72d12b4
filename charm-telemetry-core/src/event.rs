//! What happens in a run, as one type that every consumer shares.
//!
//! Rule: an event is complete in itself (whose, when, in which order, what) and never changes after it was stamped.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::value::RawValue;

use crate::event_text::{ErrorText, ToolInput};
use crate::id::{CallId, RunId};
use crate::model_parameters::ModelParameters;
use crate::stream_event::StreamEvent;

/// One event of one run.
///
/// ```
/// # use charm_telemetry_core::{Event, EventKind, EventWriter, Manager};
/// # struct Screen(std::sync::mpsc::Sender<String>);
/// impl EventWriter for Screen {
///     fn event(&mut self, event: &Event) {
///         if let EventKind::ToolStart { tool_name, .. } = &event.kind {
///             self.0.send(format!("{}: {tool_name}", event.sequence)).ok();
///         }
///     }
/// #   fn flush(&mut self) -> std::io::Result<bool> { Ok(true) }
/// #   fn is_full(&self) -> bool { false }
///     // `flush` and `is_full` follow.
/// }
/// # let (sender, lines) = std::sync::mpsc::channel();
/// # let manager = Manager::builder().stdout(Screen(sender)).start()?;
/// # let run = manager.start_run(&"hi");
/// # run.tool_call("search", "Oslo").finish("a city");
/// # run.finish("a city");
/// # manager.shutdown(std::time::Duration::from_secs(5));
/// # assert_eq!(lines.try_iter().collect::<Vec<_>>(), ["2: search"]);
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// The run it belongs to.
    pub run: RunId,
    /// Its place in the run: 0 for the first event, then dense, in the order in which the events were emitted.
    pub sequence: u64,
    /// When it was emitted.
    pub time: EventTime,
    /// The call it belongs to, if it belongs to one.
    pub call: Option<CallId>,
    /// The call in which that call was made, if it was made in one.
    pub parent: Option<CallId>,
    /// What happened.
    pub kind: EventKind,
}

/// When an event was emitted, on two clocks.
///
/// ```
/// # use std::time::Duration;
/// # use charm_telemetry_core::testing::ManualClock;
/// # let clock = ManualClock::new();
/// let start = clock.now(); // in a hook: `cx.time()`
/// # clock.advance(Duration::from_millis(250));
/// let end = clock.now();
/// assert_eq!(end.monotonic - start.monotonic, Duration::from_millis(250));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTime {
    /// By the calendar. May step when the machine's clock is set.
    pub wall: SystemTime,
    /// Since the manager started. Never steps: durations are differences of this one.
    pub monotonic: Duration,
}

/// What happened.
///
/// The fields carry the names of the hooks' arguments in the Charm contract.
///
/// ```
/// # use charm_telemetry_core::{EventKind, Hook, Manager, testing::MemoryWriter};
/// # let manager = Manager::builder().stdout(MemoryWriter::new()).start()?;
/// # let run = manager.start_run(&"hi");
/// let kind = EventKind::AgentAction { tool: "search".into(), tool_input: "Oslo".into() };
/// assert_eq!(kind.hook(), Hook::AgentAction);
/// run.emit(kind);
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A run began.
    RunStart {
        /// The inputs, a JSON object.
        inputs: Box<RawValue>,
    },
    /// A run succeeded or was suspended.
    RunEnd {
        /// The result object of the adapter.
        outputs: Box<RawValue>,
    },
    /// A run failed.
    Error {
        /// What went wrong, for a person.
        error: ErrorText,
    },
    /// A tool was called.
    ToolStart {
        /// The tool.
        tool_name: Arc<str>,
        /// Its input as text.
        input: ToolInput,
    },
    /// A tool answered.
    ToolEnd {
        /// The tool.
        tool_name: Arc<str>,
        /// Its answer as text.
        output: String,
    },
    /// A tool failed.
    ToolError {
        /// The tool.
        tool_name: Arc<str>,
        /// What went wrong.
        error: ErrorText,
    },
    /// A model was called.
    LlmStart(Box<LlmStart>),
    /// A model produced a token.
    LlmNewToken {
        /// The token's text. Empty only if all of it was part of a secret; exporters are not called for such a one.
        token: Box<str>,
    },
    /// A model's answer is complete.
    LlmEnd(Box<LlmEnd>),
    /// A call of a model failed.
    LlmError {
        /// What went wrong.
        error: ErrorText,
    },
    /// Documents are searched for.
    RetrieverStart {
        /// The retriever.
        name: Arc<str>,
        /// What is searched for.
        query: String,
    },
    /// Documents were found.
    RetrieverEnd {
        /// The documents, a JSON array.
        documents: Box<RawValue>,
    },
    /// A search failed.
    RetrieverError {
        /// What went wrong.
        error: ErrorText,
    },
    /// The agent decided to use a tool.
    AgentAction {
        /// The tool.
        tool: String,
        /// Its input as text.
        tool_input: String,
    },
    /// An event of the Charm protocol that is not a hook.
    Stream(StreamEvent),
}

/// What is known when a model is called. All of it is optional: agents differ in what they tell.
///
/// ```
/// use charm_telemetry_core::LlmStart;
///
/// let start = LlmStart::new("gpt-4o").provider("openai").input(&"What is the weather?");
/// assert_eq!(start.model.as_deref(), Some("gpt-4o"));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LlmStart {
    /// The model's name as the provider spells it.
    pub model: Option<String>,
    /// Who serves the model, for example `openai`.
    pub provider: Option<String>,
    /// The prompt or the messages, as JSON.
    pub input: Option<Box<RawValue>>,
    /// What is asked for besides.
    pub parameters: ModelParameters,
}

/// What is known when a model's answer is complete.
///
/// ```
/// use charm_telemetry_core::{LlmEnd, TokenUsage};
///
/// let end = LlmEnd::new().model("gpt-4o-2024-08-06").output("Hello").usage(TokenUsage::new(8, 2));
/// assert_eq!(end.output.unwrap().get(), r#""Hello""#);
/// assert_eq!(end.usage.unwrap().output_tokens, Some(2));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LlmEnd {
    /// The model that answered, if the provider tells another name than was asked for.
    pub model: Option<String>,
    /// The whole answer, as JSON: a string or messages.
    pub output: Option<Box<RawValue>>,
    /// What was consumed.
    pub usage: Option<TokenUsage>,
}

/// How many tokens a call of a model consumed, as the provider counts them.
///
/// ```
/// use charm_telemetry_core::TokenUsage;
///
/// let told = r#"{"input_tokens": 120, "output_tokens": 40}"#;
/// let usage: TokenUsage = serde_json::from_str(told)?;
/// assert_eq!(usage, TokenUsage::new(120, 40));
/// assert_eq!(usage.total_tokens, None, "nothing is added up that the provider did not tell");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TokenUsage {
    /// Tokens of the prompt, those of the cache included.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer, those spent on reasoning included.
    pub output_tokens: Option<u64>,
    /// Both, where the provider gives its own sum.
    pub total_tokens: Option<u64>,
    /// Of the input, those that were read from the provider's cache.
    pub cache_read_tokens: Option<u64>,
    /// Of the input, those that were written to the provider's cache.
    pub cache_write_tokens: Option<u64>,
    /// Of the output, those spent on reasoning.
    pub reasoning_tokens: Option<u64>,
}

impl LlmStart {
    /// A call of `model`.
    pub fn new(model: impl Into<String>) -> Self {
        Self { model: Some(model.into()), ..Self::default() }
    }

    /// Names who serves the model.
    #[must_use]
    pub fn provider(mut self, provider: impl Into<String>) -> Self {
        self.provider = Some(provider.into());
        self
    }

    /// Adds what is asked for besides the prompt.
    #[must_use]
    pub fn parameters(mut self, parameters: ModelParameters) -> Self {
        self.parameters = parameters;
        self
    }

    /// Adds the prompt or the messages. A value that cannot be written as JSON is left out.
    #[must_use]
    pub fn input<T: serde::Serialize + ?Sized>(mut self, input: &T) -> Self {
        self.input = serde_json::value::to_raw_value(input).ok();
        self
    }
}

impl LlmEnd {
    /// An answer of which nothing is known but that it is complete.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the model that answered.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Adds the whole answer. A value that cannot be written as JSON is left out.
    #[must_use]
    pub fn output<T: serde::Serialize + ?Sized>(mut self, output: &T) -> Self {
        self.output = serde_json::value::to_raw_value(output).ok();
        self
    }

    /// Adds what was consumed.
    #[must_use]
    pub fn usage(mut self, usage: TokenUsage) -> Self {
        self.usage = Some(usage);
        self
    }
}

impl TokenUsage {
    /// Tokens of the prompt and of the answer.
    pub fn new(input_tokens: u64, output_tokens: u64) -> Self {
        Self { input_tokens: Some(input_tokens), output_tokens: Some(output_tokens), ..Self::default() }
    }
}

impl EventKind {
    /// Which hook it calls.
    pub fn hook(&self) -> Hook {
        match self {
            Self::RunStart { .. } => Hook::RunStart,
            Self::RunEnd { .. } => Hook::RunEnd,
            Self::Error { .. } => Hook::Error,
            Self::ToolStart { .. } => Hook::ToolStart,
            Self::ToolEnd { .. } => Hook::ToolEnd,
            Self::ToolError { .. } => Hook::ToolError,
            Self::LlmStart(_) => Hook::LlmStart,
            Self::LlmNewToken { .. } => Hook::LlmNewToken,
            Self::LlmEnd(_) => Hook::LlmEnd,
            Self::LlmError { .. } => Hook::LlmError,
            Self::RetrieverStart { .. } => Hook::RetrieverStart,
            Self::RetrieverEnd { .. } => Hook::RetrieverEnd,
            Self::RetrieverError { .. } => Hook::RetrieverError,
            Self::AgentAction { .. } => Hook::AgentAction,
            Self::Stream(_) => Hook::StreamEvent,
        }
    }

    /// About how many bytes it holds, for the bounds of a lane.
    pub(crate) fn size(&self) -> usize {
        let content = match self {
            Self::RunStart { inputs: json }
            | Self::RunEnd { outputs: json }
            | Self::RetrieverEnd { documents: json } => json.get().len(),
            Self::Error { error } | Self::LlmError { error } | Self::RetrieverError { error } => error.size(),
            Self::RetrieverStart { name, query } => name.len() + query.len(),
            Self::ToolStart { tool_name, input } => tool_name.len() + input.size(),
            Self::ToolEnd { tool_name, output } => tool_name.len() + output.len(),
            Self::ToolError { tool_name, error } => tool_name.len() + error.size(),
            Self::LlmStart(start) => optional_len(start.input.as_deref()),
            Self::LlmEnd(end) => optional_len(end.output.as_deref()),
            Self::LlmNewToken { token } => token.len(),
            Self::AgentAction { tool, tool_input } => tool.len() + tool_input.len(),
            Self::Stream(event) => event.json().len(),
        };
        content + size_of::<Event>()
    }
}

fn optional_len(json: Option<&RawValue>) -> usize {
    json.map_or(0, |json| json.get().len())
}

/// The hooks of an exporter, one bit each.
///
/// ```
/// use charm_telemetry_core::testing::ExporterHarness;
/// use charm_telemetry_core::{Hook, TelemetryExporter};
///
/// struct Silent;
/// impl TelemetryExporter for Silent {}
///
/// let mut harness = ExporterHarness::new(Silent);
/// harness.run_start(&"hi")?;
/// assert!(!harness.is_interested_in(Hook::RunStart), "the default hook has said so");
/// # Ok::<(), charm_telemetry_core::HookError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is named after the hook that it stands for")]
pub enum Hook {
    RunStart,
    RunEnd,
    Error,
    ToolStart,
    ToolEnd,
    ToolError,
    LlmStart,
    LlmNewToken,
    LlmEnd,
    LlmError,
    AgentAction,
    StreamEvent,
    RetrieverStart,
    RetrieverEnd,
    RetrieverError,
}
