//! What the variables mean, together and alone.

use charm_telemetry_core::delivery::Encoding;
use charm_telemetry_core::testing::ExporterHarness;
use charm_telemetry_core::{Environment, Registry, VariableProblem};

use super::script::settings;
use crate::Otlp;
use crate::endpoint::Endpoint;
use crate::options::{Capture, Protocol};
use crate::pairs::{parse_headers, parse_pairs};
use crate::plan::Plan;
use crate::resource::resource;
use crate::wire::Value;

const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const SPANS: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const METRICS: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";

fn plan(pairs: &[(&str, &str)]) -> Result<Plan, Vec<VariableProblem>> {
    let environment = Environment::from_pairs(pairs.iter().copied());
    ExporterHarness::<Otlp>::from_environment(&environment).map(|harness| harness.exporter().plan().clone())
}

fn urls(pairs: &[(&str, &str)]) -> (Option<String>, Option<String>) {
    let plan = plan(pairs).expect("all is well");
    (plan.spans.map(|route| route.url), plan.metrics.map(|route| route.url))
}

fn problem(pairs: &[(&str, &str)]) -> String {
    let problems = plan(pairs).err().expect("a problem");
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].message.clone()
}

#[test]
fn the_general_endpoint_gets_a_path_and_that_of_a_signal_is_used_as_it_is() {
    let check = |pairs: &[(&str, &str)], spans: Option<&str>, metrics: Option<&str>| {
        assert_eq!(urls(pairs), (spans.map(str::to_owned), metrics.map(str::to_owned)), "{pairs:?}");
    };
    check(&[], Some("http://localhost:4318/v1/traces"), Some("http://localhost:4318/v1/metrics"));
    check(&[(ALL, "http://h:1")], Some("http://h:1/v1/traces"), Some("http://h:1/v1/metrics"));
    check(&[(ALL, "https://h/otel/")], Some("https://h/otel/v1/traces"), Some("https://h/otel/v1/metrics"));
    check(&[(ALL, "HTTP://h/o?k=v#f")], Some("http://h/o/v1/traces?k=v"), Some("http://h/o/v1/metrics?k=v"));
    check(&[(SPANS, "http://h:1")], Some("http://h:1/"), None);
    check(&[(SPANS, "http://h:1/x/")], Some("http://h:1/x/"), None);
    check(&[(ALL, "http://h"), (SPANS, "http://s/a")], Some("http://s/a"), Some("http://h/v1/metrics"));
    check(&[(SPANS, "http://s/a"), (METRICS, "http://m/b")], Some("http://s/a"), Some("http://m/b"));
    check(&[("OTEL_METRICS_EXPORTER", "none")], Some("http://localhost:4318/v1/traces"), None);
    check(&[("OTEL_TRACES_EXPORTER", "none")], None, Some("http://localhost:4318/v1/metrics"));
    check(&[("OTEL_SDK_DISABLED", "true")], None, None);
}

#[test]
fn an_address_that_is_none_is_told_with_the_way_out() {
    for (text, expected) in [
        ("localhost:4317", "it must begin with `http://` or `https://`, as in `http://localhost:4318`"),
        ("ftp://h", "it must begin with `http://` or `https://`, as in `http://localhost:4318`"),
        ("http://", "it has no host; write it as in `http://localhost:4318`"),
        ("http://:4318", "it has no host; write it as in `http://localhost:4318`"),
        ("http://u:p@h", "it has a user or a password; put credentials into `OTEL_EXPORTER_OTLP_HEADERS`"),
        ("http://a b", "it has a space or a control character; write them percent-encoded"),
    ] {
        assert_eq!(text.parse::<Endpoint>().unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn the_variables_of_a_signal_win_over_the_general_ones() {
    let plan = plan(&[
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-all=1"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "X-Own=a%20b,second=%3D"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
    ])
    .expect("all is well");
    let (spans, metrics) = (plan.spans.unwrap(), plan.metrics.unwrap());
    let shown = |headers: &[(String, charm_telemetry_core::Secret)]| -> Vec<_> {
        headers.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect()
    };
    assert_eq!(shown(&spans.headers), ["x-own=a b", "second=="]);
    assert_eq!(shown(&metrics.headers), ["x-all=1"]);
    assert_eq!((spans.encoding, metrics.encoding), (Encoding::Gzip, Encoding::Identity));
    assert_eq!(spans.timeout.unwrap().as_millis(), 1, "milliseconds, not seconds");
    assert_eq!(metrics.timeout.unwrap().as_millis(), 2500);
    assert_eq!((spans.protocol, metrics.protocol), (Protocol::Protobuf, Protocol::Json));
}

#[test]
fn what_is_not_supported_is_refused_once_with_the_way_out() {
    assert_eq!(
        problem(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]),
        "`OTEL_EXPORTER_OTLP_PROTOCOL` is `grpc`, which is not supported; set `http/protobuf` and the receiver's port for HTTP, usually 4318"
    );
    assert_eq!(
        problem(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "10s")]),
        "`OTEL_EXPORTER_OTLP_TIMEOUT` is `10s`: expected a number of milliseconds above zero, without a unit"
    );
    assert!(problem(&[("CHARM_SPOOL_MAX_AGE", "soonish")]).contains("`CHARM_SPOOL_MAX_AGE` is `soonish`"));
}

#[test]
fn files_are_read_for_addresses_that_need_them_and_what_is_wrong_is_told_once() {
    let missing = ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem");
    let told = "`OTEL_EXPORTER_OTLP_CERTIFICATE` names `/nowhere/ca.pem`: there is no such file";
    assert_eq!(problem(&[(ALL, "https://h"), missing]), told, "of both signals");
    assert_eq!(problem(&[(SPANS, "https://h"), (METRICS, "http://h"), missing]), told);
    let key = [(ALL, "https://h"), ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/nowhere/client.key")];
    let problems = plan(&key).err().unwrap();
    let told: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "`OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY` names `/nowhere/client.key`: there is no such file",
            "`OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY` names `/nowhere/client.key`: that is of no use alone; set `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE` too, or neither",
        ]
    );
    for plain in [&[(ALL, "http://h")][..], &[(SPANS, "https://h"), ("OTEL_TRACES_EXPORTER", "none")]] {
        let plan = plan(&[plain, &[missing]].concat()).expect("no file is read");
        assert_eq!(
            plan.notes,
            ["`OTEL_EXPORTER_OTLP_CERTIFICATE` is not used: no `https://` address needs it"],
            "{plain:?}"
        );
    }
    let disabled = plan(&[("OTEL_SDK_DISABLED", "true"), (ALL, "https://h"), missing]).unwrap();
    assert_eq!(disabled.notes, [""; 0]);
}

#[test]
fn general_grpc_is_no_problem_if_each_signal_says_otherwise() {
    let pairs = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        ("OTEL_METRICS_EXPORTER", "none"),
    ];
    assert!(plan(&pairs).is_ok());
}

#[test]
fn a_list_of_headers_that_cannot_be_read_shows_no_value() {
    for (text, expected) in [
        ("hunter2", "entry 1 has no `=`; write `key=value,key2=value2`"),
        ("a=1,=hunter2", "entry 2 has no key; write `key=value,key2=value2`"),
        ("a=%zzhunter2", "the value of entry 1 is not percent-encoded UTF-8; write `%25` for a percent sign"),
        ("a=%ff", "the value of entry 1 is not percent-encoded UTF-8; write `%25` for a percent sign"),
        (
            "a=x%0d%0ahunter2",
            "entry 1 cannot be a header; its name must be letters, digits and `-`, its value visible text",
        ),
        (
            "a b=hunter2",
            "entry 1 cannot be a header; its name must be letters, digits and `-`, its value visible text",
        ),
        (
            "Content-Type=hunter2",
            "entry 1 is the header `content-type`, which the exporter writes itself; remove it",
        ),
    ] {
        assert_eq!(parse_headers(text).unwrap_err().to_string(), expected, "{text}");
    }
    let told = problem(&[("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")]);
    assert_eq!(
        told,
        "`OTEL_EXPORTER_OTLP_HEADERS` cannot be read: entry 1 has no `=`; write `key=value,key2=value2`"
    );
    assert_eq!(parse_pairs(" a = 1 , , b=x=y ").unwrap().len(), 2);
}

#[test]
fn the_resource_is_what_the_operator_wrote_before_what_we_know() {
    let check = |name: Option<&str>, written: Option<&str>, key: &str, expected: Option<&str>| {
        let (attributes, _) = resource(name, written, &settings(), "i");
        let found: Vec<_> = attributes.iter().filter(|attribute| attribute.key == key).collect();
        assert!(found.len() < 2, "{key} is there twice");
        let value = found.first().map(|attribute| attribute.value.clone());
        assert_eq!(value, expected.map(|text| Value::from(text.to_owned())), "{name:?} {written:?} {key}");
    };
    check(None, None, "service.name", Some("weather bot"));
    check(None, Some("service.name=a%20b"), "service.name", Some("a b"));
    check(Some("c"), Some("service.name=a"), "service.name", Some("c"));
    check(None, Some("k=1,k=2"), "k", Some("2"));
    check(None, Some("service.version=9"), "service.version", Some("9"));
    check(None, None, "service.version", Some("1.2.0"));
    check(None, None, "team", Some("search"));
    check(None, None, "telemetry.sdk.language", Some("rust"));
    // One bad entry: the whole value is dropped, as the specification has it.
    check(None, Some("k=1,bad=%zz"), "k", None);
    let (_, fault) = resource(None, Some("k=1,bad=%zz"), &settings(), "i");
    assert!(fault.is_some());
}

#[test]
fn content_goes_onto_spans_only_where_the_standard_variable_says_so() {
    for (text, on_spans) in [
        ("NO_CONTENT", false),
        ("span_only", true),
        ("EVENT_ONLY", false),
        ("SPAN_AND_EVENT", true),
        ("false", false),
    ] {
        assert_eq!(text.parse::<Capture>().unwrap().is_on_spans(), on_spans, "{text}");
    }
    assert!("some".parse::<Capture>().is_err());
}

#[test]
fn the_exporter_is_found_by_its_name_and_hides_its_headers() {
    let registry = Registry::linked().unwrap();
    let descriptor = registry.get("otlp").expect("it is in this crate").descriptor;
    assert_eq!(descriptor.type_name, "charm_telemetry_otlp::Otlp");
    for variable in descriptor.variables {
        let is_header = variable.names[0].ends_with("_HEADERS");
        assert_eq!(variable.secret, is_header, "{:?}", variable.names);
        assert!(!variable.required, "{:?}", variable.names);
    }
}

#[test]
fn an_exporter_that_is_not_here_is_told_by_name_and_none_is_the_signal_switched_off() {
    let console =
        plan(&[("OTEL_TRACES_EXPORTER", "console, otlp"), ("OTEL_METRICS_EXPORTER", "none")]).unwrap();
    assert!(console.spans.is_some() && console.metrics.is_none());
    let [note] = &*console.notes else { panic!("{:?}", console.notes) };
    assert_eq!(note, "`console` of `OTEL_TRACES_EXPORTER` is not used: here there are `otlp` and `none`");
}
