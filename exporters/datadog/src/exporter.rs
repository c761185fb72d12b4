//! The hooks.
//!
//! Rule: nothing goes out before the first event of a run: whoever only checks the configuration sends nothing.

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
        self.settings = Settings::read(self, reader);
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
        let line = self.line()?;
        line.delivery.send(item(line.labels.format, &line.labels.ml_app, &encode(&span, &line.labels)));
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
    fn line(&mut self) -> Result<&Line, HookError> {
        let line = match self.line.take() {
            Some(line) => line,
            None => self.open()?,
        };
        Ok(self.line.insert(line))
    }

    fn open(&self) -> Result<Line, DeliveryError> {
        let settings =
            self.settings.clone().expect("an exporter is used only after it was prepared without problems");
        let labels = Labels::new(self, &self.feed.settings(), settings.route.format());
        let delivery = Delivery::start(Intake(settings.route), settings.delivery)?;
        Ok(Line { labels, delivery })
    }
}
