//! From events to the bytes that arrive, through a manager, and through failures.
//!
//! Rule: every run is delivered once or accounted for with a reason.

use std::collections::BTreeSet;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime};

use charm_telemetry_core::delivery::DeliveryReport;
use charm_telemetry_core::testing::{Answer, MemoryWriter, ReceiverDouble};
use charm_telemetry_core::{
    CallId, DropReason, Environment, HookResult, LlmEnd, LlmStart, Manager, TokenUsage,
};
use serde_json::json;

use super::checker::Run;
use super::support::{
    Harness, KEY, LangSmith, PATIENCE, exporter, finish, ingested, judge, langsmith, plain, recorded_run,
    runs, runs_of, silent,
};

const ZSTD: &str = r#"{"instance_flags":{"zstd_compression_enabled":true}}"#;

fn send(double: &ReceiverDouble) -> DeliveryReport {
    let mut harness = exporter(double, &[]);
    recorded_run(&mut harness);
    finish(&mut harness)
}

#[test]
fn an_agent_that_a_manager_runs_is_read_back_whole() {
    let double = LangSmith::at(ZSTD, SystemTime::now);
    let url = double.url("/");
    let environment = Environment::from_pairs([
        ("LANGSMITH_API_KEY", KEY),
        ("LANGSMITH_ENDPOINT", url.as_str()),
        ("CHARM_SPOOL_MAX_BYTES", "0"),
        ("CHARM_AGENT_NAME", "weather"),
    ]);
    let stdout = MemoryWriter::new();
    let manager =
        Manager::builder().environment(environment).activate("langsmith").stdout(stdout).start().unwrap();
    let run = manager.start_run(&json!({ "question": "Oslo?" }));
    let id = run.id();
    let tool = run.tool_call("forecast", r#"{"city":"Oslo"}"#);
    let mut call = tool.llm_call(LlmStart::new("gpt-4o").provider("openai").input("Oslo?"));
    for token in ["Co", "ld"] {
        call.token(token);
    }
    call.finish(LlmEnd::new().usage(TokenUsage::new(3, 2)));
    tool.fail("KeyError: 'Oslo'");
    run.finish("Cold");
    manager.shutdown(Duration::from_secs(20));

    let runs = runs(&double);
    let names: Vec<_> = runs.iter().map(Run::name).collect();
    assert_eq!(names, ["forecast", "gpt-4o", "weather"]);
    let [forecast, model, root] = &runs[..] else { panic!("three runs") };
    assert_eq!(root.main["id"], id.to_string());
    assert_eq!(*root.field("inputs"), json!({ "question": "Oslo?" }));
    assert_eq!(*root.field("outputs"), json!({ "output": "Cold" }));
    assert_eq!(*forecast.field("error"), json!("KeyError: 'Oslo'"));
    assert_eq!(model.main["parent_run_id"], forecast.main["id"]);
    assert_eq!(*model.field("outputs"), json!({ "role": "assistant", "content": "Cold" }));
    assert_eq!(model.field("events")[0]["name"], "new_token");
    assert_eq!(model.metadata()["usage_metadata"]["total_tokens"], 5);
}

#[test]
fn a_compressed_request_says_its_sizes_and_its_parts_their_uncompressed_lengths() {
    let double = langsmith(ZSTD);
    let report = send(&double);
    assert_eq!(report.outcomes.delivered, 4);
    let [request] = &ingested(&double)[..] else { panic!("one request") };
    assert_eq!(request.header("content-encoding"), Some("zstd"));
    assert_eq!(request.header("x-post-compressed-size"), Some(request.raw_body.len().to_string().as_str()));
    let data: usize = crate::multipart::data_bytes(&request.body);
    assert_eq!(request.header("x-pre-compressed-size"), Some(data.to_string().as_str()));
    assert!(data > 1000 && data < request.body.len(), "{data}");
    assert_eq!(runs_of(request).len(), 4);
}

#[test]
fn a_request_in_gzip_says_no_sizes_as_those_of_the_sdks() {
    let double = langsmith(r#"{"instance_flags":{"gzip_body_enabled":true}}"#);
    assert_eq!(send(&double).outcomes.delivered, 4);
    let [request] = &ingested(&double)[..] else { panic!("one request") };
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    assert!(request.raw_body.starts_with(&[0x1f, 0x8b]) && request.raw_body.len() < request.body.len());
    assert_eq!(request.header("x-pre-compressed-size"), None);
    assert_eq!(request.header("x-post-compressed-size"), None);
    assert_eq!(runs_of(request).len(), 4);
}

#[test]
fn a_server_that_tells_nothing_gets_uncompressed_multipart() {
    for info in [Answer::new(404), Answer::new(500), Answer::new(200).body("<html>"), Answer::reset()] {
        let double = silent(info);
        assert_eq!(send(&double).outcomes.delivered, 4);
        let [request] = &ingested(&double)[..] else { panic!("one request") };
        assert_eq!((request.path.as_str(), request.header("content-encoding")), ("/runs/multipart", None));
    }
}

#[test]
fn no_hook_waits_for_a_server_that_does_not_answer() {
    let double = silent(Answer::silence());
    let mut harness = exporter(&double, &[]);
    let call = harness.new_call();
    let hooks: [fn(&mut Harness, CallId) -> HookResult; 4] = [
        |harness, _| harness.run_start(&json!({})),
        |harness, call| harness.tool_start(call, "t", "x"),
        |harness, call| harness.tool_end(call, "t", "x"),
        |harness, _| harness.run_end(&json!({})),
    ];
    for hook in hooks {
        let before = Instant::now();
        hook(&mut harness, call).unwrap();
        assert!(before.elapsed() < Duration::from_secs(1), "the greeting alone waits for two seconds");
    }
    double.wait_for_requests(1, PATIENCE);
    assert!(ingested(&double).is_empty(), "it is still waited for");
    harness.shutdown(Duration::from_millis(10)).unwrap();
}

#[test]
fn a_request_holds_no_more_than_a_hundred_runs_and_four_mebibytes() {
    let double = ReceiverDouble::start();
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    double.answer_with(move |request| {
        if request.path != "/info" {
            // Nothing is answered before all has come, and everything at once after that.
            let _ = gate.lock().unwrap().recv_timeout(PATIENCE);
        }
        judge(request)
    });
    let mut harness = exporter(&double, &[]);
    harness.exporter_mut().delivery.memory_bytes = 64 * 1024 * 1024;
    harness.exporter_mut().delivery.request_timeout = PATIENCE;
    let large = "x".repeat(500_000);
    let tool = |harness: &mut Harness, output: &str| {
        let call = harness.new_call();
        harness.tool_start(call, "t", "x").unwrap();
        harness.tool_end(call, "t", output).unwrap();
    };
    harness.run_start(&json!({})).unwrap();
    (0..30).for_each(|_| tool(&mut harness, &large));
    (0..250).for_each(|_| tool(&mut harness, "x"));
    harness.run_end(&json!({})).unwrap();
    drop(open);
    let report = finish(&mut harness);
    assert_eq!((report.outcomes.delivered, report.outcomes.dropped.total()), (281, 0), "{report}");
    let requests = ingested(&double);
    assert_eq!(requests.iter().map(|request| runs_of(request).len()).sum::<usize>(), 281, "each once");
    for request in &requests {
        assert!(request.body.len() <= 4_194_304, "{}", request.body.len());
        assert!(runs_of(request).len() <= 100);
    }
    let full = requests.iter().filter(|request| request.body.len() > 3_500_000).count();
    assert!(full >= 2, "as many as fit: {:?}", requests.iter().map(|it| it.body.len()).collect::<Vec<_>>());
}

#[test]
fn a_server_without_multipart_gets_the_same_runs_by_batch_even_after_zstd() {
    for info in [ZSTD, "{}"] {
        let double = ReceiverDouble::start();
        double.answer_with(move |request| match request.path.as_str() {
            "/info" => Answer::new(200).body(info),
            "/runs/multipart" => Answer::new(404),
            _ => judge(request),
        });
        let report = send(&double);
        assert_eq!((report.outcomes.delivered, report.outcomes.dropped.total()), (4, 0));
        let requests = ingested(&double);
        let paths: Vec<_> = requests.iter().map(|request| request.path.as_str()).collect();
        assert_eq!(paths, ["/runs/multipart", "/runs/batch"]);
        assert_eq!(requests[1].header("content-encoding"), None);
        let ids = |index: usize| runs_of(&requests[index]).iter().map(|run| run.id).collect::<BTreeSet<_>>();
        assert_eq!(ids(0), ids(1));
    }
}

#[test]
fn a_refused_run_takes_no_other_with_it() {
    let double = ReceiverDouble::start();
    double.answer_with(|request| match judge(request) {
        answer if request.path == "/info" || !request.text().contains("poison") => answer,
        _ => Answer::new(422).body(r#"{"error":"int too big to convert"}"#),
    });
    let mut harness = exporter(&double, &[]);
    harness.run_start(&json!({})).unwrap();
    for number in 0..20 {
        let call = harness.new_call();
        let name = if number == 7 { "poison".to_owned() } else { format!("tool {number}") };
        harness.tool_start(call, &name, "x").unwrap();
        harness.tool_end(call, &name, "x").unwrap();
    }
    harness.run_end(&json!({})).unwrap();
    let report = finish(&mut harness);
    assert_eq!((report.outcomes.delivered, report.outcomes.dropped.total()), (20, 1), "{report}");
    assert_eq!(report.outcomes.dropped.iter().next(), Some((DropReason::Rejected, 1)));
    let accepted: BTreeSet<_> = ingested(&double)
        .iter()
        .filter(|request| !request.text().contains("poison"))
        .flat_map(runs_of)
        .map(|run| run.id)
        .collect();
    assert_eq!(accepted.len(), 20);
}

#[test]
fn a_retry_sends_the_same_ids_and_a_known_run_is_delivered() {
    let double = plain();
    double.script([Answer::new(200), Answer::new(503), Answer::reset(), Answer::new(429), Answer::new(409)]);
    let report = send(&double);
    assert_eq!((report.outcomes.delivered, report.outcomes.dropped.total()), (4, 0), "{report}");
    let requests = ingested(&double);
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|request| request.raw_body == requests[0].raw_body), "byte for byte");
}

#[test]
fn a_wrong_key_loses_nothing_and_is_not_shown() {
    let double = plain();
    double.script([Answer::new(200), Answer::new(403).body(format!("Forbidden: {KEY}"))]);
    let report = send(&double);
    assert_eq!((report.outcomes.delivered, report.outcomes.dropped.total()), (4, 0));
    let told = report.last_error.unwrap();
    assert!(told.contains("403") && told.contains("check the key") && !told.contains(KEY), "{told}");
}

#[test]
fn the_server_decides_how_many_runs_it_takes_at_once() {
    let double = langsmith(r#"{"batch_ingest_config":{"size_limit":1}}"#);
    assert_eq!(send(&double).outcomes.delivered, 4);
    let sizes: Vec<_> = ingested(&double).iter().map(|request| runs_of(request).len()).collect();
    assert_eq!(sizes, [1; 4]);
}

#[test]
fn what_a_dead_server_did_not_take_is_counted_exactly_and_sent_by_the_next_start() {
    const RUNS: u64 = 1_000;
    let state = tempfile::tempdir().unwrap();
    let state = state.path().to_str().unwrap();
    let double = plain();
    let variables = [("CHARM_STATE_DIR", state), ("CHARM_SPOOL_MAX_BYTES", "64MiB")];
    double.answer_always(Answer::reset());
    let mut harness = exporter(&double, &variables);
    harness.run_start(&json!({})).unwrap();
    for _ in 1..RUNS {
        let call = harness.new_call();
        harness.tool_start(call, "t", "x").unwrap();
        harness.tool_end(call, "t", "x").unwrap();
    }
    harness.run_end(&json!({})).unwrap();
    let delivery = harness.exporter().sending.0.as_ref().unwrap().delivery().clone();
    // It does not wait for so long: the time is for a disk that many use.
    harness.shutdown(PATIENCE).unwrap();
    let report = delivery.report();
    assert!(report.outcomes.is_balanced());
    assert_eq!((report.outcomes.accepted, report.outcomes.spooled), (RUNS, RUNS), "{report}");

    double.take_requests();
    double.answer_with(|request| if request.path == "/info" { Answer::new(404) } else { judge(request) });
    let mut next = exporter(&double, &variables);
    next.run_start(&json!({})).unwrap();
    next.run_end(&json!({})).unwrap();
    let report = finish(&mut next);
    assert_eq!((report.outcomes.adopted, report.outcomes.delivered), (RUNS, RUNS + 1), "{report}");
    let ids: BTreeSet<_> = runs(&double).iter().map(|run| run.id).collect();
    assert_eq!(ids.len() as u64, RUNS + 1);
}

#[test]
fn two_hundred_finished_runs_arrive_when_the_process_is_told_to_end() {
    let double = langsmith(ZSTD);
    let mut harness = exporter(&double, &[]);
    harness.run_start(&json!({})).unwrap();
    for _ in 1..200 {
        let call = harness.new_call();
        harness.tool_start(call, "t", "x").unwrap();
        harness.tool_end(call, "t", "x").unwrap();
    }
    // In mid-run: the agent's own run is closed as aborted.
    harness.shutdown(Duration::from_secs(20)).unwrap();
    let runs = runs(&double);
    assert_eq!(runs.len(), 200);
    assert_eq!(*runs[0].field("error"), json!("aborted: the process ended before the call did"));
}
