//! What the strict reader refuses, rule by rule.
//!
//! Rule: each row breaks one thing in a request that is taken, and names the words of the refusal.

use std::time::{Duration, SystemTime};

use charm_telemetry_core::testing::{Answer, RecordedRequest};
use serde_json::{Value, json};

use super::checker::{self, Server};
use super::sdk::{BATCH, RUNTREE, RUNTREE_TYPE};
use super::support::{KEY, exporter, finish, harness_time, ingested, langsmith, plain, recorded_run};

const AGENT: usize = 0;
const MODEL: usize = 1;
const TOOL: usize = 2;

const ROOT: &str = "01a20428-45f2-7630-bcb4-4aded350eec6";

/// Why the SDK's runs are refused after a change to one of them.
fn refusal(index: usize, change: impl FnOnce(&mut Value)) -> String {
    let mut body: Value = serde_json::from_slice(BATCH).unwrap();
    change(&mut body["post"][index]);
    checker::batch(body.to_string().as_bytes()).err().unwrap_or_default()
}

#[track_caller]
fn refused(index: usize, key: &str, value: &Value, why: &str) {
    let got = refusal(index, |run| run[key] = value.clone());
    assert!(got.contains(why), "`{key}` is {value}: {got:?} does not say `{why}`");
}

#[test]
fn a_run_that_is_not_changed_is_taken() {
    assert_eq!(refusal(AGENT, |_| {}), "");
}

#[test]
fn a_field_that_is_wrong_is_refused_for_what_it_is() {
    refused(AGENT, "status", &json!("success"), "there is a status");
    refused(AGENT, "first_token_time", &json!(1), "unknown field `first_token_time`");
    refused(AGENT, "id", &json!("x"), "a run has no id");
    refused(AGENT, "run_type", &json!("agent"), "a type that does not exist");
    refused(AGENT, "name", &json!("é".repeat(129)), "a name of 129 characters");
    refused(AGENT, "name", &json!(""), "a name of 0 characters");
    refused(AGENT, "session_name", &json!(" "), "no project");
    refused(AGENT, "inputs", &json!("hi"), "`inputs` is no object");
    refused(AGENT, "outputs", &json!([1]), "`outputs` is no object");
    refused(AGENT, "extra", &json!(null), "`extra` is no object");
    refused(AGENT, "error", &json!({ "a": 1 }), "`error` is no text");
    refused(TOOL, "serialized", &json!({ "name": "x" }), "`serialized` of a \"tool\"");
    refused(AGENT, "tags", &json!(["a", 1]), "a tag that is no text");
    refused(AGENT, "tags", &json!("a"), "a tag that is no text");
    refused(AGENT, "child_runs", &json!([{}]), "runs within a run");
    refused(AGENT, "parent_run_id", &json!(null), "a parent that is null");
    let four = ROOT.replace("-7630-", "-4630-");
    let got =
        refusal(AGENT, |run| *run = serde_json::from_str(&run.to_string().replace(ROOT, &four)).unwrap());
    assert!(got.contains("no UUID of version 7"), "{got}");
}

#[test]
fn times_that_are_wrong_are_refused_for_what_they_are() {
    refused(AGENT, "end_time", &json!("2026-11-22T16:47:57.938639Z"), "it ends before it starts");
    refused(AGENT, "end_time", &json!(1_795_366_077_937_u64), "it ends before it starts");
    refused(AGENT, "end_time", &json!(null), "`end_time` is null");
    refused(AGENT, "end_time", &json!(true), "`end_time` is true");
    refused(AGENT, "end_time", &json!(1.5), "`end_time` is 1.5");
    for time in
        ["2026-11-22T16:47:57.985Z", "2026-11-22 16:47:57.985396Z", "2026-11-22T16:47:57.985396", "soon"]
    {
        refused(AGENT, "end_time", &json!(time), "is no time");
    }
    refused(AGENT, "events", &json!({}), "`events` is no list");
    refused(AGENT, "events", &json!([{ "name": "x" }]), "an event without a name or a time");
    refused(AGENT, "events", &json!([{ "name": "x", "time": "2026" }]), "an event without a name or a time");
    refused(AGENT, "events", &json!([{ "time": "2026-11-22T16:47:57.985396Z" }]), "an event without a name");
    let milliseconds = json!([{ "name": "x", "time": "2026-11-22T16:47:57.985Z" }]);
    assert_eq!(refusal(AGENT, |run| run["events"] = milliseconds), "", "as the JavaScript SDK");
    assert_eq!(
        refusal(AGENT, |run| run["end_time"] = json!(1_795_366_077_938_u64)),
        "",
        "as the JavaScript SDK"
    );
}

#[test]
fn a_place_in_the_trace_that_is_wrong_is_refused_for_what_it_is() {
    let order =
        |start: &str| format!("20261122T164757938640Z{ROOT}.{start}01a20428-4620-72ae-b5ac-bd97a4601f0b");
    refused(
        TOOL,
        "dotted_order",
        &json!(order("20261122T164757984809Z")),
        "`start_time` is not the last moment",
    );
    refused(TOOL, "dotted_order", &json!(order("20261122T164757984ZZZZ")), "invalid `dotted_order`");
    refused(TOOL, "dotted_order", &json!("20261122"), "is too short");
    refused(
        TOOL,
        "dotted_order",
        &json!(order("20261122T164757984808Z").replace("f0b", "f0c")),
        "the id is not the last",
    );
    refused(TOOL, "trace_id", &json!("01a20428-4620-72ae-b5ac-bd97a4601f0b"), "`trace_id` is not the first");
    refused(
        TOOL,
        "parent_run_id",
        &json!("01a20428-4620-72ae-b5ac-bd97a4601f0b"),
        "the parent is not the last but one",
    );
    refused(TOOL, "start_time", &json!("2026-11-22T16:47:57.984809Z"), "`start_time` is not the last moment");
    let both = |start: &str, order: String| {
        refusal(TOOL, |run| (run["start_time"], run["dotted_order"]) = (json!(start), json!(order)))
    };
    let early = both("2026-11-22T16:47:57.938639Z", order("20261122T164757938639Z"));
    assert!(early.contains("it starts before its parent"), "{early}");
    let other = order("20261122T164757984808Z").replace("938640Z", "938641Z");
    let apart = both("2026-11-22T16:47:57.984808Z", other);
    assert!(apart.contains(&format!("{ROOT} is at ")), "its parent says something else: {apart}");
}

#[test]
fn a_batch_that_is_wrong_is_refused_for_what_it_is() {
    for (body, why) in [
        ("[]", "the body is no object"),
        ("{}", "there is no run"),
        (r#"{"post":[],"patch":[]}"#, "there is no run"),
        (r#"{"post":{}}"#, "a list is none"),
        (r#"{"post":[1]}"#, "a run is no object"),
        (r#"{"post":[{}]}"#, "a run has no id"),
        (r#"{"put":[]}"#, "unknown list `put`"),
        (r#"{"post":["#, "EOF"),
        (r#"{"post":[],"x":99999999999999999999}"#, "int too big to convert: 99999999999999999999"),
    ] {
        let got = checker::batch(body.as_bytes()).err().unwrap_or_default();
        assert!(got.contains(why), "{body}: {got}");
    }
    let mut body: Value = serde_json::from_slice(BATCH).unwrap();
    body["post"][1] = body["post"][0].clone();
    let got = checker::batch(body.to_string().as_bytes()).err().unwrap();
    assert_eq!(got, format!("{ROOT} is there twice"));
    let mut body: Value = serde_json::from_slice(BATCH).unwrap();
    body["post"][MODEL].as_object_mut().unwrap().remove("end_time");
    assert!(checker::batch(body.to_string().as_bytes()).is_ok(), "a run that lasts");
    let patch = json!({ "patch": body["post"] });
    let got = checker::batch(patch.to_string().as_bytes()).err().unwrap();
    assert!(got.contains("a patch without an end"), "{got}");
}

#[test]
fn integers_are_found_wherever_they_are_and_nowhere_else() {
    let with = |inputs: &str| {
        let body = String::from_utf8(BATCH.to_vec()).unwrap().replacen(r#"{"q":"hi"}"#, inputs, 1);
        checker::batch(body.as_bytes()).err().unwrap_or_default()
    };
    for inputs in [
        r#"{"a\"":[18446744073709551616]}"#,
        r#"{"\\":-9223372036854775809}"#,
        r#"{"é":{"b":1e2,"c":99999999999999999999}}"#,
    ] {
        assert!(with(inputs).contains("int too big to convert"), "{inputs}");
    }
    for inputs in [
        r#"{"a":18446744073709551615,"b":-9223372036854775808}"#,
        r#"{"99999999999999999999":"\"99999999999999999999"}"#,
        r#"{"f":99999999999999999999.5}"#,
    ] {
        assert_eq!(with(inputs), "", "{inputs}");
    }
    assert!(!with(r#"{"f":1e400}"#).is_empty());
    assert!(!with(r#"{"half":"\ud800"}"#).is_empty());
}

#[test]
fn a_multipart_body_that_is_wrong_is_refused_for_what_it_is() {
    let refused = |from: &str, to: &str, why: &str| {
        let text = String::from_utf8(RUNTREE.to_vec()).unwrap();
        assert!(text.contains(from), "{from}");
        let got =
            checker::multipart(RUNTREE_TYPE, text.replacen(from, to, 1).as_bytes()).err().unwrap_or_default();
        assert!(got.contains(why), "{from} -> {to}: {got:?} does not say `{why}`");
    };
    refused("\"ValueError('boom')\"", " ValueError('boom') ", "expected value");
    refused("Content-Length: 339", "Content-Length: 340", "a part is longer than it says");
    refused("Content-Length: 339", "Content-Length: 338", "EOF");
    refused("Content-Length: 339", "Content-Length: 999999", "a part is shorter than it says");
    refused("Content-Length: 339", "Content-Length: many", "no length in");
    refused("\r\nContent-Length: 339", "", "no length in");
    refused("Content-Type: application/json\r\n", "", "no type in");
    refused("name=\"post.", "name=post.", "no name in");
    refused("name=\"post.", "name=\"put.", "comes before its run");
    refused(".outputs\"", ".output_\"", "is unknown or there twice");
    refused(".outputs\"", ".inputs\"", "is unknown or there twice");
    refused(
        "--a1af637c57c94c4f9568a46867b98e13--",
        "--a1af637c57c94c4f9568a46867b98e13  ",
        "the end is missing",
    );
    let put = String::from_utf8(RUNTREE.to_vec()).unwrap().replace("name=\"post.", "name=\"put.");
    let got = checker::multipart(RUNTREE_TYPE, put.as_bytes()).err().unwrap();
    assert!(got.contains("an operation that does not exist"), "{got}");
    let end = b"--a1af637c57c94c4f9568a46867b98e13--\r\n";
    assert_eq!(checker::multipart(RUNTREE_TYPE, end).err().unwrap(), "there is no run");
    assert!(checker::multipart("application/json", RUNTREE).err().unwrap().contains("Content-Type is"));
}

const ALL: &str = r#"{"instance_flags":{"zstd_compression_enabled":true,"gzip_body_enabled":true}}"#;

/// A request of ours to a server that says this.
fn request(info: &str) -> RecordedRequest {
    let double = langsmith(info);
    let mut harness = exporter(&double, &[]);
    recorded_run(&mut harness);
    finish(&mut harness);
    ingested(&double).remove(0)
}

fn server(info: &str) -> Server {
    Server::new(KEY, Answer::new(200), info, harness_time)
}

/// Why a server that says this refuses a request that another took.
#[track_caller]
fn refuses(info: &str, taken: &RecordedRequest, change: impl FnOnce(&mut RecordedRequest), why: &str) {
    let mut request = taken.clone();
    change(&mut request);
    let mut server = server(info);
    server.answer(&request);
    assert!(server.refused().iter().any(|refused| refused.contains(why)), "{why}: {:?}", server.refused());
}

fn set(request: &mut RecordedRequest, name: &str, value: &str) {
    request.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    request.headers.push((name.to_owned(), value.to_owned()));
}

#[test]
fn a_server_takes_only_what_it_said_it_takes() {
    let zstd = request(ALL);
    assert_eq!(zstd.header("content-encoding"), Some("zstd"));
    refuses("{}", &zstd, |_| {}, "`zstd_compression_enabled` was not told");
    refuses(ALL, &zstd, |request| set(request, "content-encoding", "br"), "`br` is unknown");
    refuses(ALL, &zstd, |request| set(request, "X-Pre-Compressed-Size", "1"), "sizes [Some(\"1\")");
    refuses(ALL, &zstd, |request| request.raw_body.push(0), "sizes [");
    refuses(ALL, &zstd, |request| set(request, "content-encoding", "gzip"), "sizes [");
    refuses(
        "{}",
        &zstd,
        |request| set(request, "content-encoding", "gzip"),
        "`gzip_body_enabled` was not told",
    );
    refuses(ALL, &zstd, |request| request.path = "/runs/batch".to_owned(), "`content-encoding` of a body");
    let plain = request("{}");
    refuses(
        "{}",
        &plain,
        |request| set(request, "X-Post-Compressed-Size", "1"),
        "of a body that is not compressed",
    );
    refuses("{}", &plain, |request| request.method = "PUT".to_owned(), "there is no PUT /runs/multipart");
    refuses("{}", &plain, |request| request.path = "/runs".to_owned(), "there is no POST /runs");
    refuses("{}", &plain, |request| set(request, "x-api-key", "other"), "Forbidden");
    let info = r#"{"batch_ingest_config":{"use_multipart_endpoint":false}}"#;
    refuses(info, &plain, |_| {}, "there is no POST /runs/multipart");
    let batch = request(info);
    refuses(info, &batch, |request| set(request, "content-type", "text/plain"), "it is no JSON");
    let few = r#"{"batch_ingest_config":{"size_limit":3}}"#;
    refuses(few, &plain, |_| {}, "4 is more than the size_limit of 3");
    let small = r#"{"batch_ingest_config":{"size_limit_bytes":1000}}"#;
    refuses(small, &plain, |_| {}, "is more than the size_limit_bytes of 1000");
    refuses("{}", &plain, |request| request.body.resize(20_971_521, b' '), "the end is missing");
}

#[test]
fn a_server_knows_the_time_and_what_it_was_told_before() {
    fn late() -> SystemTime {
        harness_time() + Duration::from_hours(24) + Duration::from_secs(1)
    }
    fn early() -> SystemTime {
        harness_time() - Duration::from_hours(24)
    }
    let first = request("{}");
    for now in [late, early] {
        let mut server = Server::new(KEY, Answer::new(200), "{}", now);
        server.answer(&first);
        assert!(server.refused()[0].contains("away from now"), "{:?}", server.refused());
    }
    let mut told_twice = server("{}");
    told_twice.answer(&first);
    told_twice.answer(&first);
    assert!(
        matches!(told_twice.refused(), [why] if why.contains("409: ") && why.contains("was posted before"))
    );
    let mut patched = first.clone();
    patched.body =
        String::from_utf8(first.body.clone()).unwrap().replace("name=\"post.", "name=\"patch.").into_bytes();
    let mut unknown = server("{}");
    unknown.answer(&patched);
    assert!(unknown.refused()[0].contains("was never posted"), "{:?}", unknown.refused());
    let mut known = server("{}");
    known.answer(&first);
    known.answer(&patched);
    assert_eq!(known.refused(), [""; 0]);

    let double = plain();
    let mut harness = exporter(&double, &[]);
    recorded_run(&mut harness);
    finish(&mut harness);
    let greeting = double.requests().remove(0);
    let mut server = server("{}");
    server.answer(&greeting);
    server.answer(&greeting);
    assert!(matches!(server.refused(), [why] if why.contains("it was told once")), "{:?}", server.refused());
    let mut without = greeting.clone();
    without.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("x-api-key"));
    refuses("{}", &without, |_| {}, "GET /info: 403");
}

#[test]
fn a_second_token_and_the_text_of_one_are_noticed() {
    let runs = checker::multipart(RUNTREE_TYPE, RUNTREE).unwrap();
    let why: Vec<_> = runs.iter().filter_map(|run| run.check_tokens().err()).collect();
    assert_eq!(why, ["more than the first token"], "that its user asked for");
    let mut run = runs[1].clone();
    let told =
        json!([{ "name": "new_token", "time": "2026-11-22T16:47:57.985396Z", "kwargs": { "token": "x" } }]);
    run.fields.insert("events".to_owned(), told);
    assert_eq!(run.check_tokens().err().unwrap(), "the text of a token");
}
