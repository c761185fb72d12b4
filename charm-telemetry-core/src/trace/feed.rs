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
use super::span::{FinishedSpan, StartedSpan, TraceOutput};
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
        outputs.into_iter().map(|output| deliver(exporter, output)).fold(Ok(()), Result::and)
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
            unsampled: Unsampled::default(),
            assembler: TraceAssembler::new(settings, exporter.limits())
                .report_starts(exporter.wants_starts()),
        }
    }

    /// What may be sent of what is ready.
    fn take(&mut self) -> Vec<TraceOutput> {
        let mut outputs = Vec::new();
        while let Some(output) = self.assembler.next_output() {
            match output {
                TraceOutput::Started(span) => outputs.extend(self.started(span)),
                TraceOutput::Finished(span) => self.finished(span, &mut outputs),
            }
        }
        outputs
    }

    fn started(&self, mut span: Box<StartedSpan>) -> Option<TraceOutput> {
        if !self.sends_content {
            span.withhold_content();
        }
        self.sampler.keeps(span.head.trace_id).then_some(TraceOutput::Started(span))
    }

    fn finished(&mut self, mut span: Box<FinishedSpan>, outputs: &mut Vec<TraceOutput>) {
        if !self.sends_content {
            span.withhold_inputs_and_outputs();
        }
        if !self.sends_error_texts {
            span.withhold_error_text();
        }
        if self.sampler.keeps(span.head.trace_id) {
            outputs.push(TraceOutput::Finished(span));
        } else if self.sampler.keeps_errors() {
            let Kept(spans) = self.unsampled.add(*span);
            outputs.extend(spans.into_iter().map(|span| TraceOutput::Finished(Box::new(span))));
        } else {
            self.unsampled.drop_one();
        }
    }
}

fn deliver(exporter: &mut impl SpanExporter, output: TraceOutput) -> HookResult {
    match output {
        TraceOutput::Started(span) => exporter.started(&span),
        TraceOutput::Finished(span) => {
            let failed = span.error().map_or(Ok(()), |error| exporter.failed(&span, error));
            failed.and(exporter.span(*span))
        }
    }
}
