//! The variables, as an operator writes them.

use charm_telemetry_core::testing::ExporterHarness;
use charm_telemetry_core::{Environment, Registry};

use crate::{EnvironmentName, Lifecycle, Release, Sentry};

fn problems(pairs: &[(&'static str, &'static str)]) -> Vec<(&'static str, String)> {
    let environment = Environment::from_pairs(pairs.iter().copied());
    let problems = ExporterHarness::<Sentry>::from_environment(&environment).err().unwrap_or_default();
    problems.into_iter().map(|problem| (problem.variable, problem.message)).collect()
}

#[test]
fn a_dsn_is_enough_and_the_defaults_can_be_read() {
    assert_eq!(problems(&[("SENTRY_DSN", "https://abc@host/42")]), []);
}

#[test]
fn without_a_dsn_nothing_starts() {
    let [(variable, message)] = &problems(&[])[..] else { panic!("one problem") };
    assert_eq!(*variable, "SENTRY_DSN");
    assert!(message.starts_with("needs `SENTRY_DSN`: Where to send"), "{message}");
    assert_eq!(problems(&[("SENTRY_DSN", "")]).len(), 1, "an empty one is none");
}

#[test]
fn a_bad_dsn_is_explained_and_not_shown() {
    let [(variable, message)] = &problems(&[("SENTRY_DSN", "https://abc:sesame@host")])[..] else { panic!() };
    assert_eq!(*variable, "SENTRY_DSN");
    assert_eq!(
        message,
        "`SENTRY_DSN` is no DSN: it has no project at its end; write `https://KEY@HOST/PROJECT`"
    );
}

#[test]
fn every_variable_that_cannot_be_read_is_told_at_once() {
    let found = problems(&[
        ("SENTRY_DSN", "nowhere"),
        ("SENTRY_RELEASE", "a/b"),
        ("SENTRY_ENVIRONMENT", "None"),
        ("SENTRY_SAMPLE_RATE", "2"),
        ("SENTRY_TRACES_SAMPLE_RATE", "some"),
        ("SENTRY_SEND_DEFAULT_PII", "perhaps"),
        ("SENTRY_TRACE_LIFECYCLE", "transaction"),
    ]);
    let variables: Vec<_> = found.iter().map(|(variable, _)| *variable).collect();
    // The DSN is judged once the other fields can be read.
    let expected = [
        "SENTRY_RELEASE",
        "SENTRY_ENVIRONMENT",
        "SENTRY_SAMPLE_RATE",
        "SENTRY_TRACES_SAMPLE_RATE",
        "SENTRY_SEND_DEFAULT_PII",
        "SENTRY_TRACE_LIFECYCLE",
    ];
    assert_eq!(variables, expected);
}

#[test]
fn releases_and_environments_that_sentry_throws_away_are_refused() {
    for bad in [".", "..", "a/b", "a\\b", "a\nb", " "] {
        assert!(bad.parse::<Release>().is_err(), "{bad:?}");
    }
    assert!("x".repeat(201).parse::<Release>().is_err());
    assert_eq!("my-agent@1.2.3+4".parse::<Release>().unwrap().as_str(), "my-agent@1.2.3+4");
    for bad in ["None", "none", "a/b", "a\nb", ""] {
        assert!(bad.parse::<EnvironmentName>().is_err(), "{bad:?}");
    }
    assert!("x".repeat(65).parse::<EnvironmentName>().is_err());
}

#[test]
fn the_release_of_an_agent_is_its_name_and_version() {
    let release = |name, version| Release::of_agent(name, version).map(|r| r.as_str().to_owned());
    assert_eq!(release("Weather", Some("1.2.3")).as_deref(), Some("Weather@1.2.3"));
    assert_eq!(release("a/b", Some("1\n2")).as_deref(), Some("a-b@1-2"));
    assert_eq!(release("Weather", None), None);
}

#[test]
fn a_lifecycle_is_written_as_it_is_read() {
    for lifecycle in [Lifecycle::Stream, Lifecycle::Static] {
        assert_eq!(lifecycle.to_string().parse(), Ok(lifecycle));
    }
}

#[test]
fn the_exporter_is_found_by_its_name_and_its_dsn_is_a_secret() {
    let registry = Registry::linked().unwrap();
    let descriptor = registry.get("sentry").expect("it is in this crate").descriptor;
    assert_eq!(descriptor.type_name, "charm_telemetry_sentry::Sentry");
    let dsn = &descriptor.variables[0];
    assert!(dsn.names == ["SENTRY_DSN"] && dsn.secret && dsn.required);
    assert!(descriptor.variables[1..].iter().all(|variable| !variable.required));
}
