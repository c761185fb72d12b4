//! From finished spans to envelopes.
//!
//! Rule: this maps and hands on; it never waits for the network before it is shut down.

use std::time::Duration;

use charm_telemetry_core::delivery::DeliveryConfig;
use charm_telemetry_core::trace::{
    ContentPolicy, FinishedSpan, Sampler, SpanError, SpanExporter, SpanFeed, TraceLimits,
};
use charm_telemetry_core::{EnvironmentReader, HookError, HookResult};

use crate::Sentry;
use crate::dsn::Dsn;
use crate::encode::span_item;
use crate::event::event_item;
use crate::options::{Lifecycle, Release};
use crate::outlets::Outlets;
use crate::profile::Profile;
use crate::rate_limits::Category;
use crate::sampling::traces;
use crate::transaction::{MAX_CONTENT_BYTES, Taken, transaction_item};

/// Bytes of one input or output of a streamed span: two of them, quoted twice, fit into an item.
const MAX_STREAMED_BYTES: usize = 256 * 1024;

impl SpanExporter for Sentry {
    fn feed(&mut self) -> &mut SpanFeed {
        &mut self.feed
    }

    /// The DSN is read here and not as a field: as a secret it is never shown, and still one learns what is wrong with it.
    fn prepare(&mut self, reader: &mut EnvironmentReader<'_>) {
        match self.dsn.expose().parse::<Dsn>() {
            Ok(dsn) => self.target = Some(dsn),
            Err(error) => reader.problem("SENTRY_DSN", format!("`SENTRY_DSN` is no DSN: {error}")),
        }
        match DeliveryConfig::from_environment(reader.environment()) {
            Ok(config) => self.delivery = Some(config),
            Err(problems) => {
                for problem in problems {
                    reader.problem(problem.variable, problem.message);
                }
            }
        }
    }

    fn sampler(&self, all: Sampler) -> Sampler {
        traces(all, self.trace_sampler)
    }

    fn limits(&self) -> TraceLimits {
        let bytes = match self.lifecycle {
            Lifecycle::Stream => MAX_STREAMED_BYTES,
            Lifecycle::Static => MAX_CONTENT_BYTES,
        };
        let mut limits = TraceLimits::default();
        limits.content_bytes = bytes;
        limits.streamed_text_bytes = bytes;
        limits
    }

    fn sends_content(&self, policy: ContentPolicy) -> bool {
        policy.allows(self.send_default_pii)
    }

    /// An issue without its text helps nobody; Sentry's own SDKs send it while they keep prompts at home.
    fn sends_error_texts(&self, policy: ContentPolicy) -> bool {
        policy.allows(true)
    }

    /// Failures are sent from here, because those of runs that are not sampled are sent, too.
    fn ended(&mut self, span: &FinishedSpan) -> HookResult {
        self.runs_left_out += u64::from(span.head.is_root());
        span.error().map_or(Ok(()), |error| self.send_failure(span, error))
    }

    fn span(&mut self, span: FinishedSpan) -> HookResult {
        self.runs_left_out -= u64::from(span.head.is_root());
        match self.lifecycle {
            Lifecycle::Stream => {
                let outlets = self.outlets()?;
                outlets.trace(span_item(&span, &outlets.profile), 1);
            }
            Lifecycle::Static => self.collect(&span)?,
        }
        self.outlets.iter().filter(|_| span.head.is_root()).for_each(Outlets::nudge);
        Ok(())
    }

    fn resume(&mut self) -> HookResult {
        self.outlets().map(drop)
    }

    fn finish(&mut self, deadline: Duration) -> HookResult {
        let spans = self.feed.sampled_out();
        if spans > 0 {
            let runs = if self.lifecycle == Lifecycle::Static { self.runs_left_out } else { 0 };
            let outlets = self.outlets()?;
            outlets.discard("sample_rate", Category::Transaction, runs);
            outlets.discard("sample_rate", Category::Span, spans);
        }
        if let Some(outlets) = self.outlets.take() {
            outlets.shutdown(deadline);
        }
        Ok(())
    }
}

impl Sentry {
    fn send_failure(&mut self, span: &FinishedSpan, error: &SpanError) -> HookResult {
        let (trace, share) = (span.head.trace_id, self.error_sampler);
        let outlets = self.outlets()?;
        match event_item(span, error, &outlets.profile) {
            Some(item) if share.keeps(trace) && outlets.profile.sampling.sends_failures(trace) => {
                outlets.error(item);
            }
            Some(_) => outlets.discard("sample_rate", Category::Error, 1),
            None => {}
        }
        Ok(())
    }

    /// Keeps the span until its run ends, then sends them together.
    fn collect(&mut self, span: &FinishedSpan) -> HookResult {
        match self.transactions.take(span) {
            Taken::Waits => Ok(()),
            Taken::NoRoom => {
                self.outlets()?.discard("buffer_overflow", Category::Span, 1);
                Err("the run has more spans than a transaction may have; set `SENTRY_TRACE_LIFECYCLE=stream`"
                    .into())
            }
            Taken::Ends(calls) => {
                let outlets = self.outlets()?;
                outlets.trace(transaction_item(span, &calls, &outlets.profile), calls.len() + 1);
                Ok(())
            }
        }
    }

    /// Starts the deliveries with the first span: an exporter that is only checked starts none.
    fn outlets(&mut self) -> Result<&Outlets, HookError> {
        if self.outlets.is_none() {
            let dsn = self.target.clone().ok_or("`SENTRY_DSN` was not read")?;
            let config = self.delivery.clone().unwrap_or_default();
            let profile = self.profile();
            self.outlets = Some(Outlets::start(dsn, self.lifecycle, &config, profile)?);
        }
        Ok(self.outlets.as_ref().expect("it was just put there"))
    }

    fn profile(&self) -> Profile {
        let settings = self.feed.settings();
        let named = || Release::of_agent(settings.agent_name.as_deref()?, settings.agent_version.as_deref());
        let release = self.release.clone().or_else(named).map(|release| release.as_str().to_owned());
        Profile::new(release, self.environment.as_str(), &settings, self.trace_sampler)
    }
}
