//! What a vendor writes: what to do with a span that has ended.
//!
//! Rule: such an exporter maps and hands on. It never pairs, times, samples or decides whether content may leave.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::feed::SpanFeed;
use super::limits::TraceLimits;
use super::policy::ContentPolicy;
use super::sampler::Sampler;
use super::settings::TelemetrySettings;
use super::span::{FinishedSpan, StartedSpan};
use crate::environment::EnvironmentReader;
use crate::event::{LlmEnd, LlmStart};
use crate::exporter::{HookContext, HookResult, TelemetryExporter};
use crate::stream_event::StreamEvent;

/// An exporter of finished spans. Whatever implements this is a [`TelemetryExporter`]: the hooks are there.
///
/// # Contract
///
/// - Spans come as they end: children before their parents, the agent span last. Each comes once.
/// - Content that must not leave is already gone, and spans that were not sampled do not come (but to
///   [`ended`](Self::ended)).
/// - As in every exporter, nothing runs at the same time, and every method may block.
///
/// ```
/// use charm_telemetry_core::trace::{FinishedSpan, SpanExporter, SpanFeed};
/// use charm_telemetry_core::{HookResult, TelemetryExporter};
///
/// #[derive(Default)]
/// struct Names {
///     feed: SpanFeed,
///     seen: Vec<String>,
/// }
///
/// impl SpanExporter for Names {
///     fn feed(&mut self) -> &mut SpanFeed {
///         &mut self.feed
///     }
///
///     fn span(&mut self, span: FinishedSpan) -> HookResult {
///         self.seen.push(format!("{} {}", span.head.kind.name(), span.head.name));
///         Ok(())
///     }
/// }
///
/// let exporter: Box<dyn TelemetryExporter> = Box::new(Names::default());
/// ```
pub trait SpanExporter: Send + 'static {
    /// The field that holds what is between events and spans, and the [`settings`](SpanFeed::settings).
    fn feed(&mut self) -> &mut SpanFeed;

    /// A span has ended.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    fn span(&mut self, span: FinishedSpan) -> HookResult;

    /// Looks at what the variables say together: see [`TelemetryExporter::prepare`].
    #[expect(unused_variables, reason = "the names of the arguments are documentation")]
    fn prepare(&mut self, reader: &mut EnvironmentReader<'_>) {}

    /// Which traces are sent, where the operator's choice for all exporters is `all`: for vendors with a rate of their own.
    /// Asked once, before the first event.
    fn sampler(&self, all: Sampler) -> Sampler {
        all
    }

    /// How much may be held in memory. Asked once, before the first event.
    fn limits(&self) -> TraceLimits {
        TraceLimits::default()
    }

    /// Whether content is sent, where the operator's choice for all exporters is `policy`. The default sends it unless
    /// that is forbidden; a vendor whose convention keeps it at home answers `policy.allows(false)`, after a look at its
    /// own variables. Not asked under [`ContentPolicy::Off`]. Asked once, before the first event.
    fn sends_content(&self, policy: ContentPolicy) -> bool {
        policy.allows(true)
    }

    /// Whether the texts of errors are sent, where the operator's choice for all exporters is `policy`. The default is to
    /// take them for content; a vendor whose convention sends them while it keeps prompts and answers at home says so
    /// here. Not asked under [`ContentPolicy::Off`]. Asked once, before the first event.
    fn sends_error_texts(&self, policy: ContentPolicy) -> bool {
        self.sends_content(policy)
    }

    /// Whether [`started`](Self::started) is to be called. Asked once, before the first event.
    fn wants_starts(&self) -> bool {
        false
    }

    /// A span has begun. Its end comes by [`span`](Self::span), with the same head. Spans whose start was not seen come only
    /// there.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    #[expect(unused_variables, reason = "the names of the arguments are documentation")]
    fn started(&mut self, span: &StartedSpan) -> HookResult {
        Ok(())
    }

    /// A span has ended, whether its trace is sampled or not: called just before [`span`](Self::span) is, for vendors that
    /// count, or that take failures apart from traces: `origin` in [`FinishedSpan::error`] tells whether a failed run only
    /// repeats what a failed call has already said. Spans go out by [`span`](Self::span) alone.
    ///
    /// # Errors
    /// As for every hook: see [`HookResult`].
    #[expect(unused_variables, reason = "the names of the arguments are documentation")]
    fn ended(&mut self, span: &FinishedSpan) -> HookResult {
        Ok(())
    }

    /// No span may ever come: start to send what earlier processes left in the spool. See
    /// [`TelemetryExporter::resume`].
    ///
    /// # Errors
    /// An error is shown to the operator; what was left stays.
    fn resume(&mut self) -> HookResult {
        Ok(())
    }

    /// No more spans will come: those that were open have just come, as aborted. Send what is still held, within
    /// `deadline`.
    ///
    /// # Errors
    /// An error is shown to the operator; nothing is called after it.
    #[expect(unused_variables, reason = "the names of the arguments are documentation")]
    fn finish(&mut self, deadline: Duration) -> HookResult {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<T: SpanExporter> TelemetryExporter for T {
    fn prepare(&mut self, reader: &mut EnvironmentReader<'_>) {
        SpanExporter::prepare(self, reader);
    }

    fn configure(&mut self, settings: &Arc<TelemetrySettings>) {
        self.feed().configure(settings);
    }

    fn resume(&mut self) -> HookResult {
        SpanExporter::resume(self)
    }

    fn on_run_start(&mut self, cx: &HookContext<'_>, inputs: &RawValue) -> HookResult {
        SpanFeed::drive(self, |trace| trace.run_start(cx.into(), inputs))
    }

    fn on_run_end(&mut self, cx: &HookContext<'_>, outputs: &RawValue) -> HookResult {
        SpanFeed::drive(self, |trace| trace.run_end(cx.into(), outputs))
    }

    fn on_error(&mut self, cx: &HookContext<'_>, error: &str) -> HookResult {
        SpanFeed::drive(self, |trace| trace.hear(cx.kind()).error(cx.into(), error))
    }

    fn on_tool_start(&mut self, cx: &HookContext<'_>, tool_name: &str, input: &str) -> HookResult {
        SpanFeed::drive(self, |trace| trace.hear(cx.kind()).tool_start(cx.into(), tool_name, input))
    }

    fn on_tool_end(&mut self, cx: &HookContext<'_>, tool_name: &str, output: &str) -> HookResult {
        SpanFeed::drive(self, |trace| trace.tool_end(cx.into(), tool_name, output))
    }

    fn on_tool_error(&mut self, cx: &HookContext<'_>, tool_name: &str, error: &str) -> HookResult {
        SpanFeed::drive(self, |trace| trace.hear(cx.kind()).tool_error(cx.into(), tool_name, error))
    }

    fn on_llm_start(&mut self, cx: &HookContext<'_>, start: &LlmStart) -> HookResult {
        SpanFeed::drive(self, |trace| trace.llm_start(cx.into(), start))
    }

    fn on_llm_new_token(&mut self, cx: &HookContext<'_>, token: &str) -> HookResult {
        SpanFeed::drive(self, |trace| trace.llm_new_token(cx.into(), token))
    }

    fn on_llm_end(&mut self, cx: &HookContext<'_>, end: &LlmEnd) -> HookResult {
        SpanFeed::drive(self, |trace| trace.llm_end(cx.into(), end))
    }

    fn on_llm_error(&mut self, cx: &HookContext<'_>, error: &str) -> HookResult {
        SpanFeed::drive(self, |trace| trace.hear(cx.kind()).llm_error(cx.into(), error))
    }

    fn on_retriever_start(&mut self, cx: &HookContext<'_>, name: &str, query: &str) -> HookResult {
        SpanFeed::drive(self, |trace| trace.retriever_start(cx.into(), name, query))
    }

    fn on_retriever_end(&mut self, cx: &HookContext<'_>, documents: &RawValue) -> HookResult {
        SpanFeed::drive(self, |trace| trace.retriever_end(cx.into(), documents))
    }

    fn on_retriever_error(&mut self, cx: &HookContext<'_>, error: &str) -> HookResult {
        SpanFeed::drive(self, |trace| trace.hear(cx.kind()).retriever_error(cx.into(), error))
    }

    fn on_agent_action(&mut self, cx: &HookContext<'_>, tool: &str, tool_input: &str) -> HookResult {
        SpanFeed::drive(self, |trace| trace.agent_action(cx.into(), tool, tool_input))
    }

    fn on_stream_event(&mut self, cx: &HookContext<'_>, event: &StreamEvent) -> HookResult {
        SpanFeed::drive(self, |trace| trace.stream_event(cx.into(), event))
    }

    fn shutdown(&mut self, deadline: Duration) -> HookResult {
        let age = self.feed().age();
        let closed = SpanFeed::drive(self, |trace| trace.close_all(trace.time_after(age)));
        closed.and(self.finish(deadline))
    }
}
