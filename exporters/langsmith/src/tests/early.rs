//! Runs that are shown while they last.
//!
//! Rule: the end of a run that was posted is a patch; of any other it is a post.

use charm_telemetry_core::testing::Answer;
use serde_json::json;

use super::support::{PATIENCE, exporter, finish, ingested, langsmith, plain, recorded_run, runs, runs_of};

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
    let double =
        langsmith(Answer::new(200).body(r#"{"batch_ingest_config":{"use_multipart_endpoint":false}}"#));
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
