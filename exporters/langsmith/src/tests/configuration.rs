//! What the variables do.
//!
//! Rule: as LangSmith's SDKs read them, but a switch that somebody tried to set is never silently off.

use std::time::Duration;

use charm_telemetry_core::delivery::{Destination, HeaderText};
use charm_telemetry_core::{Environment, Registry, VariableProblem};
use serde_json::json;

use super::support::{Harness, KEY, exporter, finish, ingested, plain, recorded_run, runs};
use crate::age::MAX_AGE;
use crate::request::Project;

fn build(pairs: &[(&str, &str)]) -> Result<Harness, Vec<VariableProblem>> {
    Harness::from_environment(&Environment::from_pairs(pairs.iter().copied()))
}

fn problems(pairs: &[(&str, &str)]) -> Vec<&'static str> {
    build(pairs).err().unwrap_or_default().iter().map(|problem| problem.variable).collect()
}

#[test]
fn the_key_is_all_that_is_needed_and_the_defaults_are_the_vendors() {
    let harness = build(&[("LANGCHAIN_API_KEY", KEY)]).ok().unwrap();
    let exporter = harness.exporter();
    assert_eq!(exporter.endpoint.to_string(), "https://api.smith.langchain.com");
    assert_eq!(exporter.project, "default");
    assert_eq!(exporter.post_after, None);
}

#[test]
fn every_variable_that_is_missing_or_wrong_is_told_at_once() {
    assert_eq!(problems(&[]), ["LANGSMITH_API_KEY"]);
    let wrong = [
        ("LANGSMITH_ENDPOINT", "smith"),
        ("LANGSMITH_HIDE_INPUTS", "maybe"),
        ("LANGSMITH_TRACING_SAMPLING_RATE", "2"),
        ("CHARM_LANGSMITH_POST_AFTER", "soon"),
    ];
    let expected = [
        "LANGSMITH_API_KEY",
        "LANGSMITH_ENDPOINT",
        "LANGSMITH_HIDE_INPUTS",
        "LANGSMITH_TRACING_SAMPLING_RATE",
        "CHARM_LANGSMITH_POST_AFTER",
    ];
    assert_eq!(problems(&wrong), expected);
    assert_eq!(problems(&[("LANGSMITH_API_KEY", " \" \" ")]), ["LANGSMITH_API_KEY"]);
    let spool = [("LANGSMITH_API_KEY", KEY), ("CHARM_SPOOL_MAX_AGE", "3 fortnights")];
    assert_eq!(problems(&spool), ["CHARM_SPOOL_MAX_AGE"]);
}

#[test]
fn the_project_the_workspace_and_the_key_are_sent_as_the_sdks_send_them() {
    let double = plain();
    let key = format!("\"{KEY}\" ");
    let variables = [
        ("LANGSMITH_API_KEY", key.as_str()),
        ("LANGCHAIN_PROJECT", "old"),
        ("LANGSMITH_PROJECT", "new"),
        ("LANGSMITH_WORKSPACE_ID", "0e0f5f9f"),
    ];
    let mut harness = exporter(&double, &variables);
    recorded_run(&mut harness);
    finish(&mut harness);
    assert!(runs(&double).iter().all(|run| run.main["session_name"] == "new"));
    for request in double.requests() {
        assert_eq!(request.header("x-api-key"), Some(KEY));
        assert_eq!(request.header("x-tenant-id"), Some("0e0f5f9f"), "{}", request.path);
        assert_eq!(request.header("accept"), Some("application/json"));
        assert!(request.header("user-agent").is_some_and(|agent| agent.starts_with("charm-telemetry/")));
        assert!(!request.text().contains(KEY));
    }
}

/// What an exporter with these variables and an old key sends: the key, the workspace, the address, the project.
fn sent_with(pairs: &[(&str, &str)]) -> [String; 4] {
    let pairs: Vec<_> = [("LANGCHAIN_API_KEY", "old-key")].into_iter().chain(pairs.iter().copied()).collect();
    let harness = build(&pairs).map_err(|why| format!("{pairs:?}: {why:?}")).unwrap();
    let request = Project::new(harness.exporter()).greeting().expect("`/info` is asked");
    let header = |name: &str| match request.headers().find(|(header, _)| *header == name) {
        Some((_, HeaderText::Plain(text))) => text.clone(),
        Some((_, HeaderText::Secret(secret))) => secret.expose().to_owned(),
        None => "-".to_owned(),
    };
    let address = request.url().trim_end_matches("/info").to_owned();
    [header("x-api-key"), header("x-tenant-id"), address, harness.exporter().project.clone()]
}

#[test]
fn old_names_blanks_and_quotes_are_read_as_the_sdks_read_them() {
    const US: &str = "https://api.smith.langchain.com";
    let projects = [
        ("HOSTED_LANGSERVE_PROJECT_NAME", "hosted"),
        ("LANGSMITH_PROJECT", "project"),
        ("LANGCHAIN_PROJECT", "old project"),
        ("LANGSMITH_SESSION", "session"),
        ("LANGCHAIN_SESSION", "old session"),
    ];
    for (place, (name, value)) in projects.into_iter().enumerate() {
        assert_eq!(sent_with(&projects[place..]), ["old-key", "-", US, value], "{name}");
        let mut blank = projects;
        blank[..place].iter_mut().for_each(|(_, value)| *value = " ");
        assert_eq!(sent_with(&blank), ["old-key", "-", US, value], "{name} after blank ones");
    }
    for (pairs, expected) in [
        (&[][..], ["old-key", "-", US, "default"]),
        (&[("LANGSMITH_API_KEY", "key")], ["key", "-", US, "default"]),
        (&[("LANGSMITH_API_KEY", " ")], ["old-key", "-", US, "default"]),
        (&[("LANGSMITH_API_KEY", " 'key' ")], ["key", "-", US, "default"]),
        (&[("LANGSMITH_PROJECT", " ")], ["old-key", "-", US, "default"]),
        (&[("LANGSMITH_WORKSPACE_ID", " \"w\" ")], ["old-key", "w", US, "default"]),
        (&[("LANGSMITH_WORKSPACE_ID", " ")], ["old-key", "-", US, "default"]),
        (&[("LANGSMITH_WORKSPACE_ID", "''")], ["old-key", "-", US, "default"]),
        (&[("LANGCHAIN_WORKSPACE_ID", "old")], ["old-key", "old", US, "default"]),
        (
            &[("LANGCHAIN_WORKSPACE_ID", "old"), ("LANGSMITH_WORKSPACE_ID", "new")],
            ["old-key", "new", US, "default"],
        ),
        (&[("LANGCHAIN_ENDPOINT", "http://old/")], ["old-key", "-", "http://old", "default"]),
        (
            &[("LANGSMITH_ENDPOINT", "\t"), ("LANGCHAIN_ENDPOINT", "http://old")],
            ["old-key", "-", "http://old", "default"],
        ),
        (
            &[("LANGSMITH_ENDPOINT", "http://new"), ("LANGCHAIN_ENDPOINT", "http://old")],
            ["old-key", "-", "http://new", "default"],
        ),
    ] {
        assert_eq!(sent_with(pairs), expected, "{pairs:?}");
    }
}

#[test]
fn the_switch_of_the_sdk_within_the_agent_is_not_ours() {
    for value in ["false", "1", "true"] {
        let double = plain();
        let mut harness = exporter(&double, &[("LANGSMITH_TRACING", value), ("LANGCHAIN_TRACING_V2", value)]);
        recorded_run(&mut harness);
        finish(&mut harness);
        assert_eq!(runs(&double).len(), 4, "{value}");
    }
}

#[test]
fn nothing_at_all_is_sent_of_traces_that_are_not_sampled() {
    let double = plain();
    let mut harness =
        exporter(&double, &[("LANGSMITH_TRACING_SAMPLING_RATE", "0"), ("CHARM_LANGSMITH_POST_AFTER", "0s")]);
    recorded_run(&mut harness);
    harness.shutdown(Duration::from_secs(1)).unwrap();
    assert!(harness.exporter().sending.0.is_none());
    assert!(double.requests().is_empty());
}

#[test]
fn a_trace_is_sent_whole_or_not_at_all_and_says_the_rate() {
    let mut counts = Vec::new();
    for _ in 0..16 {
        let double = plain();
        let mut harness = exporter(&double, &[("LANGSMITH_TRACING_SAMPLING_RATE", "0.5")]);
        recorded_run(&mut harness);
        let kept = "0.5".parse::<crate::sampling::Rate>().unwrap().keeps(uuid_of(&harness));
        if kept {
            finish(&mut harness);
            assert!(runs(&double).iter().all(|run| run.metadata()["ls_tracing_sample_rate"] == json!(0.5)));
        }
        counts.push((kept, ingested(&double).iter().flat_map(super::support::runs_of).count()));
    }
    assert!(counts.iter().all(|&(kept, count)| count == if kept { 4 } else { 0 }), "{counts:?}");
}

fn uuid_of(harness: &Harness) -> uuid::Uuid {
    uuid::Uuid::from_bytes(*harness.run_id().as_bytes())
}

#[test]
fn what_waits_on_disk_for_the_cloud_is_never_older_than_it_takes() {
    let age = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = [("LANGSMITH_API_KEY", KEY)].into_iter().chain(pairs.iter().copied()).collect();
        build(&pairs).ok().unwrap().exporter().delivery.spool.max_age
    };
    assert_eq!(age(&[]), MAX_AGE);
    assert!(MAX_AGE < Duration::from_hours(24));
    assert_eq!(age(&[("CHARM_SPOOL_MAX_AGE", "1h")]), Duration::from_hours(1));
    assert_eq!(age(&[("LANGSMITH_ENDPOINT", "https://mine/api/v1")]), Duration::from_hours(7 * 24));
}

#[test]
fn data_of_one_project_is_never_sent_to_another_and_a_changed_key_changes_nothing() {
    let identity = |pairs: &[(&str, &str)]| Project::new(build(pairs).ok().unwrap().exporter()).identity();
    let ours = identity(&[("LANGSMITH_API_KEY", KEY)]);
    assert_eq!(ours, identity(&[("LANGSMITH_API_KEY", "another")]));
    assert!(!ours.contains(KEY));
    for (name, value) in [
        ("LANGSMITH_PROJECT", "p"),
        ("LANGSMITH_WORKSPACE_ID", "w"),
        ("LANGSMITH_ENDPOINT", "https://eu.api.smith.langchain.com"),
    ] {
        assert_ne!(ours, identity(&[("LANGSMITH_API_KEY", KEY), (name, value)]));
    }
}

#[test]
fn the_exporter_is_found_by_its_name_and_tells_which_variables_are_secret() {
    let registry = Registry::linked().unwrap();
    let descriptor = registry.get("langsmith").expect("it is in this crate").descriptor;
    assert_eq!(
        descriptor.doc.lines().next(),
        Some("Sends runs, calls of models and tools, and searches to LangSmith.")
    );
    let secret: Vec<_> = descriptor.variables.iter().filter(|v| v.secret).map(|v| v.names[0]).collect();
    assert_eq!(secret, ["LANGSMITH_API_KEY"]);
}
