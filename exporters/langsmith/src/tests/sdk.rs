//! Field by field against LangSmith's own SDK (Python, 0.15.0): the same agent run, recorded on loopback.
//!
//! Rule: every difference is listed here with its reason; one that is not listed fails.

use std::collections::BTreeMap;

use serde_json::Value;

use super::checker::{self, Run};
use super::support::{exporter, finish, plain, recorded_run, runs};

/// The whole of a request by Python's `RunTree`, and its type.
pub(super) const RUNTREE: &[u8] = include_bytes!("data/sdk_runtree.multipart");
pub(super) const RUNTREE_TYPE: &str = "multipart/form-data; boundary=a1af637c57c94c4f9568a46867b98e13";
/// The same by `/runs/batch`.
pub(super) const BATCH: &[u8] = include_bytes!("data/sdk_batch.json");
const LANGCHAIN: &[u8] = include_bytes!("data/sdk_langchain.multipart");
const TRACEABLE: [&[u8]; 2] =
    [include_bytes!("data/sdk_traceable_1.multipart"), include_bytes!("data/sdk_traceable_2.multipart")];
/// Sent with zstd.
const TRACEABLE_IN_ONE: &[u8] = include_bytes!("data/sdk_traceable_zstd.multipart");
/// JavaScript, 0.12.0.
const JS: &[u8] = include_bytes!("data/sdk_js.multipart");

/// Runs and the beginnings of paths that differ, what the SDK has there, what we have, and why. `*` is any run and any
/// value, `-` is none.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    ("* main.tags", "[]", "-", "an empty list says nothing"),
    ("agent main.tags", r#"["root"]"#, "-", "those of the code; ours come from CHARM_TELEMETRY_TAGS"),
    ("* events", "[]", "-", "an empty list says nothing"),
    (
        "FakeChat events",
        r#"["new_token","new_token"]"#,
        r#"["new_token"]"#,
        "RunTree keeps what its user adds; the first alone counts",
    ),
    ("* extra.runtime.", "*", "*", "it says who sends"),
    ("* extra.metadata.LANGSMITH_", "*", "-", "the SDK copies variables of the environment; we do not"),
    (
        "search extra.metadata.charm_error_type",
        "-",
        r#""ValueError""#,
        "the class of the error, for filters; the SDK has it in the text alone",
    ),
    (
        "agent extra.metadata.ls_agent_type",
        "-",
        r#""root""#,
        "the SDK's RunTree does not know that it is an agent",
    ),
    ("agent inputs.thread_id", "-", r#""th-1""#, "our agents name the conversation in their inputs"),
    (
        "FakeChat main.name",
        r#""FakeChat""#,
        r#""fake-1""#,
        "the SDK's user names the call; we take the model",
    ),
    ("FakeChat extra.invocation_params.temperature", "0.2", "-", "this agent did not tell it"),
    ("FakeChat serialized", "*", "-", "it is LangChain's constructor; the server shows nothing of it"),
];

fn by_name(runs: &[Run], name: &str) -> BTreeMap<String, Value> {
    let run = runs.iter().find(|run| run.name() == name).unwrap_or_else(|| panic!("no {name}"));
    let mut leaves = BTreeMap::new();
    flatten("main", &run.main, &mut leaves);
    for (field, value) in &run.fields {
        flatten(field, value, &mut leaves);
    }
    leaves
}

fn flatten(path: &str, value: &Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            for (key, value) in object {
                flatten(&format!("{path}.{key}"), value, leaves);
            }
        }
        _ => drop(leaves.insert(path.to_owned(), mask(path, value))),
    }
}

/// Times and ids are another in every run; that they agree with each other is what the checker checks.
fn mask(path: &str, value: &Value) -> Value {
    match path {
        "main.id" | "main.trace_id" | "main.parent_run_id" => "<id>".into(),
        "main.start_time" | "main.end_time" => "<time>".into(),
        "main.dotted_order" => value.as_str().map(|order| order.split('.').count()).into(),
        "events" => value
            .as_array()
            .map(|all| all.iter().map(|event| event["name"].clone()).collect::<Value>())
            .into(),
        _ => value.clone(),
    }
}

fn reason(name: &str, path: &str, theirs: Option<&Value>, ours: Option<&Value>) -> Option<&'static str> {
    let is = |value: Option<&Value>, text: &str| {
        text == "*" || value.map_or("-".to_owned(), Value::to_string) == text
    };
    let listed = |(place, their, our, _): &&(&str, &str, &str, &str)| {
        let (run, start) = place.split_once(' ').expect("a run and a path");
        (run == "*" || run == name) && path.starts_with(start) && is(theirs, their) && is(ours, our)
    };
    DIFFERENCES.iter().find(listed).map(|(_, _, _, why)| *why)
}

fn boundary(name: &str) -> String {
    format!("multipart/form-data; boundary={name}")
}

/// Python's `traceable`, in two requests and in one: each run is posted when it begins, and patched when it ends.
fn traceable() -> [Vec<Run>; 3] {
    let plain = boundary("e60c72a56be94a3387680b7e8638cff9");
    [
        checker::multipart(&plain, TRACEABLE[0]).unwrap(),
        checker::multipart(&plain, TRACEABLE[1]).unwrap(),
        checker::multipart(&boundary("a39e76bf9c8e4644888fc5ba5d590226"), TRACEABLE_IN_ONE).unwrap(),
    ]
}

#[test]
fn the_checker_takes_what_the_sdks_send() {
    let runs = checker::multipart(RUNTREE_TYPE, RUNTREE).unwrap();
    assert_eq!(runs.iter().map(Run::name).collect::<Vec<_>>(), ["agent", "FakeChat", "search", "oneshot"]);
    let runs = checker::multipart(&boundary("0049334019ee4c2984f08a9cf3aec6ad"), LANGCHAIN).unwrap();
    assert_eq!(runs.len(), 5);
    let batch = checker::batch(BATCH).unwrap();
    assert_eq!(batch.iter().map(Run::name).collect::<Vec<_>>(), ["agent", "FakeChat", "search", "oneshot"]);
    let js = checker::multipart(&boundary("----LangSmithFormBoundary6p5e2s1wzx7"), JS).unwrap();
    assert!(js.iter().any(|run| run.main["end_time"].is_u64()), "in milliseconds");
    let count = |runs: &[Run], word: &str| runs.iter().filter(|run| run.operation == word).count();
    let counts = traceable().map(|runs| (count(&runs, "post"), count(&runs, "patch")));
    assert_eq!(
        counts,
        [(2, 0), (2, 2), (4, 4)],
        "what begins and ends in one request of the plain kind is one post"
    );
}

#[test]
fn the_bytes_that_a_compressed_request_says_it_holds_are_those_that_the_sdk_counts() {
    // `X-Pre-Compressed-Size` of the recorded request.
    assert_eq!(crate::multipart::data_bytes(TRACEABLE_IN_ONE), 7535);
}

#[test]
fn every_difference_from_the_sdk_is_listed_with_its_reason() {
    let theirs = checker::multipart(RUNTREE_TYPE, RUNTREE).unwrap();
    let double = plain();
    let mut harness = exporter(&double, &[("LANGSMITH_PROJECT", "proj-x")]);
    recorded_run(&mut harness);
    finish(&mut harness);
    let ours = runs(&double);

    let mut unlisted = Vec::new();
    let mut used = Vec::new();
    for (their_name, our_name) in
        [("agent", "agent"), ("FakeChat", "fake-1"), ("search", "search"), ("oneshot", "oneshot")]
    {
        let (theirs, ours) = (by_name(&theirs, their_name), by_name(&ours, our_name));
        let paths = theirs.keys().chain(ours.keys()).collect::<std::collections::BTreeSet<_>>();
        for path in paths {
            let (their, our) = (theirs.get(path), ours.get(path));
            if their == our {
                continue;
            }
            match reason(their_name, path, their, our) {
                Some(why) => used.push(why),
                None => unlisted.push(format!("{their_name} {path}: theirs {their:?}, ours {our:?}")),
            }
        }
    }
    assert!(unlisted.is_empty(), "{}", unlisted.join("\n"));
    let unused: Vec<_> = DIFFERENCES.iter().filter(|(_, _, _, why)| !used.contains(why)).collect();
    assert!(unused.is_empty(), "no difference any more: {unused:?}");
}
