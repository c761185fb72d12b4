//! The hooks: a span has begun, a span has ended.
//!
//! Rule: nothing is started before the first span; a mere check of the configuration builds exporters too.

use std::sync::Arc;
use std::time::Duration;

use charm_telemetry_core::delivery::{Delivery, DeliveryConfig, DeliveryError, DeliveryHandle};
use charm_telemetry_core::trace::{FinishedSpan, SpanExporter, SpanFeed, SpanHead, StartedSpan};
use charm_telemetry_core::{EnvironmentReader, HookResult};

use crate::LangsmithExporter;
use crate::age::MAX_AGE;
use crate::early::{Beginnings, EarlyPosts};
use crate::encode::Encoder;
use crate::endpoint::unquoted;
use crate::request::Project;
use crate::run_parts::Operation;

/// What is there once the first span has come.
#[derive(Default)]
pub(crate) struct Sending(pub(crate) Option<Arc<Ready>>);

/// How runs are written and where they go.
pub(crate) struct Ready {
    encoder: Encoder,
    delivery: DeliveryHandle,
    early: Option<EarlyPosts>,
}

#[cfg(test)]
impl Ready {
    pub(crate) fn delivery(&self) -> &DeliveryHandle {
        &self.delivery
    }
}

impl SpanExporter for LangsmithExporter {
    fn feed(&mut self) -> &mut SpanFeed {
        &mut self.feed
    }

    fn prepare(&mut self, reader: &mut EnvironmentReader<'_>) {
        match DeliveryConfig::from_environment(reader.environment()) {
            Ok(config) => self.delivery = config,
            Err(problems) => {
                for problem in problems {
                    reader.problem(problem.variable, problem.message);
                }
            }
        }
        if unquoted(self.api_key.expose()).is_empty() {
            reader.problem("LANGSMITH_API_KEY", "`LANGSMITH_API_KEY` is blank; set it to the API key");
        }
        if self.endpoint.is_cloud() {
            self.delivery.spool.max_age = self.delivery.spool.max_age.min(MAX_AGE);
        }
    }

    fn wants_starts(&self) -> bool {
        self.post_after.is_some()
    }

    fn started(&mut self, span: &StartedSpan) -> HookResult {
        if !self.keeps(&span.head) {
            return Ok(());
        }
        let (ready, after) = (self.ready()?, self.post_after.unwrap_or_default());
        if let Some(early) = &ready.early {
            early.begin(span.head.uuid(), ready.encoder.started(span), after);
        }
        Ok(())
    }

    fn span(&mut self, span: FinishedSpan) -> HookResult {
        if !self.keeps(&span.head) {
            return Ok(());
        }
        let ready = self.ready()?;
        let operation = ready.early.as_ref().map_or(Operation::Post, |early| early.end(span.head.uuid()));
        // What is not taken is counted there.
        ready.delivery.send(ready.encoder.finished(&span, operation));
        if span.head.is_root() {
            ready.delivery.nudge();
        }
        Ok(())
    }

    fn resume(&mut self) -> HookResult {
        Ok(self.ready().map(drop)?)
    }

    fn finish(&mut self, deadline: Duration) -> HookResult {
        if let Some(ready) = self.sending.0.take() {
            ready.delivery.shutdown(deadline);
        }
        Ok(())
    }
}

impl LangsmithExporter {
    /// Whether the trace is in the share that is sent.
    fn keeps(&self, head: &SpanHead) -> bool {
        self.sampling_rate.is_none_or(|rate| rate.keeps(head.root().uuid()))
    }

    fn ready(&mut self) -> Result<Arc<Ready>, DeliveryError> {
        if let Some(ready) = &self.sending.0 {
            return Ok(Arc::clone(ready));
        }
        let beginnings = self.post_after.map(|_| Beginnings::default());
        let project = Project::new(self).telling(beginnings.clone());
        let delivery = Delivery::start(project, self.delivery.clone())?;
        let early = beginnings.map(|known| EarlyPosts::start(known, delivery.clone())).transpose()?;
        let encoder = Encoder::new(self, &self.feed.settings());
        let ready = Arc::new(Ready { encoder, delivery, early });
        self.sending.0 = Some(Arc::clone(&ready));
        Ok(ready)
    }
}
