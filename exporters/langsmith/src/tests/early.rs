//! Runs that are shown while they last.
//!
//! Rule: the end of a run that was posted is a patch; of any other it is a post.

use charm_telemetry_core::testing::{Answer, ReceiverDouble};
use charm_telemetry_core::{CallId, DropReason, LlmEnd, LlmStart, TokenUsage};
use serde_json::{Value, json};

use super::checker::Run;
use super::payload::settings;
use super::support::{
    Harness, PATIENCE, exporter, finish, ingested, langsmith, plain, recorded_run, runs, runs_of,
};

#[test]
fn a_finished_run_is_posted_once_by_default() {
    let double = plain();
    let mut harness = exporter(&double, &[]);
    recorded_run(&mut harness);
    let report = finish(&mut harness);
    assert!(runs(&double).iter().all(|run| run.operation == "post" && run.main["end_time"].is_string()));
    assert_eq!((runs(&double).len(), report.outcomes.delivered, ingested(&double).len()), (4, 4, 1));
}

#[test]
fn a_run_that_lasts_is_posted_without_its_end_and_patched_at_its_end() {
    let double = plain();
    let mut harness = exporter(&double, &[("CHARM_LANGSMITH_POST_AFTER", "10ms")]);
    harness.run_start(&json!({ "q": "hi" })).unwrap();
    let requests = double.wait_for_requests(2, PATIENCE);
    let posted = runs_of(requests.last().unwrap());
    assert_eq!((posted.len(), posted[0].operation.as_str()), (1, "post"));
    assert!(posted[0].main.get("end_time").is_none());
    assert_eq!(*posted[0].field("inputs"), json!({ "q": "hi" }));

    harness.run_end(&json!({ "output": "done" })).unwrap();
    finish(&mut harness);
    let ended = runs_of(ingested(&double).last().unwrap());
    assert_eq!((ended.len(), ended[0].operation.as_str(), ended[0].id), (1, "patch", posted[0].id));
    assert_eq!(ended[0].main["dotted_order"], posted[0].main["dotted_order"]);
    assert_eq!(*ended[0].field("outputs"), json!({ "output": "done" }));
    assert!(!ended[0].fields.contains_key("inputs"), "LangSmith has them");
}

#[test]
fn the_end_of_a_run_of_which_the_beginning_was_refused_is_a_post_with_all_of_it() {
    let double = plain();
    double.script([Answer::new(200), Answer::new(422)]);
    let mut harness = exporter(&double, &[("CHARM_LANGSMITH_POST_AFTER", "0s")]);
    harness.run_start(&json!({ "q": "hi" })).unwrap();
    let delivery = harness.exporter().sending.0.as_ref().unwrap().delivery().clone();
    assert!(delivery.flush(PATIENCE), "{}", delivery.report());
    assert_eq!(delivery.report().outcomes.dropped.by(DropReason::Rejected), 1);
    // Nothing is sent before the exporter was told of the loss.
    let call = harness.new_call();
    harness.tool_start(call, "t", "x").unwrap();
    assert!(delivery.flush(PATIENCE), "{}", delivery.report());
    harness.run_end(&json!({ "output": "done" })).unwrap();
    finish(&mut harness);
    let of_root = |run: &Run| run.main["run_type"] == "chain";
    let roots: Vec<_> = runs(&double).into_iter().filter(of_root).collect();
    let [begun, ended] = &roots[..] else { panic!("the beginning and the end") };
    assert_eq!((begun.id, begun.main.get("end_time")), (ended.id, None));
    assert_eq!((ended.operation.as_str(), ended.field("inputs")), ("post", &json!({ "q": "hi" })));
    assert_eq!(*ended.field("outputs"), json!({ "output": "done" }));
}

#[test]
fn a_beginning_and_its_end_in_one_batch_are_one_post() {
    let double = plain();
    let mut harness = exporter(&double, &[("CHARM_LANGSMITH_POST_AFTER", "0s")]);
    recorded_run(&mut harness);
    let report = finish(&mut harness);
    assert_eq!(report.outcomes.accepted, 8, "four beginnings and four ends");
    let runs = runs(&double);
    let operations: Vec<_> = runs.iter().map(|run| run.operation.as_str()).collect();
    assert_eq!(operations, ["post"; 4]);
    let root = runs.iter().find(|run| run.name() == "agent").unwrap();
    assert_eq!(*root.field("inputs"), json!({ "q": "hi", "thread_id": "th-1" }));
    assert_eq!(*root.field("outputs"), json!({ "answer": "Hello" }));
    assert!(root.main["end_time"].is_string());
}

#[test]
fn a_patch_goes_to_a_server_without_multipart_too() {
    let double = langsmith(r#"{"batch_ingest_config":{"use_multipart_endpoint":false}}"#);
    let mut harness = exporter(&double, &[("CHARM_LANGSMITH_POST_AFTER", "0s")]);
    harness.run_start(&json!({ "q": "hi" })).unwrap();
    double.wait_for_requests(2, PATIENCE);
    harness.error("ValueError: no").unwrap();
    finish(&mut harness);
    let requests = ingested(&double);
    assert!(requests.iter().all(|request| request.path == "/runs/batch"));
    let operations: Vec<_> = requests.iter().flat_map(runs_of).map(|run| run.operation).collect();
    assert_eq!(operations, ["post", "patch"]);
}

/// The post and the patch of the call in a run that lasts: `begin` before it is posted, `end` after.
fn posted_and_patched(
    double: &ReceiverDouble,
    begin: impl FnOnce(&mut Harness, CallId),
    end: impl FnOnce(&mut Harness, CallId),
) -> [Run; 2] {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let all = settings(&[("TRACEPARENT", parent)]);
    let mut harness = exporter(double, &[("CHARM_LANGSMITH_POST_AFTER", "0s")]).configured(all);
    harness.run_start(&json!({ "thread_id": "th-1" })).unwrap();
    let call = harness.new_call();
    begin(&mut harness, call);
    let of_call = || {
        let runs = ingested(double).into_iter().flat_map(|request| runs_of(&request));
        runs.filter(|run| run.main["run_type"] != "chain").collect::<Vec<_>>()
    };
    let mut count = 2;
    while of_call().is_empty() {
        double.wait_for_requests(count, PATIENCE);
        count += 1;
    }
    end(&mut harness, call);
    harness.run_end(&json!({})).unwrap();
    finish(&mut harness);
    let runs: [Run; 2] = of_call().try_into().expect("a post and a patch");
    assert_eq!(runs.each_ref().map(|run| run.operation.as_str()), ["post", "patch"]);
    runs
}

fn llm_call(double: &ReceiverDouble, start: LlmStart, end: LlmEnd) -> [Run; 2] {
    let begin = |harness: &mut Harness, call| harness.llm_start(call, start).unwrap();
    posted_and_patched(double, begin, |harness, call| harness.llm_end(call, end).unwrap())
}

fn start() -> LlmStart {
    let parameters = serde_json::from_str(r#"{"temperature": 0.5, "max_tokens": 9, "top_k": 4}"#).unwrap();
    LlmStart::new("zz").provider("openai").parameters(parameters).input(&json!("hi"))
}

#[test]
fn a_call_that_lasts_is_posted_with_all_that_is_known_when_it_begins() {
    let [post, _] = llm_call(&plain(), start(), LlmEnd::new());
    let expected = json!({ "model": "zz", "temperature": 0.5, "max_tokens": 9, "top_k": 4 });
    assert_eq!(post.field("extra")["invocation_params"], expected);
    let expected = json!({
        "thread_id": "th-1", "ls_provider": "openai", "ls_model_name": "zz", "ls_model_type": "chat",
        "ls_temperature": 0.5, "ls_max_tokens": 9,
    });
    assert_eq!(*post.metadata(), expected);
    let mut unnamed = start();
    unnamed.model = None;
    let [post, _] = llm_call(&plain(), unnamed, LlmEnd::new());
    let expected = json!({ "temperature": 0.5, "max_tokens": 9, "top_k": 4 });
    assert_eq!(post.field("extra")["invocation_params"], expected, "of a model without a name, too");
}

#[test]
fn the_end_of_a_call_that_was_posted_says_again_what_langsmith_would_forget_and_what_is_new() {
    let double = plain();
    let end = LlmEnd::new().model("zz-2025").usage(TokenUsage::new(7, 3)).output(&json!("hello"));
    let [post, patch] = llm_call(&double, start(), end);
    // LangSmith puts the new object in place of the old one, not into it.
    let lost = |before: &Value, after: &Value| {
        let before = before.as_object().unwrap().clone();
        before.into_iter().filter(|(name, value)| after[name] != *value).collect::<Vec<_>>()
    };
    for part in ["metadata", "runtime", "invocation_params"] {
        assert_eq!(lost(&post.field("extra")[part], &patch.field("extra")[part]), [], "{part}");
    }
    assert_eq!(patch.metadata()["usage_metadata"]["total_tokens"], 10);
    assert_eq!(patch.metadata()["charm_response_model"], "zz-2025");
    assert!(post.metadata().get("usage_metadata").is_none(), "nobody knew it");
    let mut main = post.main.clone();
    main["end_time"] = patch.main["end_time"].clone();
    assert_eq!(main, patch.main);
    assert_eq!(post.field("inputs")["messages"][0]["content"], "hi");
    assert!(!patch.fields.contains_key("inputs"), "LangSmith has them");
    let root =
        ingested(&double).iter().flat_map(runs_of).find(|run| run.main["run_type"] == "chain").unwrap();
    assert!(root.metadata()["charm_traceparent"].is_string(), "known when the run begins");
}

#[test]
fn what_was_cut_to_be_there_early_is_there_as_a_whole_in_the_end() {
    // Written as JSON it is six times as long.
    let long = "\u{1}".repeat(500_000);
    let begin = |harness: &mut Harness, call| harness.tool_start(call, "t", &long).unwrap();
    let [post, patch] =
        posted_and_patched(&plain(), begin, |harness, call| harness.tool_end(call, "t", "x").unwrap());
    assert!(post.field("inputs").to_string().len() < 1_000_000, "cut");
    assert_eq!(*patch.field("inputs"), json!({ "input": long }));
}
