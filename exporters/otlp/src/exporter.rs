//! What becomes of a finished span: it is counted, encoded, and handed to delivery.
//!
//! Rule: nothing here waits for the network, but `finish`, and that no longer than it may.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use charm_telemetry_core::delivery::{Delivery, DeliveryConfig, DeliveryHandle};
use charm_telemetry_core::trace::{ContentPolicy, FinishedSpan, SpanExporter, SpanFeed, TelemetrySettings};
use charm_telemetry_core::{EnvironmentReader, HookError, HookResult, RunId};

use crate::encode::{EncodeOptions, encode, nanos};
use crate::metrics::Metrics;
use crate::options::{Protocol, Temporality};
use crate::origin::Origin;
use crate::plan::{Plan, plan};
use crate::request::{self, Route, What, limits};
use crate::resource::resource;
use crate::wire::Attribute;
use crate::{Otlp, json, protobuf};

/// Defaults of the specification.
const MAX_BATCH: usize = 512;
const METRIC_INTERVAL: Duration = Duration::from_mins(1);
const MAX_PER_SPAN: usize = 128;

/// How long a span waits for others. The specification says five seconds; a second is as cheap and shows runs sooner.
const LINGER: Duration = Duration::from_secs(1);

/// Metrics are handed over all at once.
const METRIC_LINGER: Duration = Duration::from_millis(10);

/// What is made when the first span comes: a mere check of the configuration starts nothing.
#[derive(Default)]
pub(crate) struct Sender {
    plan: Plan,
    open: Option<Open>,
}

struct Open {
    options: EncodeOptions,
    spans: Option<SpansSender>,
    metrics: Option<MetricsSender>,
}

struct SpansSender {
    handle: DeliveryHandle,
    protocol: Protocol,
    origin: Origin,
}

struct MetricsSender {
    handle: DeliveryHandle,
    protocol: Protocol,
    origin: Origin,
    not_served: Arc<AtomicBool>,
    counts: Metrics,
    interval: Duration,
    last_export: Instant,
}

impl SpanExporter for Otlp {
    fn feed(&mut self) -> &mut SpanFeed {
        &mut self.feed
    }

    fn prepare(&mut self, reader: &mut EnvironmentReader<'_>) {
        self.sender.plan = plan(self, reader);
    }

    /// The convention keeps content at home.
    fn sends_content(&self, policy: ContentPolicy) -> bool {
        policy.allows(self.capture.is_on_spans())
    }

    fn ended(&mut self, span: &FinishedSpan) -> HookResult {
        if let Some(metrics) = &mut self.opened()?.metrics {
            metrics.record(span);
        }
        Ok(())
    }

    fn span(&mut self, span: FinishedSpan) -> HookResult {
        let open = self.opened()?;
        if let Some(spans) = &open.spans {
            let encoded = encode(&span, &open.options);
            let bytes = match spans.protocol {
                Protocol::Json => json::span(&encoded),
                Protocol::Protobuf | Protocol::Grpc => protobuf::span(&encoded),
            };
            // What is not accepted is counted by delivery.
            spans.handle.send(spans.origin.item(&bytes));
            if span.head.is_root() {
                spans.handle.nudge();
            }
        }
        Ok(())
    }

    fn resume(&mut self) -> HookResult {
        self.opened().map(drop)
    }

    fn finish(&mut self, deadline: Duration) -> HookResult {
        let end = Instant::now() + deadline;
        let Some(open) = &mut self.sender.open else { return Ok(()) };
        if let Some(metrics) = &mut open.metrics {
            metrics.export();
        }
        let handles = open.spans.iter().map(|spans| &spans.handle);
        let handles: Vec<_> = handles.chain(open.metrics.iter().map(|metrics| &metrics.handle)).collect();
        for handle in &handles {
            handle.begin_shutdown(deadline);
        }
        for handle in handles {
            handle.shutdown(end.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }
}

impl Otlp {
    fn opened(&mut self) -> Result<&mut Open, HookError> {
        if self.sender.open.is_none() {
            let open = self.open()?;
            self.sender.open = Some(open);
        }
        Ok(self.sender.open.as_mut().expect("it was just put there"))
    }

    fn open(&mut self) -> Result<Open, HookError> {
        let settings = self.feed.settings();
        let instance = RunId::new().to_string();
        let written = self.resource_attributes.as_deref();
        let (resource, fault) = resource(self.service_name.as_deref(), written, &settings, &instance);
        if let Some(fault) = fault {
            drop(writeln!(io::stderr(), "charm: otlp: `OTEL_RESOURCE_ATTRIBUTES` is not used: {fault}"));
        }
        for note in &self.sender.plan.notes {
            drop(writeln!(io::stderr(), "charm: otlp: {note}"));
        }
        let spans = self.sender.plan.spans.clone().map(|route| self.start_spans(route, &resource));
        let metrics = self.sender.plan.metrics.clone().map(|route| self.start_metrics(route, &resource));
        Ok(Open {
            options: self.options(&settings),
            spans: spans.transpose()?,
            metrics: metrics.transpose()?,
        })
    }

    fn options(&self, settings: &TelemetrySettings) -> EncodeOptions {
        let tags: serde_json::Map<_, _> =
            settings.tags.iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        EncodeOptions {
            openinference: self.openinference,
            hide_inputs: self.hide_inputs,
            hide_outputs: self.hide_outputs,
            max_attributes: self.max_attributes.unwrap_or(MAX_PER_SPAN),
            max_events: self.max_events.unwrap_or(MAX_PER_SPAN),
            max_value_chars: self.max_value_chars,
            trace_state: settings.context.tracestate().unwrap_or_default().to_owned(),
            tags: (!tags.is_empty()).then(|| serde_json::Value::Object(tags).to_string()),
            agent_version: settings.agent_version.as_deref().map(str::to_owned),
        }
    }

    fn start_spans(&self, route: Route, resource: &[Attribute<'_>]) -> Result<SpansSender, HookError> {
        let (protocol, config) = (route.protocol, self.config(&route));
        let linger = self.schedule_delay.map_or(LINGER, |millis| millis.0);
        let max_items = self.max_batch.map_or(MAX_BATCH, std::num::NonZero::get);
        let destination = request::Otlp::new(What::Spans, route, limits(max_items, linger));
        let origin = Origin::new(protocol, resource);
        Ok(SpansSender { handle: Delivery::start(destination, config)?, protocol, origin })
    }

    fn start_metrics(&self, route: Route, resource: &[Attribute<'_>]) -> Result<MetricsSender, HookError> {
        let (protocol, config) = (route.protocol, self.config(&route));
        let destination = request::Otlp::new(What::Metrics, route, limits(MAX_BATCH, METRIC_LINGER));
        let delta = self.temporality == Some(Temporality::Delta);
        Ok(MetricsSender {
            not_served: destination.not_served(),
            handle: Delivery::start(destination, config)?,
            protocol,
            origin: Origin::new(protocol, resource),
            counts: Metrics::new(delta, self.aggregation.unwrap_or_default(), nanos(SystemTime::now())),
            interval: self.metric_interval.map_or(METRIC_INTERVAL, |millis| millis.0),
            last_export: Instant::now(),
        })
    }

    fn config(&self, route: &Route) -> DeliveryConfig {
        let mut config = self.sender.plan.delivery.clone();
        config.request_timeout = route.timeout.unwrap_or(config.request_timeout);
        config.tls.clone_from(&route.tls);
        config
    }
}

impl MetricsSender {
    fn record(&mut self, span: &FinishedSpan) {
        self.counts.record(span);
        if self.last_export.elapsed() >= self.interval {
            self.export();
        }
    }

    fn export(&mut self) {
        self.last_export = Instant::now();
        if self.not_served.load(Ordering::Relaxed) {
            return;
        }
        let write = match self.protocol {
            Protocol::Json => json::metric,
            Protocol::Protobuf | Protocol::Grpc => protobuf::metric,
        };
        for metric in self.counts.export(nanos(SystemTime::now()), write) {
            self.handle.send(self.origin.item(&metric));
        }
    }
}

#[cfg(test)]
impl Otlp {
    /// What the variables mean.
    pub(crate) fn plan(&self) -> &Plan {
        &self.sender.plan
    }
}
