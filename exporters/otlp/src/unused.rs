//! Variables that say something to other exporters of OTLP and nothing to this one.
//!
//! Rule: every `OTEL_EXPORTER_OTLP_...` variable that is set is used, refused, or answered here with a sentence; and so are
//! those of the SDK's processors, limits and samplers that change what other exporters send.

use charm_telemetry_core::{Environment, Registry};

/// What all such variables begin with.
const PREFIX: &str = "OTEL_EXPORTER_OTLP_";

/// Signals that the specification has and that are not sent.
const OTHER_SIGNALS: [(&str, &str); 2] = [("LOGS_", "logs"), ("PROFILES_", "profiles")];

/// Whether the connection of gRPC is in plain text; the last two are the older names.
const INSECURE: [&str; 5] =
    ["INSECURE", "TRACES_INSECURE", "METRICS_INSECURE", "SPAN_INSECURE", "METRIC_INSECURE"];

/// Those of the SDK and of the GenAI instrumentations that mean nothing here, and why.
const OF_THE_SDK: [(&str, &str); 7] = [
    (
        "OTEL_BSP_EXPORT_TIMEOUT",
        "one request has `OTEL_EXPORTER_OTLP_TIMEOUT`, and all of them are tried again",
    ),
    (
        "OTEL_METRIC_EXPORT_TIMEOUT",
        "one request has `OTEL_EXPORTER_OTLP_TIMEOUT`, and all of them are tried again",
    ),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", "no links are sent"),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "no links are sent"),
    ("OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT", "no events of content are sent; `SPAN_ONLY` puts it on spans"),
    ("OTEL_TRACES_SAMPLER", "all exporters have `CHARM_TELEMETRY_SAMPLE_RATE`"),
    ("OTEL_TRACES_SAMPLER_ARG", "all exporters have `CHARM_TELEMETRY_SAMPLE_RATE`"),
];

/// A sentence for each of them.
pub(crate) fn unused(environment: &Environment) -> Vec<String> {
    let Some(known) = Registry::linked().ok().and_then(|registry| registry.get("otlp")) else {
        return Vec::new();
    };
    let mut notes = other_exporters(environment);
    let of_the_sdk = OF_THE_SDK.iter().filter(|(name, _)| environment.get(name).is_some());
    notes.extend(of_the_sdk.map(|(name, reason)| not_used(name, reason)));
    let is_known =
        |name: &str| known.descriptor.variables.iter().any(|variable| variable.names.contains(&name));
    let set = environment.iter().map(|(name, _)| name).filter(|name| environment.get(name).is_some());
    let ours = set.filter(|name| !is_known(name)).filter_map(|name| Some((name, name.strip_prefix(PREFIX)?)));
    notes.extend(ours.map(|(name, rest)| not_used(name, &reason(rest))));
    notes
}

fn not_used(name: &str, reason: &str) -> String {
    format!("`{name}` is not used: {reason}")
}

/// What `OTEL_TRACES_EXPORTER` and its like name besides this exporter.
fn other_exporters(environment: &Environment) -> Vec<String> {
    let mut notes = Vec::new();
    for variable in ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"] {
        let names = environment.get(variable).unwrap_or_default().split(',').map(str::trim);
        for name in names.filter(|name| !["", "otlp", "none"].contains(&name.to_ascii_lowercase().as_str())) {
            notes.push(format!("`{name}` of `{variable}` is not used: here there are `otlp` and `none`"));
        }
    }
    notes
}

fn reason(rest: &str) -> String {
    if let Some((_, signal)) = OTHER_SIGNALS.iter().find(|(prefix, _)| rest.starts_with(prefix)) {
        return format!("no {signal} are sent");
    }
    if INSECURE.contains(&rest) {
        return "it is for gRPC; here `http://` or `https://` of the endpoint says whether there is TLS"
            .to_owned();
    }
    "the exporter knows no such variable; look for an error in its name".to_owned()
}
