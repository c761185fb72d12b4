//! What all variables together mean.
//!
//! Rule: the variable of one signal wins over the general one; what cannot be done is refused before the first run.

use charm_telemetry_core::delivery::DeliveryConfig;
use charm_telemetry_core::{EnvironmentReader, VariableProblem};

use crate::Otlp;
use crate::endpoint::Endpoint;
use crate::options::{Millis, Protocol, Signal};
use crate::pairs::parse_headers;
use crate::request::{Route, What};
use crate::tls::Certificates;
use crate::unused::unused;

/// The path of a signal below the general endpoint.
const PATHS: [&str; 2] = ["v1/traces", "v1/metrics"];

/// Where the signals go; `None` for one that is not sent.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    pub(crate) spans: Option<Route>,
    pub(crate) metrics: Option<Route>,
    pub(crate) delivery: DeliveryConfig,
    /// What is set and not used: sentences.
    pub(crate) notes: Vec<String>,
}

/// Resolves them. Problems go to `reader`.
pub(crate) fn plan(otlp: &Otlp, reader: &mut EnvironmentReader<'_>) -> Plan {
    let (delivery, mut problems) = delivery(otlp, reader);
    let mut plan = Plan { delivery, ..Plan::default() };
    if !otlp.sdk_disabled {
        if otlp.traces_exporter != Some(Signal::Off) {
            plan.spans = route(otlp, What::Spans, reader);
        }
        if sends_metrics(otlp) {
            plan.metrics = route(otlp, What::Metrics, reader);
        }
        plan.notes = unused(reader.environment());
        secure(otlp, &mut plan, &mut problems);
    }
    for (index, problem) in problems.iter().enumerate() {
        // A general variable is looked at for both signals.
        if !problems[..index].contains(problem) {
            reader.problem(problem.variable, problem.message.clone());
        }
    }
    plan
}

/// Gives the signals their certificates.
fn secure(otlp: &Otlp, plan: &mut Plan, problems: &mut Vec<VariableProblem>) {
    let mut certificates = Certificates::default();
    for (what, route) in [(What::Spans, &mut plan.spans), (What::Metrics, &mut plan.metrics)] {
        let Some(route) = route else { continue };
        match certificates.of(otlp, what, &route.url) {
            Ok(options) => route.tls = options,
            Err(more) => problems.extend(more),
        }
    }
    plan.notes.extend(certificates.unused(otlp));
}

/// Not if only spans have an address: then the default one would be a guess.
fn sends_metrics(otlp: &Otlp) -> bool {
    let somewhere =
        otlp.metrics_endpoint.is_some() || otlp.endpoint.is_some() || otlp.traces_endpoint.is_none();
    somewhere && otlp.metrics_exporter != Some(Signal::Off)
}

fn route(otlp: &Otlp, what: What, reader: &mut EnvironmentReader<'_>) -> Option<Route> {
    let metrics = what == What::Metrics;
    let own = if metrics { &otlp.metrics_endpoint } else { &otlp.traces_endpoint };
    let general = || otlp.endpoint.clone().unwrap_or_else(Endpoint::local);
    let url =
        own.as_ref().map_or_else(|| general().for_signal(PATHS[usize::from(metrics)]), Endpoint::as_it_is);
    let compression = if metrics { otlp.metrics_compression } else { otlp.traces_compression };
    let timeout = if metrics { otlp.metrics_timeout } else { otlp.traces_timeout };
    Some(Route {
        url,
        headers: headers(otlp, what, reader)?,
        encoding: compression.or(otlp.compression).unwrap_or_default().into(),
        protocol: protocol(otlp, what, reader)?,
        timeout: timeout.or(otlp.timeout).map(|Millis(timeout)| timeout),
        tls: None,
    })
}

/// The headers of the signal replace the general ones.
fn headers(
    otlp: &Otlp,
    what: What,
    reader: &mut EnvironmentReader<'_>,
) -> Option<Vec<(String, charm_telemetry_core::Secret)>> {
    let (own, name) = match what {
        What::Spans => (&otlp.traces_headers, "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
        What::Metrics => (&otlp.metrics_headers, "OTEL_EXPORTER_OTLP_METRICS_HEADERS"),
    };
    let (text, name) = match (own, &otlp.headers) {
        (Some(own), _) => (own, name),
        (None, Some(general)) => (general, "OTEL_EXPORTER_OTLP_HEADERS"),
        (None, None) => return Some(Vec::new()),
    };
    match parse_headers(text.expose()) {
        Ok(headers) => Some(headers),
        Err(error) => {
            tell_once(reader, otlp, what, name, format!("`{name}` cannot be read: {error}"));
            None
        }
    }
}

fn protocol(otlp: &Otlp, what: What, reader: &mut EnvironmentReader<'_>) -> Option<Protocol> {
    let (own, name) = match what {
        What::Spans => (otlp.traces_protocol, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
        What::Metrics => (otlp.metrics_protocol, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"),
    };
    let name = if own.is_some() { name } else { "OTEL_EXPORTER_OTLP_PROTOCOL" };
    match own.or(otlp.protocol).unwrap_or_default() {
        Protocol::Grpc => {
            let way_out = "set `http/protobuf` and the receiver's port for HTTP, usually 4318";
            tell_once(
                reader,
                otlp,
                what,
                name,
                format!("`{name}` is `grpc`, which is not supported; {way_out}"),
            );
            None
        }
        protocol => Some(protocol),
    }
}

/// A general variable is looked at for both signals; what is wrong with it is told for the first.
fn tell_once(
    reader: &mut EnvironmentReader<'_>,
    otlp: &Otlp,
    what: What,
    name: &'static str,
    message: String,
) {
    let is_general = matches!(name, "OTEL_EXPORTER_OTLP_HEADERS" | "OTEL_EXPORTER_OTLP_PROTOCOL");
    let spans_used_it = match name {
        "OTEL_EXPORTER_OTLP_HEADERS" => otlp.traces_headers.is_none(),
        _ => otlp.traces_protocol.is_none(),
    };
    let told =
        what == What::Metrics && is_general && spans_used_it && otlp.traces_exporter != Some(Signal::Off);
    if !told {
        reader.problem(name, message);
    }
}

fn delivery(otlp: &Otlp, reader: &EnvironmentReader<'_>) -> (DeliveryConfig, Vec<VariableProblem>) {
    let (mut config, problems) = match DeliveryConfig::from_environment(reader.environment()) {
        Ok(config) => (config, Vec::new()),
        Err(problems) => (DeliveryConfig::default(), problems),
    };
    if let Some(spans) = otlp.max_queue_size {
        config.memory_items = spans.get();
    }
    (config, problems)
}
