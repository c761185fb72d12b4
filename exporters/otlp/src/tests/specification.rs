//! The variables that the specification has, one by one: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>
//! and <https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/>.
//!
//! Rule: none is passed over in silence, and none is missing in the guide.

use charm_telemetry_core::Environment;
use charm_telemetry_core::testing::ExporterHarness;

use crate::Otlp;

/// Each exists for all signals and for each one, with a value that is none of the defaults.
const OF_ALL_SIGNALS: [(&str, &str); 9] = [
    ("ENDPOINT", "http://elsewhere:4318"),
    ("INSECURE", "true"),
    ("CERTIFICATE", "/nowhere/ca.pem"),
    ("CLIENT_KEY", "/nowhere/client.key"),
    ("CLIENT_CERTIFICATE", "/nowhere/client.pem"),
    ("HEADERS", "x-team=search"),
    ("COMPRESSION", "gzip"),
    ("TIMEOUT", "1234"),
    ("PROTOCOL", "http/json"),
];

/// Those of metrics alone, and two older names.
const OTHERS: [(&str, &str); 4] = [
    ("METRICS_TEMPORALITY_PREFERENCE", "delta"),
    ("METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram"),
    ("SPAN_INSECURE", "true"),
    ("METRIC_INSECURE", "true"),
];

/// Of the SDK and of instrumentations: they would change what is sent, and do not.
const OF_OTHERS: [(&str, &str); 7] = [
    ("OTEL_BSP_EXPORT_TIMEOUT", "1000"),
    ("OTEL_METRIC_EXPORT_TIMEOUT", "1000"),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", "3"),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "3"),
    ("OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT", "true"),
    ("OTEL_TRACES_SAMPLER", "traceidratio"),
    ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// What is sent, or how, is another.
    Used,
    /// The start is refused with the variable's name.
    Refused,
    /// A line says why not.
    Told,
    Silent,
}

/// Spans and metrics over TLS, so that all variables have something to say.
fn fate(name: &str, value: &str) -> Fate {
    let basis = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://h/t"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://h/m"),
    ];
    // The general endpoint is heard where a signal has none.
    let general = name == "OTEL_EXPORTER_OTLP_ENDPOINT";
    let basis = if general { &basis[..1] } else { &basis[..] };
    let told = |more: Option<(&str, &str)>| {
        let environment = Environment::from_pairs(basis.iter().copied().chain(more));
        ExporterHarness::<Otlp>::from_environment(&environment).map(|harness| {
            let otlp = harness.exporter();
            let plan = otlp.plan();
            let means =
                format!("{:?} {:?} {:?} {:?}", plan.spans, plan.metrics, otlp.temporality, otlp.aggregation);
            (means, plan.notes.clone())
        })
    };
    let (without, notes) = told(None).expect("nothing is wrong");
    assert_eq!(notes, [""; 0]);
    match told(Some((name, value))) {
        Err(problems) if problems.iter().all(|problem| problem.variable == name) => Fate::Refused,
        Ok((means, notes)) if means != without && notes.is_empty() => Fate::Used,
        Ok((_, notes)) if notes.iter().any(|note| note.starts_with(&format!("`{name}` is not used: "))) => {
            Fate::Told
        }
        _ => Fate::Silent,
    }
}

fn variable(rest: &str) -> String {
    format!("OTEL_EXPORTER_OTLP_{rest}")
}

#[test]
fn each_variable_of_the_specification_is_used_or_answered_with_a_sentence() {
    for (option, value) in OF_ALL_SIGNALS {
        for signal in ["", "TRACES_", "METRICS_", "LOGS_", "PROFILES_"] {
            let expected = match (signal, option) {
                ("LOGS_" | "PROFILES_", _) | (_, "INSECURE") => Fate::Told,
                // There are no such files: whoever opens them says so.
                (_, "CERTIFICATE" | "CLIENT_KEY" | "CLIENT_CERTIFICATE") => Fate::Refused,
                _ => Fate::Used,
            };
            let name = variable(&format!("{signal}{option}"));
            assert_eq!(fate(&name, value), expected, "{name}");
        }
    }
    for (rest, value) in OTHERS {
        let expected = if rest.ends_with("INSECURE") { Fate::Told } else { Fate::Used };
        assert_eq!(fate(&variable(rest), value), expected, "{rest}");
    }
    for (name, value) in OF_OTHERS {
        assert_eq!(fate(name, value), Fate::Told, "{name}");
        assert_eq!(fate(name, ""), Fate::Silent, "{name}: what is empty is not set");
    }
    assert_eq!(fate(&variable("ENDPIONT"), "https://h"), Fate::Told, "a name that nobody knows");
    assert_eq!(fate(&variable("INSECURE"), ""), Fate::Silent, "what is empty is not set");
    assert_eq!(fate("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://h"), Fate::Silent, "it is another exporter's");
}

#[test]
fn each_variable_is_in_the_guide() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/exporters/otlp.md");
    let guide = std::fs::read_to_string(file).unwrap();
    let options = OF_ALL_SIGNALS.iter().chain(&OTHERS).map(|(rest, _)| variable(rest));
    let registry = charm_telemetry_core::Registry::linked().unwrap();
    let read = registry.get("otlp").expect("it is in this crate").descriptor.variables;
    // A variable of one signal is in the guide by its general form.
    let of_signal = |name: &str| {
        OF_ALL_SIGNALS.iter().any(|(option, _)| {
            ["TRACES_", "METRICS_"].iter().any(|signal| name == variable(&format!("{signal}{option}")))
        })
    };
    let read = read.iter().flat_map(|variable| variable.names).copied().filter(|name| !of_signal(name));
    let of_others = OF_OTHERS.iter().map(|(name, _)| (*name).to_owned());
    for name in options.chain(read.map(str::to_owned)).chain(of_others) {
        assert!(guide.contains(&format!("`{name}`")), "{name} is not in {file}");
    }
    for signal in ["OTEL_EXPORTER_OTLP_TRACES_...", "OTEL_EXPORTER_OTLP_LOGS_..."] {
        assert!(guide.contains(signal), "{signal} is not in {file}");
    }
}
