//! What is between the hooks of an exporter and its spans: the assembler, the content policy and the sampler.
//!
//! Rule: a span passes here once, and what the operator forbids ends here, for every exporter alike.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::assembler::TraceAssembler;
use super::counters::TraceCounters;
use super::exporter::SpanExporter;
use super::policy::ContentPolicy;
use super::sampler::Sampler;
use super::settings::TelemetrySettings;
use super::span::{FinishedSpan, SpanHead, StartedSpan, TraceOutput};
use super::unsampled::{Kept, Unsampled};
use crate::exporter::HookResult;

/// The field that every [`SpanExporter`] has. It makes itself ready when the first event comes.
///
/// ```
/// # use charm_telemetry_core::{HookResult, testing::ExporterHarness};
/// # use charm_telemetry_core::trace::{FinishedSpan, SpanExporter, SpanFeed, TelemetrySettings};
/// # #[derive(Default)]
/// # struct Names { feed: SpanFeed, sent: Vec<String> }
/// impl SpanExporter for Names {
///     fn feed(&mut self) -> &mut SpanFeed { &mut self.feed }
///     fn span(&mut self, span: FinishedSpan) -> HookResult {
///         Ok(self.sent.push(format!("{}: {}", span.head.name, self.feed.settings().tags)))
///     }
/// }
/// # let mut settings = TelemetrySettings::default();
/// # settings.tags = "team=search".parse()?;
/// # let mut harness = ExporterHarness::new(Names::default()).configured(settings);
/// # harness.run_start(&())?;
/// # harness.run_end(&())?;
/// # assert_eq!(harness.exporter().sent, ["agent: team=search"]);
/// # Ok::<(), charm_telemetry_core::HookError>(())
/// ```
#[derive(Debug, Default)]
pub struct SpanFeed {
    settings: Arc<TelemetrySettings>,
    inner: Option<Box<Inner>>,
}

#[derive(Debug)]
struct Inner {
    born: Instant,
    assembler: TraceAssembler,
    sends_content: bool,
    sends_error_texts: bool,
    sampler: Sampler,
    /// The process that started us does not record the trace.
    left_out: bool,
    unsampled: Unsampled,
}

impl SpanFeed {
    /// What the operator has set for all exporters: tags, the agent's name, the sample rate.
    pub fn settings(&self) -> Arc<TelemetrySettings> {
        Arc::clone(&self.settings)
    }

    /// What was odd about the events so far.
    pub fn counters(&self) -> TraceCounters {
        self.inner.as_ref().map(|inner| inner.assembler.counters()).unwrap_or_default()
    }

    /// Spans that were not sent because their trace was not sampled.
    pub fn sampled_out(&self) -> u64 {
        self.inner.as_ref().map_or(0, |inner| inner.unsampled.dropped())
    }

    /// Since the first event.
    pub(super) fn age(&self) -> Duration {
        self.inner.as_ref().map_or(Duration::ZERO, |inner| inner.born.elapsed())
    }

    pub(super) fn configure(&mut self, settings: &Arc<TelemetrySettings>) {
        self.settings = Arc::clone(settings);
    }

    /// Gives the assembler an event, and the exporter what comes of it.
    pub(super) fn drive<E: SpanExporter>(
        exporter: &mut E,
        event: impl FnOnce(&mut TraceAssembler),
    ) -> HookResult {
        if exporter.feed().inner.is_none() {
            let settings = exporter.feed().settings();
            let inner = Inner::new(exporter, &settings);
            exporter.feed().inner = Some(Box::new(inner));
        }
        let inner = exporter.feed().inner.as_mut().expect("it was just put there");
        event(&mut inner.assembler);
        if !inner.assembler.has_output() {
            return Ok(());
        }
        let outputs = inner.take();
        outputs.into_iter().map(|output| sample(exporter, output)).fold(Ok(()), Result::and)
    }
}

impl Inner {
    fn new(exporter: &impl SpanExporter, settings: &TelemetrySettings) -> Self {
        let policy = settings.content;
        Self {
            born: Instant::now(),
            sends_content: policy != ContentPolicy::Off && exporter.sends_content(policy),
            sends_error_texts: policy != ContentPolicy::Off && exporter.sends_error_texts(policy),
            sampler: exporter.sampler(settings.sampler),
            left_out: settings.context.is_left_out(),
            unsampled: Unsampled::default(),
            assembler: TraceAssembler::new(settings, exporter.limits())
                .report_starts(exporter.wants_starts()),
        }
    }

    /// What is ready, without what may not leave.
    fn take(&mut self) -> Vec<TraceOutput> {
        let mut outputs = Vec::new();
        while let Some(mut output) = self.assembler.next_output() {
            match &mut output {
                TraceOutput::Started(span) => self.withhold_of_start(span),
                TraceOutput::Finished(span) => self.withhold(span),
            }
            outputs.push(output);
        }
        outputs
    }

    fn withhold_of_start(&self, span: &mut StartedSpan) {
        if !self.sends_content {
            span.withhold_content();
        }
    }

    fn withhold(&self, span: &mut FinishedSpan) {
        if !self.sends_content {
            span.withhold_inputs_and_outputs();
        }
        if !self.sends_error_texts {
            span.withhold_error_text();
        }
    }

    /// Whether the trace is sampled. As a parent that is not sampled has it, nothing below it is.
    fn keeps(&self, head: &SpanHead) -> bool {
        !self.left_out && self.sampler.keeps(head.trace_id)
    }

    /// What of a trace that is not sampled is sent after all.
    fn unsampled(&mut self, span: FinishedSpan) -> Kept {
        if self.sampler.keeps_errors() {
            return self.unsampled.add(span);
        }
        self.unsampled.drop_one();
        Kept(Vec::new())
    }
}

/// Shows the exporter every end, and gives it what is sampled.
fn sample(exporter: &mut impl SpanExporter, output: TraceOutput) -> HookResult {
    let ended = match &output {
        TraceOutput::Finished(span) => exporter.ended(span),
        TraceOutput::Started(_) => Ok(()),
    };
    let inner = exporter.feed().inner.as_mut().expect("it was there when the event came");
    let given = match output {
        TraceOutput::Started(span) if inner.keeps(&span.head) => exporter.started(&span),
        TraceOutput::Finished(span) if inner.keeps(&span.head) => exporter.span(*span),
        TraceOutput::Started(_) => Ok(()),
        TraceOutput::Finished(span) => {
            let Kept(spans) = inner.unsampled(*span);
            spans.into_iter().map(|span| exporter.span(span)).fold(Ok(()), Result::and)
        }
    };
    ended.and(given)
}
