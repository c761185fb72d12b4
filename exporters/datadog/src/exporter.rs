//! The hooks.
//!
//! Rule: nothing goes out before the first event of a run: whoever only checks the configuration sends nothing.

use std::io::{self, Write as _};
use std::time::Duration;

use charm_telemetry_core::delivery::{Delivery, DeliveryError};
use charm_telemetry_core::trace::{FinishedSpan, Sampler, SpanExporter, SpanFeed, StartedSpan};
use charm_telemetry_core::{EnvironmentReader, HookError, HookResult};

use crate::encode::encode;
use crate::labels::Labels;
use crate::request::{Intake, item};
use crate::settings::Settings;
use crate::{DatadogExporter, Line};

impl SpanExporter for DatadogExporter {
    fn feed(&mut self) -> &mut SpanFeed {
        &mut self.feed
    }

    fn prepare(&mut self, reader: &mut EnvironmentReader<'_>) {
        if self.enabled {
            self.settings = Settings::read(self, reader);
        }
    }

    fn sampler(&self, all: Sampler) -> Sampler {
        match self.sample_rate {
            Some(own) if own.rate() < all.rate() => own.keep_errors(all.keeps_errors()),
            _ => all,
        }
    }

    /// Not to send them (a span exists only when it has ended), but to open the line, and with it what an earlier process left.
    fn wants_starts(&self) -> bool {
        true
    }

    fn started(&mut self, _span: &StartedSpan) -> HookResult {
        self.line().map(drop)
    }

    /// A span that cannot be handed over is counted by the delivery, under its reason.
    fn span(&mut self, span: FinishedSpan) -> HookResult {
        let Some(line) = self.line()? else { return Ok(()) };
        let json = encode(&span, &line.labels);
        line.delivery.send(item(line.labels.format, &line.labels.ml_app, span.head.start, &json));
        if span.head.is_root() {
            line.delivery.nudge();
        }
        Ok(())
    }

    fn resume(&mut self) -> HookResult {
        self.line().map(drop)
    }

    fn finish(&mut self, deadline: Duration) -> HookResult {
        if let Some(line) = &self.line {
            line.delivery.shutdown(deadline);
        }
        Ok(())
    }
}

impl DatadogExporter {
    /// `None` if the exporter is switched off.
    fn line(&mut self) -> Result<Option<&Line>, HookError> {
        if self.line.is_none() {
            let Some(settings) = self.settings.clone() else {
                if !std::mem::replace(&mut self.told, true) {
                    drop(writeln!(
                        io::stderr(),
                        "charm: datadog: nothing is sent: `DD_LLMOBS_ENABLED` says so"
                    ));
                }
                return Ok(None);
            };
            self.line = Some(self.open(settings)?);
        }
        Ok(self.line.as_ref())
    }

    fn open(&self, settings: Settings) -> Result<Line, DeliveryError> {
        let labels = Labels::new(self, &self.feed.settings(), settings.route.format());
        let delivery = Delivery::start(Intake(settings.route), settings.delivery)?;
        Ok(Line { labels, delivery })
    }
}
