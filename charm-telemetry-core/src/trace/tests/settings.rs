//! What operators set, and what they are told when it is wrong.

use crate::trace::{ContentPolicy, Sampler, Tags, TelemetrySettings};
use crate::{Environment, EnvironmentReader};

fn read(pairs: &[(&str, &str)]) -> (TelemetrySettings, Vec<String>) {
    let environment = Environment::from_pairs(pairs.iter().copied());
    let mut reader = EnvironmentReader::new(&environment);
    let settings = TelemetrySettings::read(&mut reader);
    (settings, reader.into_problems().into_iter().map(|problem| problem.message).collect())
}

#[test]
fn without_variables_everything_is_sent_as_the_vendors_have_it() {
    let (settings, problems) = read(&[]);
    assert!(problems.is_empty());
    assert_eq!(settings.content, ContentPolicy::VendorDefault);
    assert_eq!(settings.sampler, Sampler::default());
    assert!(settings.tags.is_empty());
    assert!(!settings.sampler.keeps_errors());
}

#[test]
fn every_variable_is_read() {
    let (settings, problems) = read(&[
        ("CHARM_TELEMETRY_CONTENT", "on"),
        ("CHARM_TELEMETRY_SAMPLE_RATE", "0.25"),
        ("CHARM_TELEMETRY_SAMPLE_KEEP_ERRORS", "true"),
        ("CHARM_TELEMETRY_TAGS", "team=search,region=eu"),
        ("CHARM_AGENT_NAME", "Weather"),
        ("CHARM_AGENT_VERSION", "1.2.3"),
        ("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("TRACESTATE", "a=b"),
    ]);
    assert_eq!(problems, [""; 0]);
    assert_eq!(settings.content, ContentPolicy::On);
    assert_eq!(settings.sampler, Sampler::new(0.25).unwrap().keep_errors(true));
    assert_eq!(settings.tags.to_string(), "team=search,region=eu");
    assert_eq!(settings.agent_name.as_deref(), Some("Weather"));
    assert_eq!(settings.agent_version.as_deref(), Some("1.2.3"));
    assert!(settings.context.remote_parent().is_some());
    assert_eq!(settings.context.tracestate(), Some("a=b"));
}

#[test]
fn every_wrong_value_is_told_with_the_way_out_all_together() {
    let (settings, problems) = read(&[
        ("CHARM_TELEMETRY_CONTENT", "maybe"),
        ("CHARM_TELEMETRY_SAMPLE_RATE", "1.5"),
        ("CHARM_TELEMETRY_SAMPLE_KEEP_ERRORS", "often"),
        ("CHARM_TELEMETRY_TAGS", "team"),
    ]);
    assert_eq!(
        problems,
        [
            "`CHARM_TELEMETRY_SAMPLE_KEEP_ERRORS` is `often`: it must be `true` or `false`",
            "`CHARM_TELEMETRY_CONTENT` is `maybe`: it must be `on`, `off` or `default`",
            "`CHARM_TELEMETRY_SAMPLE_RATE` is `1.5`: it must be a number from 0 to 1, for example `0.1`",
            "`CHARM_TELEMETRY_TAGS` is `team`: the tag `team` has no value; write `key=value,key2=value2`",
        ]
    );
    assert_eq!(settings.content, ContentPolicy::Off, "whoever starts in spite of it sends no content");
}

#[test]
fn only_numbers_from_0_to_1_are_sample_rates() {
    for (text, rate) in [
        ("0", Some(0.0)),
        ("1", Some(1.0)),
        ("1.0", Some(1.0)),
        ("1e-3", Some(0.001)),
        ("-0.1", None),
        ("1.01", None),
        ("NaN", None),
        ("inf", None),
        ("10%", None),
    ] {
        assert_eq!(text.parse::<Sampler>().ok().map(|sampler| sampler.rate()), rate, "{text}");
    }
}

#[test]
fn tags_are_read_or_refused() {
    let long = format!("{}=v", "k".repeat(201));
    for (text, expected) in [
        ("", Ok("")),
        ("a=b", Ok("a=b")),
        (" a = b , c=d,, ", Ok("a=b,c=d")),
        ("a=b=c", Ok("a=b=c")),
        ("url=http://x/?q=1", Ok("url=http://x/?q=1")),
        ("a", Err("the tag `a` has no value; write `key=value,key2=value2`")),
        ("a=", Err("the tag `a=` has no value; write `key=value,key2=value2`")),
        ("=b", Err("the tag `=b` has no key; write `key=value,key2=value2`")),
        ("a=b,a=c", Err("the tag `a` is given twice; remove one of them")),
        ("a=b\nc", Err("the tag `a` has a control character; remove it")),
        (
            &long,
            Err("the tag `kkkkkkkkkkkkkkkkkkkk` is too long; keys and values have at most 200 characters"),
        ),
    ] {
        let parsed = text.parse::<Tags>().map(|tags| tags.to_string()).map_err(|error| error.to_string());
        assert_eq!(parsed, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
    }
}

#[test]
fn the_listing_names_every_variable_once_with_a_doc() {
    let mut names: Vec<_> = TelemetrySettings::VARIABLES.iter().flat_map(|variable| variable.names).collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(TelemetrySettings::VARIABLES.iter().all(|variable| !variable.doc.is_empty() && !variable.secret));
}
