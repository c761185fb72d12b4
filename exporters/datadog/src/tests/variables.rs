//! What the variables say, each alone and all together.

use std::time::Duration;

use charm_telemetry_core::testing::ExporterHarness;
use charm_telemetry_core::trace::{Sampler, SpanExporter};
use charm_telemetry_core::{Environment, Registry, VariableProblem};
use serde_json::json;

use super::{Harness, arrived_with, exporter, intake, named, variables, weather};
use crate::settings::{Format, Route};

fn built(pairs: &[(&str, &str)]) -> Result<Harness, Vec<VariableProblem>> {
    ExporterHarness::from_environment(&Environment::from_pairs(pairs.iter().copied()))
}

#[track_caller]
fn route(pairs: &[(&str, &str)]) -> String {
    let harness = built(pairs).unwrap_or_else(|problems| panic!("{problems:?}"));
    match &harness.exporter().settings.as_ref().unwrap().route {
        Route::Public { url, key } => format!("{url} with {}", key.expose()),
        Route::Agent { url } => url.clone(),
    }
}

#[track_caller]
fn problems(pairs: &[(&str, &str)]) -> Vec<String> {
    built(pairs).err().expect("something is wrong").into_iter().map(|problem| problem.message).collect()
}

#[test]
fn the_way_goes_to_datadog_unless_an_agent_is_named() {
    let public = |site: &str| format!("https://api.{site}/api/intake/llm-obs/v1/trace/spans with k");
    let agent = |origin: &str| format!("{origin}/evp_proxy/v2/api/v2/llmobs");
    assert_eq!(route(&[("DD_API_KEY", "k")]), public("datadoghq.com"));
    assert_eq!(route(&[("DATADOG_API_KEY", "k")]), public("datadoghq.com"));
    assert_eq!(route(&[("DATADOG_API_KEY", "other"), ("DD_API_KEY", "k")]), public("datadoghq.com"));
    assert_eq!(route(&[("DD_API_KEY", "k"), ("DD_SITE", "us3.datadoghq.com")]), public("us3.datadoghq.com"));
    assert_eq!(route(&[("DD_TRACE_AGENT_URL", "http://a:1/")]), agent("http://a:1"));
    assert_eq!(route(&[("DD_AGENT_HOST", "a")]), agent("http://a:8126"));
    assert_eq!(route(&[("DD_AGENT_HOST", "::1"), ("DD_TRACE_AGENT_PORT", "9")]), agent("http://[::1]:9"));
    assert_eq!(route(&[("DD_LLMOBS_AGENTLESS_ENABLED", "0")]), agent("http://localhost:8126"));
    let both = [("DD_API_KEY", "k"), ("DD_TRACE_AGENT_URL", "http://a:1")];
    assert_eq!(route(&both), agent("http://a:1"));
    let forced = [both[0], ("DD_TRACE_AGENT_URL", "unix:///a.socket"), ("DD_LLMOBS_AGENTLESS_ENABLED", "1")];
    assert_eq!(route(&forced), public("datadoghq.com"), "the Agent does not matter");
}

#[test]
fn the_variable_for_these_spans_wins_over_the_one_for_all_products() {
    let (public, agent) = ("https://api.datadoghq.com/", "http://a:1/");
    let check = |of_these: &str, of_all: &str, expected: &str| {
        let mut pairs = vec![("DD_API_KEY", "k"), ("DD_TRACE_AGENT_URL", "http://a:1")];
        let both = [("DD_LLMOBS_AGENTLESS_ENABLED", of_these), ("DD_AGENTLESS_ENABLED", of_all)];
        pairs.extend(both.into_iter().filter(|(_, value)| !value.is_empty()));
        assert!(route(&pairs).starts_with(expected), "{pairs:?}");
    };
    check("", "1", public);
    check("", "0", agent);
    check("0", "1", agent);
    check("1", "0", public);
}

#[test]
fn another_address_stands_in_for_datadog_s_and_for_that_of_an_agent() {
    let instead = ("DD_LLMOBS_OVERRIDE_ORIGIN", "https://proxy:9/");
    let public = "https://proxy:9/api/intake/llm-obs/v1/trace/spans with k";
    assert_eq!(route(&[("DD_API_KEY", "k"), instead]), public);
    assert_eq!(route(&[("DD_API_KEY", "k"), ("DD_SITE", "nowhere"), instead]), public);
    let agent = "https://proxy:9/evp_proxy/v2/api/v2/llmobs";
    assert_eq!(route(&[("DD_TRACE_AGENT_URL", "unix:///a.socket"), instead]), agent);
    assert_eq!(route(&[("DD_LLMOBS_AGENTLESS_ENABLED", "0"), instead]), agent);
    for way in [("DD_API_KEY", "k"), ("DD_TRACE_AGENT_URL", "http://a:1")] {
        let told = problems(&[way, ("DD_LLMOBS_OVERRIDE_ORIGIN", "proxy:9")]);
        let expected =
            "`DD_LLMOBS_OVERRIDE_ORIGIN` is `proxy:9`: it must be an address like `http://localhost:8126`";
        assert_eq!(told, [expected]);
    }
}

#[test]
fn without_a_key_and_an_agent_it_does_not_start_and_says_both_ways_out() {
    let expected = "needs `DD_API_KEY` (or `DATADOG_API_KEY`): the API key, or `DD_TRACE_AGENT_URL` to send through an Agent; none is set";
    assert_eq!(problems(&[]), [expected]);
    assert!(built(&[]).err().unwrap()[0].missing);
}

#[test]
fn a_key_that_is_none_is_refused_and_not_shown() {
    for key in ["undefined", "null", "two words", "sesame\nopens", "schlüssel"] {
        let told = problems(&[("DD_API_KEY", key)]).concat();
        assert!(told.contains("`DD_API_KEY`") && !told.contains(key), "{told}");
    }
}

#[test]
fn a_site_that_is_none_is_refused_with_the_way_out() {
    for (site, way_out) in [
        ("https://datadoghq.eu", "without `https://`"),
        ("datadog", "without `https://`"),
        ("app.datadoghq.eu", "`datadoghq.eu`"),
        ("ddog-gov.com", "through an Agent"),
        ("us2.ddog-gov.com", "through an Agent"),
    ] {
        let told = problems(&[("DD_API_KEY", "k"), ("DD_SITE", site)]);
        assert!(told.len() == 1 && told[0].contains(way_out) && told[0].contains(site), "{told:?}");
    }
}

#[test]
fn an_agent_that_cannot_be_reached_by_its_address_is_refused() {
    for (url, way_out) in [
        ("unix:///var/run/datadog/apm.socket", "listen on a port"),
        ("localhost:8126", "http://localhost:8126"),
        ("http://", "http://localhost:8126"),
        ("http://a b", "http://localhost:8126"),
    ] {
        let told = problems(&[("DD_TRACE_AGENT_URL", url)]);
        assert!(told.len() == 1 && told[0].contains(way_out), "{told:?}");
    }
    let told = problems(&[("DD_TRACE_AGENT_URL", "http://user:hidden@a:1")]).concat();
    assert!(!told.contains("hidden"), "{told}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let told = built(&[
        ("DD_SITE", "nowhere"),
        ("DD_LLMOBS_SAMPLE_RATE", "2"),
        ("DD_TRACE_AGENT_PORT", "x"),
        ("CHARM_SPOOL_MAX_AGE", "3 fortnights"),
    ]);
    let variables: Vec<_> = told.err().unwrap().into_iter().map(|problem| problem.variable).collect();
    assert_eq!(
        variables,
        ["DD_LLMOBS_SAMPLE_RATE", "DD_TRACE_AGENT_PORT", "DD_SITE", "DD_API_KEY", "CHARM_SPOOL_MAX_AGE"]
    );
}

#[test]
fn nothing_waits_for_longer_than_datadog_takes_it() {
    let max_age = |pairs: &[(&str, &str)]| {
        let harness = built(pairs).ok().unwrap();
        harness.exporter().settings.as_ref().unwrap().delivery.spool.max_age
    };
    let key = ("DD_API_KEY", "k");
    assert_eq!(max_age(&[key]), Duration::from_hours(24));
    assert_eq!(max_age(&[key, ("CHARM_SPOOL_MAX_AGE", "7d")]), Duration::from_hours(24));
    assert_eq!(max_age(&[key, ("CHARM_SPOOL_MAX_AGE", "1h")]), Duration::from_hours(1));
}

#[test]
fn the_smaller_sample_rate_counts() {
    let sampler = |own: Option<&str>, all: f64| {
        let mut pairs = vec![("DD_API_KEY", "k")];
        pairs.extend(own.map(|own| ("DD_LLMOBS_SAMPLE_RATE", own)));
        let all = Sampler::new(all).unwrap().keep_errors(true);
        let sampler = SpanExporter::sampler(built(&pairs).ok().unwrap().exporter(), all);
        (sampler.rate(), sampler.keeps_errors())
    };
    assert_eq!(sampler(None, 0.5), (0.5, true));
    assert_eq!(sampler(Some("0.1"), 0.5), (0.1, true));
    assert_eq!(sampler(Some("0.9"), 0.5), (0.5, true));
}

#[test]
fn a_rate_of_nothing_sends_nothing() {
    for format in [Format::Public, Format::Agent] {
        assert!(arrived_with(format, &[("DD_LLMOBS_SAMPLE_RATE", "0")], weather).is_empty());
    }
}

#[track_caller]
fn tags(more: &[(&str, &str)]) -> Vec<String> {
    let spans = arrived_with(Format::Agent, more, |harness| {
        harness.run_start(&json!({})).unwrap();
        harness.run_end(&json!({})).unwrap();
    });
    spans[0]["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_tag_that_datadog_has_itself_is_not_there_twice() {
    let tags = tags(&[("CHARM_TELEMETRY_TAGS", "error=9,ml_app=x,team=search,service=y")]);
    for key in ["error:", "ml_app:", "service:", "team:"] {
        assert_eq!(tags.iter().filter(|tag| tag.starts_with(key)).count(), 1, "{key} {tags:?}");
    }
    assert!(tags.contains(&"error:0".to_owned()) && tags.contains(&"ml_app:weather-app".to_owned()));
}

#[test]
fn the_switch_of_datadog_s_own_libraries_is_honoured() {
    for (value, sends) in [("0", false), ("false", false), ("1", true)] {
        let receiver = intake::strict(Format::Public);
        let mut environment = variables(&receiver, Format::Public);
        environment.set("DD_LLMOBS_ENABLED", value);
        let mut harness = exporter(&environment);
        harness.run_start(&json!({})).unwrap();
        harness.run_end(&json!({})).unwrap();
        harness.shutdown(super::PATIENCE).unwrap();
        assert_eq!(!receiver.requests().is_empty(), sends, "{value}");
    }
    let off = Environment::from_pairs([("DD_LLMOBS_ENABLED", "false")]);
    exporter(&off);
}

#[test]
fn tags_say_whose_span_it_is_and_never_that_it_is_of_another_library() {
    let tags = tags(&[("CHARM_TELEMETRY_TAGS", "team=search,region=eu")]);
    let version = concat!("charm_telemetry.version:", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        tags,
        [
            "ml_app:weather-app",
            "service:wsvc",
            "source:charm-telemetry",
            version,
            "env:staging",
            "version:1.2.3",
            "team:search",
            "region:eu",
            "error:0",
        ]
    );
}

#[test]
fn the_application_is_what_is_named_first_and_always_as_datadog_takes_it() {
    let ml_app = |pairs: &[(&str, &str)]| tags(pairs)[0].clone();
    let unnamed = [("DD_LLMOBS_ML_APP", ""), ("DD_SERVICE", "")];
    assert_eq!(ml_app(&[]), "ml_app:weather-app");
    assert_eq!(ml_app(&unnamed[..1]), "ml_app:wsvc");
    assert_eq!(ml_app(&unnamed), "ml_app:weather_agent");
    assert_eq!(ml_app(&[unnamed[0], unnamed[1], ("CHARM_AGENT_NAME", "")]), "ml_app:charm-agent");
    assert_eq!(ml_app(&[("DD_LLMOBS_ML_APP", " My  Wéather__App! ")]), "ml_app:my_wéather_app");
    let long = "a".repeat(300);
    assert_eq!(ml_app(&[("DD_LLMOBS_ML_APP", &long)]).len(), "ml_app:".len() + 193);
}

#[test]
fn the_service_and_the_version_have_sources_of_their_own_if_they_are_not_set() {
    let tags =
        tags(&[("DD_SERVICE", ""), ("DD_ENV", ""), ("DD_VERSION", ""), ("CHARM_AGENT_VERSION", "9.9")]);
    assert!(tags.contains(&"service:weather-app".to_owned()) && tags.contains(&"version:9.9".to_owned()));
    assert!(!tags.iter().any(|tag| tag.starts_with("env:")), "an empty tag says nothing");
}

#[test]
fn the_exporter_is_found_by_its_name_and_hides_its_key() {
    let registry = Registry::linked().unwrap();
    let descriptor = registry.get("datadog").expect("it is in this crate").descriptor;
    assert_eq!(descriptor.crate_name, "charm-telemetry-datadog");
    let key = &descriptor.variables[0];
    assert_eq!((key.names, key.secret), (&["DD_API_KEY", "DATADOG_API_KEY"][..], true));
    let secret: Vec<_> = descriptor.variables.iter().filter(|variable| variable.secret).collect();
    assert_eq!(secret.len(), 1);
}

#[test]
fn what_can_be_said_of_a_conversation_is_said_on_every_span() {
    let spans = arrived_with(Format::Public, &[], weather);
    assert!(spans.iter().all(|span| span["session_id"] == "sess-42"));
    assert_eq!(named(&spans, "weather_agent")["meta"]["input"]["value"], "Weather in Lyon?");
}
