//! LangSmith: what the `langsmith` package posts to `/runs/multipart`, and what we do.
//!
//! Rule: the server allows no compression, so that both send the same kind of body; a run that was posted and patched is
//! one run.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use charm_telemetry_core::testing::{Answer, ReceiverDouble, RecordedRequest};
use charm_telemetry_tests::{process, python_tool, workspace};
use serde_json::{Value, json};

use crate::actors::{Stage, to};
use crate::fields::{Fields, Told, flatten, mask, name_ids};
use crate::{labels, table};

const PATH: &str = "/runs/multipart";

const INFO: &str = r#"{"version":"0.13","batch_ingest_config":{"use_multipart_endpoint":true,"size_limit":100,
"size_limit_bytes":20971520,"scale_up_qsize_trigger":1000,"scale_up_nthreads_limit":16,"scale_down_nempty_trigger":4}}"#;

fn variables(receiver: &ReceiverDouble) -> Vec<(&'static str, String)> {
    let pairs = [
        ("LANGSMITH_TRACING", "true".to_owned()),
        ("LANGSMITH_API_KEY", "lsv2_test_key".to_owned()),
        ("LANGSMITH_PROJECT", "weather".to_owned()),
        ("LANGSMITH_ENDPOINT", receiver.url("")),
    ];
    pairs.into()
}

/// As the runner gets them: LangChain within the agent would trace by itself otherwise.
fn our_variables(receiver: &ReceiverDouble) -> Vec<(&'static str, String)> {
    let mut all = variables(receiver);
    all[0] = ("LANGSMITH_TRACING", "false".to_owned());
    all
}

fn server() -> ReceiverDouble {
    let receiver = ReceiverDouble::start();
    receiver.answer_with(|request| match request.path.as_str() {
        "/info" => Answer::new(200).header("Content-Type", "application/json").body(INFO),
        _ => Answer::new(202).body("{}"),
    });
    receiver
}

/// The parts of a body: name, headers, JSON. Every part has to say how long it is.
fn parts(request: &RecordedRequest) -> Vec<(String, Value)> {
    let kind = request.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap().trim_matches('"');
    let (mut parts, mut rest) = (Vec::new(), request.body.as_slice());
    let skip = |rest: &mut &[u8], text: &str| {
        assert!(rest.starts_with(text.as_bytes()), "`{text}` before {:?}", String::from_utf8_lossy(rest));
        *rest = &rest[text.len()..];
    };
    loop {
        skip(&mut rest, &format!("--{boundary}"));
        if rest.starts_with(b"--") {
            return parts;
        }
        skip(&mut rest, "\r\n");
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(rest[..end].to_vec()).unwrap();
        let headers: BTreeMap<_, _> = head.lines().filter_map(|line| line.split_once(": ")).collect();
        let length: usize = headers["Content-Length"].parse().unwrap();
        assert_eq!(headers["Content-Type"], "application/json");
        let name = headers["Content-Disposition"].strip_prefix("form-data; name=\"").unwrap();
        let body = &rest[end + 4..end + 4 + length];
        parts.push((name.trim_end_matches('"').to_owned(), serde_json::from_slice(body).unwrap()));
        rest = &rest[end + 4 + length..];
        skip(&mut rest, "\r\n");
    }
}

/// The runs, as the server has them at the end.
fn runs(requests: &[&RecordedRequest]) -> Vec<Value> {
    let mut runs: BTreeMap<String, Value> = BTreeMap::new();
    for (name, json) in requests.iter().flat_map(|request| parts(request)) {
        let mut words = name.splitn(3, '.');
        let (_operation, id) = (words.next().unwrap(), words.next().unwrap().to_owned());
        let run = runs.entry(id).or_insert_with(|| json!({}));
        match words.next() {
            Some(field) => run[field] = json,
            None => json.as_object().unwrap().iter().for_each(|(key, value)| run[key] = value.clone()),
        }
    }
    let mut runs: Vec<_> = runs.into_values().collect();
    runs.sort_by_key(|run| run["dotted_order"].as_str().unwrap().to_owned());
    runs
}

fn told(requests: &[RecordedRequest]) -> Told {
    let posted = to(requests, PATH);
    let mut request = Fields::from([("method".to_owned(), posted[0].method.clone())]);
    for (name, value) in &posted[0].headers {
        request.insert(format!("header {}", name.to_lowercase()), value.clone());
    }
    for other in &posted {
        assert_eq!(names_of_headers(other), names_of_headers(posted[0]));
    }
    greeted(requests, posted[0].header("x-api-key"));
    mask(&mut request, &["header host", "header content-length", "header content-type"], "<volatile>");
    let runs = runs(&posted);
    assert_eq!(runs.len(), labels().count());
    let mut all = vec![("request".to_owned(), request)];
    let mut ids = Vec::new();
    for (run, label) in runs.iter().zip(labels()) {
        in_order(run);
        ids.push((run["id"].as_str().unwrap().to_owned(), label.to_owned()));
        let mut fields = Fields::new();
        flatten("", run, &mut fields);
        // The moments in it are those of `start_time`, and checked to be by the exporter's own tests.
        let order = run["dotted_order"].as_str().unwrap();
        let order: Vec<_> = order.split('.').map(|step| &step["20261122T164403428599Z".len()..]).collect();
        fields.insert("dotted_order".to_owned(), order.join("."));
        mask(&mut fields, &["start_time", "end_time", "events/*/time"], "<time>");
        mask(&mut fields, &["extra/runtime/*version*", "extra/runtime/platform"], "<machine>");
        all.push((label.to_owned(), fields));
    }
    name_ids(&mut all, &ids);
    for (_, fields) in &mut all {
        let errors = fields.iter_mut().filter(|(name, _)| *name == "error");
        errors.for_each(|(_, text)| *text = first_and_traceback(text));
    }
    all
}

fn names_of_headers(request: &RecordedRequest) -> BTreeSet<String> {
    request.headers.iter().map(|(name, _)| name.to_lowercase()).collect()
}

/// `/info` is asked, with the key, before anything is sent.
fn greeted(requests: &[RecordedRequest], key: Option<&str>) {
    let greetings: Vec<_> = requests.iter().filter(|request| request.path == "/info").collect();
    assert!(requests[0].path == "/info" && key.is_some());
    assert!(greetings.iter().all(|request| request.method == "GET" && request.header("x-api-key") == key));
}

/// A run begins, has its events and ends, in this order, by times of one length.
fn in_order(run: &Value) {
    let events =
        run["events"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(|event| &event["time"]);
    let times = std::iter::once(&run["start_time"]).chain(events).chain([&run["end_time"]]);
    let times: Vec<_> = times.map(|time| time.as_str().unwrap().replace("+00:00", "Z")).collect();
    assert!(times.iter().all(|time| time.len() == "2026-11-22T16:44:03.428599Z".len()), "{times:?}");
    assert!(times.is_sorted(), "{times:?}");
}

/// The lines of a traceback are those of each program.
fn first_and_traceback(text: &str) -> String {
    match text.split_once("Traceback ") {
        Some((before, _)) => format!("{}<traceback>", before.trim_end()),
        None => text.to_owned(),
    }
}

#[test]
fn langsmith_gets_what_its_sdk_sends_but_for_what_its_guide_lists() {
    let Some(stage) = Stage::set() else { return };
    let receiver = server();
    let theirs = told(&stage.sdk("with_langsmith.py", &[], &receiver, &variables));
    let ours = told(&stage.ours("langsmith", &receiver, &our_variables));
    table::check("langsmith.md", "differences from the SDK", &table::differences(&theirs, &ours));

    let early = |receiver: &ReceiverDouble| {
        let mut all = our_variables(receiver);
        all.push(("CHARM_LANGSMITH_POST_AFTER", "0s".to_owned()));
        all
    };
    assert_eq!(told(&stage.ours("langsmith", &receiver, &early)), ours, "posted early or not");
}

/// Asks the SDK about each trace, just at its place and just above.
const SAMPLING: &str = "
import json, sys
from langsmith._internal._sampling import is_sampled_by_id
for trace, place in json.load(open(sys.argv[1])):
    print(is_sampled_by_id(trace, place / 1_000_000), is_sampled_by_id(trace, (place + 1) / 1_000_000))
";

#[test]
fn the_traces_that_the_exporter_samples_are_those_of_the_sdk() {
    let Some(python) = python_tool::program("sdks", "python3") else { return };
    let file = workspace::root().join("exporters/langsmith/src/tests/data/sampled.json");
    let asked: Vec<Value> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let mut command = Command::new(python);
    command.args(["-c", SAMPLING]).arg(&file);
    let scratch = tempfile::tempdir().unwrap();
    let finished = process::run(command, scratch.path());
    assert_eq!(
        finished.stdout.lines().collect::<Vec<_>>(),
        vec!["False True"; asked.len()],
        "{}",
        finished.stderr
    );
}
