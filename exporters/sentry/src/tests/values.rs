//! The time of sending, the headers of a request, names and tags.

use charm_telemetry_core::delivery::HeaderText;
use charm_telemetry_core::trace::{TelemetrySettings, TraceAssembler, TraceLimits};

use super::payloads::{envelope_of, event};
use super::script::{Script, profile};
use super::strict::Envelope;
use crate::Dsn;
use crate::destination::rfc3339;
use crate::profile::Profile;
use crate::rate_limits::Category;
use crate::request::request;
use crate::transaction::transaction_item;

#[test]
fn times_are_written_in_utc() {
    let check = |seconds: u64, expected: &str| {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(seconds * 1000 + 7);
        assert_eq!(rfc3339(time), expected);
    };
    check(0, "1970-01-01T00:00:00.007Z");
    check(951_782_399, "2000-02-28T23:59:59.007Z");
    check(951_782_400, "2000-02-29T00:00:00.007Z");
    check(1_795_367_126, "2026-11-22T17:05:26.007Z");
    check(4_107_542_399, "2100-02-28T23:59:59.007Z");
    check(4_107_542_400, "2100-03-01T00:00:00.007Z");
}

#[test]
fn the_keys_are_in_one_secret_header() {
    let dsn: Dsn = "https://abc:sesame@host/42".parse().unwrap();
    let request = request(&dsn);
    assert_eq!(request.url(), "https://host/api/42/envelope/");
    let auth = request.headers().find(|(name, _)| *name == "x-sentry-auth").unwrap().1;
    let HeaderText::Secret(auth) = auth else { panic!("it is secret") };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        auth.expose(),
        format!(
            "Sentry sentry_version=7, sentry_client=sentry.rust.charm/{version}, sentry_key=abc, sentry_secret=sesame"
        )
    );
    assert!(!format!("{request:?}").contains("sesame"));
}

#[test]
fn a_tag_never_stands_under_a_name_that_sentry_reads() {
    let mut settings = TelemetrySettings::default();
    settings.tags = "gen_ai.usage.input_tokens=many,sentry.op=x,agent=y,team=search".parse().unwrap();
    let profile = Profile::new(None, "test", &settings, None);
    assert_eq!(profile.tags, [("team".to_owned(), "search".to_owned())]);
}

#[test]
fn a_tag_that_sentry_would_take_away_is_not_sent() {
    let mut settings = TelemetrySettings::default();
    settings.tags = "release=1,dist=2,user=3,filename=4,function=5,environment=6,level=7".parse().unwrap();
    let profile = Profile::new(None, "test", &settings, None);
    assert_eq!(profile.tags, [("level".to_owned(), "7".to_owned())]);
}

#[test]
fn names_and_tags_that_sentry_would_change_are_changed_before() {
    let mut script = Script::new();
    let environment =
        charm_telemetry_core::Environment::from_pairs([("CHARM_AGENT_NAME", "x\n".repeat(200))]);
    let settings = TelemetrySettings::read(&mut charm_telemetry_core::EnvironmentReader::new(&environment));
    script.trace = TraceAssembler::new(&settings, TraceLimits::default());
    let moment = script.at(0, None);
    script.trace.error(moment, "boom");
    let spans = script.spans();
    Envelope::read(&envelope_of(Category::Error, &event(&spans))).unwrap();
    Envelope::read(&envelope_of(Category::Transaction, &[transaction_item(&spans[0], &[], &profile())]))
        .unwrap();
}

#[test]
fn a_tool_without_a_name_has_no_tag_of_it() {
    for name in ["", " ", "\n"] {
        let mut script = Script::new();
        let tool = Some(script.call());
        let moment = script.at(0, tool);
        script.trace.tool_start(moment, name, "");
        let moment = script.at(5, tool);
        script.trace.tool_error(moment, name, "boom");
        let envelope = Envelope::read(&envelope_of(Category::Error, &event(&script.spans()))).unwrap();
        let tags = &envelope.items[0].1["tags"];
        assert!(tags.get("tool").is_none() && tags["agent"] == "Weather", "{tags}");
    }
}
