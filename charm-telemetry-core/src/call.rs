//! The handles of calls: of a model, whose tokens stream, of a tool, and of a retriever.
//!
//! Rule: a call that was begun ends once; a handle that is dropped unfinished ends it as an error.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_core::Stream;

use serde::Serialize;
use serde_json::value::to_raw_value;

use crate::emit::Owner;
use crate::event::{EventKind, LlmEnd, LlmStart};
use crate::event_text::{ErrorText, ToolInput};
use crate::id::CallId;
use crate::run::Scope;
use crate::token_stream::TokenStream;

/// What a call says that nobody finished.
const DROPPED: &str = "the call was dropped before it was finished";

/// A call of a model that is going on.
///
/// ```
/// # use charm_telemetry_core::{LlmEnd, LlmStart, Manager, TokenUsage, testing::MemoryWriter};
/// # let seen = MemoryWriter::new();
/// # let manager = Manager::builder().stdout(seen.clone()).start()?;
/// # let run = manager.start_run(&"hi");
/// let mut call = run.llm_call(LlmStart::new("gpt-4o"));
/// for token in ["Hel", "lo"] {
///     call.token(token);
/// }
/// call.finish(LlmEnd::new().usage(TokenUsage::new(8, 2)));
/// # run.finish("Hello");
/// # manager.shutdown(std::time::Duration::from_secs(5));
/// assert!(seen.text().contains("lo"));
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Debug)]
#[must_use = "a call that is dropped unfinished is an error event"]
pub struct LlmCall {
    call: Call,
    owner: Owner,
    streaming: bool,
}

/// A call of a tool that is going on.
///
/// ```
/// # use charm_telemetry_core::{LlmEnd, LlmStart, Manager, testing::MemoryWriter};
/// # let manager = Manager::builder().stdout(MemoryWriter::new()).start()?;
/// # let run = manager.start_run(&"hi");
/// let search = run.tool_call("search", "Oslo");
/// let summary = search.llm_call(LlmStart::new("gpt-4o")); // a call within the call
/// assert_ne!(summary.id(), search.id());
/// summary.finish(LlmEnd::new().output("a city"));
/// search.finish("Oslo is a city.");
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Debug)]
#[must_use = "a call that is dropped unfinished is an error event"]
pub struct ToolCall {
    call: Call,
    tool_name: Arc<str>,
}

/// A search for documents that is going on.
///
/// ```
/// # use charm_telemetry_core::{Manager, testing::MemoryWriter};
/// # let manager = Manager::builder().stdout(MemoryWriter::new()).start()?;
/// # let run = manager.start_run(&"hi");
/// # let documents_about = |_| Ok::<_, std::io::Error>(["Oslo is a city."]);
/// let search = run.retriever_call("wiki", "Oslo");
/// match documents_about("Oslo") {
///     Ok(documents) => search.finish(&documents),
///     Err(error) => search.fail(&error.to_string()),
/// }
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Debug)]
#[must_use = "a call that is dropped unfinished is an error event"]
pub struct RetrieverCall {
    call: Call,
}

/// What every call has.
#[derive(Debug)]
struct Call {
    scope: Scope,
    id: CallId,
    parent: Option<CallId>,
    ended: bool,
}

impl LlmCall {
    pub(crate) fn start(scope: &Scope, start: LlmStart) -> Self {
        let call = Call::open(scope);
        call.scope.core.hub.open_stream();
        call.emit(EventKind::LlmStart(Box::new(start)));
        let owner = call.scope.core.owner(call.id, call.parent);
        Self { call, owner, streaming: false }
    }

    /// Its id in the run.
    pub fn id(&self) -> CallId {
        self.call.id
    }

    /// The model has produced a token. Empty ones are passed over.
    ///
    /// Costs a few nanoseconds: no lock, no allocation, no system call, but for a thread's first token, which allocates its
    /// ring, and the token after a second of silence, which wakes the pump with a system call.
    /// The token reaches stdout within about a millisecond.
    #[inline]
    pub fn token(&mut self, token: &str) {
        if token.is_empty() {
            return;
        }
        if !(self.streaming && self.call.scope.core.emit_token(self.owner, token)) {
            self.emit_slowly(token);
        }
    }

    /// The first token of the call, and others for which the hot road is closed.
    #[cold]
    #[inline(never)]
    fn emit_slowly(&mut self, token: &str) {
        if !std::mem::replace(&mut self.streaming, true) {
            self.call.scope.streamed.store(true, Ordering::Relaxed);
        }
        self.call.scope.core.emit_token_slowly(self.owner, self.call.id, self.call.parent, token);
    }

    /// Passes an iterator through, and each of its items as a token.
    ///
    /// ```
    /// # use charm_telemetry_core::{LlmEnd, LlmStart, Manager, PipeWriter};
    /// # let sink = tempfile::tempfile().unwrap();
    /// # let manager = Manager::builder().stdout(PipeWriter::new(sink)).start()?;
    /// # let run = manager.start_run(&"hi");
    /// let mut call = run.llm_call(LlmStart::new("gpt-4o"));
    /// let answer: String = call.wrap(["Hel", "lo"].into_iter()).collect();
    /// call.finish(LlmEnd::new());
    /// assert_eq!(answer, "Hello");
    /// # Ok::<(), charm_telemetry_core::Problems>(())
    /// ```
    pub fn wrap<T: AsRef<str>>(&mut self, tokens: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        tokens.inspect(|token| self.token(token.as_ref()))
    }

    /// Passes an asynchronous stream through, and the text of each item as a token: `text` finds it, if there is one.
    ///
    /// ```
    /// # use charm_telemetry_core::{LlmEnd, LlmStart, Manager, PipeWriter};
    /// # use futures_util::StreamExt as _;
    /// # let sink = tempfile::tempfile().unwrap();
    /// # let manager = Manager::builder().stdout(PipeWriter::new(sink)).start()?;
    /// # let run = manager.start_run(&"hi");
    /// # futures_executor::block_on(async {
    /// # let chunks_of_the_model = || futures_util::stream::iter([Ok("Hel"), Err("hiccup"), Ok("lo")]);
    /// let mut call = run.llm_call(LlmStart::new("gpt-4o"));
    /// let mut chunks = call.wrap_stream(chunks_of_the_model(), |chunk| chunk.as_ref().ok().copied());
    /// while let Some(chunk) = chunks.next().await {
    ///     // The agent goes on with the chunk as it came.
    /// #   let _ = chunk;
    /// }
    /// call.finish(LlmEnd::new());
    /// # });
    /// # Ok::<(), charm_telemetry_core::Problems>(())
    /// ```
    pub fn wrap_stream<S, F>(&mut self, stream: S, text: F) -> TokenStream<'_, S, F>
    where
        S: Stream + Unpin,
        F: FnMut(&S::Item) -> Option<&str> + Unpin,
    {
        TokenStream::new(self, stream, text)
    }

    /// Another model is called within this call.
    pub fn llm_call(&self, start: LlmStart) -> Self {
        Self::start(&self.call.scope, start)
    }

    /// A tool is called within this call.
    pub fn tool_call(&self, tool_name: &str, input: impl Into<ToolInput>) -> ToolCall {
        ToolCall::start(&self.call.scope, tool_name, input)
    }

    /// Documents are searched for within this call.
    pub fn retriever_call(&self, name: &str, query: &str) -> RetrieverCall {
        RetrieverCall::start(&self.call.scope, name, query)
    }

    /// The answer is complete.
    pub fn finish(mut self, end: LlmEnd) {
        self.call.end(EventKind::LlmEnd(Box::new(end)));
    }

    /// The call has failed.
    pub fn fail(mut self, error: impl Into<ErrorText>) {
        self.call.end(EventKind::LlmError { error: error.into() });
    }
}

impl Drop for LlmCall {
    fn drop(&mut self) {
        self.call.end_if_open(|| EventKind::LlmError { error: DROPPED.into() });
        self.call.scope.core.hub.close_stream();
    }
}

impl ToolCall {
    pub(crate) fn start(scope: &Scope, tool_name: &str, input: impl Into<ToolInput>) -> Self {
        let call = Call::open(scope);
        let tool_name: Arc<str> = tool_name.into();
        call.emit(EventKind::ToolStart { tool_name: Arc::clone(&tool_name), input: input.into() });
        Self { call, tool_name }
    }

    /// Its id in the run.
    pub fn id(&self) -> CallId {
        self.call.id
    }

    /// A model is called within this call.
    pub fn llm_call(&self, start: LlmStart) -> LlmCall {
        LlmCall::start(&self.call.scope, start)
    }

    /// Documents are searched for within this call.
    pub fn retriever_call(&self, name: &str, query: &str) -> RetrieverCall {
        RetrieverCall::start(&self.call.scope, name, query)
    }

    /// Another tool is called within this call.
    pub fn tool_call(&self, tool_name: &str, input: impl Into<ToolInput>) -> ToolCall {
        Self::start(&self.call.scope, tool_name, input)
    }

    /// The tool has answered.
    pub fn finish(mut self, output: &str) {
        let tool_name = Arc::clone(&self.tool_name);
        self.call.end(EventKind::ToolEnd { tool_name, output: output.to_owned() });
    }

    /// The tool has failed.
    pub fn fail(mut self, error: impl Into<ErrorText>) {
        let tool_name = Arc::clone(&self.tool_name);
        self.call.end(EventKind::ToolError { tool_name, error: error.into() });
    }

    /// Nobody will say how it ended, as when it was begun for an agent that forgets to tell. End users see nothing of it;
    /// exporters of spans close it with its run, as aborted.
    ///
    /// ```
    /// # use charm_telemetry_core::{Manager, testing::MemoryWriter};
    /// # let seen = MemoryWriter::new();
    /// # let manager = Manager::builder().stdout(seen.clone()).start()?;
    /// # let run = manager.start_run(&"hi");
    /// run.tool_call("search", "Oslo").let_go();
    /// # run.finish("Hello");
    /// # manager.shutdown(std::time::Duration::from_secs(5));
    /// assert!(!seen.text().contains("Tool Error"));
    /// # Ok::<(), charm_telemetry_core::Problems>(())
    /// ```
    pub fn let_go(mut self) {
        self.call.ended = true;
    }
}

impl Drop for ToolCall {
    fn drop(&mut self) {
        let tool_name = &self.tool_name;
        self.call
            .end_if_open(|| EventKind::ToolError { tool_name: Arc::clone(tool_name), error: DROPPED.into() });
    }
}

impl RetrieverCall {
    pub(crate) fn start(scope: &Scope, name: &str, query: &str) -> Self {
        let call = Call::open(scope);
        call.emit(EventKind::RetrieverStart { name: name.into(), query: query.to_owned() });
        Self { call }
    }

    /// Its id in the run.
    pub fn id(&self) -> CallId {
        self.call.id
    }

    /// A model is called within this search, to word the query for example.
    pub fn llm_call(&self, start: LlmStart) -> LlmCall {
        LlmCall::start(&self.call.scope, start)
    }

    /// A tool is called within this search.
    pub fn tool_call(&self, tool_name: &str, input: impl Into<ToolInput>) -> ToolCall {
        ToolCall::start(&self.call.scope, tool_name, input)
    }

    /// Another search is made within this one.
    pub fn retriever_call(&self, name: &str, query: &str) -> Self {
        Self::start(&self.call.scope, name, query)
    }

    /// These documents were found: a JSON array. What cannot be written as JSON fails the call.
    pub fn finish<T: Serialize + ?Sized>(mut self, documents: &T) {
        match to_raw_value(documents) {
            Ok(documents) => self.call.end(EventKind::RetrieverEnd { documents }),
            Err(error) => self.fail(format!("the documents cannot be written as JSON: {error}")),
        }
    }

    /// The search has failed.
    pub fn fail(mut self, error: impl Into<ErrorText>) {
        self.call.end(EventKind::RetrieverError { error: error.into() });
    }

    /// Nobody will say how it ended: see [`ToolCall::let_go`].
    pub fn let_go(mut self) {
        self.call.ended = true;
    }
}

impl Drop for RetrieverCall {
    fn drop(&mut self) {
        self.call.end_if_open(|| EventKind::RetrieverError { error: DROPPED.into() });
    }
}

impl Call {
    fn open(parent: &Scope) -> Self {
        let id = parent.core.open_call();
        Self { scope: Scope { call: Some(id), ..parent.clone() }, id, parent: parent.call, ended: false }
    }

    fn emit(&self, kind: EventKind) {
        self.scope.core.emit(Some(self.id), self.parent, Some(kind));
    }

    fn end(&mut self, kind: EventKind) {
        self.ended = true;
        self.emit(kind);
    }

    fn end_if_open(&mut self, kind: impl FnOnce() -> EventKind) {
        if !self.ended {
            self.end(kind());
        }
    }
}
