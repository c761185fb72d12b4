//! A LangSmith on this machine, and an exporter that sends to it.
//!
//! Rule: the double refuses what LangSmith would refuse, and tests read the runs from what it was sent.

use std::time::Duration;

use charm_telemetry_core::delivery::DeliveryReport;
use charm_telemetry_core::testing::{Answer, ExporterHarness, ReceiverDouble, RecordedRequest};
use charm_telemetry_core::{Environment, LlmEnd, LlmStart, TokenUsage};
use serde_json::json;

use super::checker::{self, Run};
use crate::LangsmithExporter;

pub(super) type Harness = ExporterHarness<LangsmithExporter>;

pub(super) const KEY: &str = "lsv2_pt_nobody_may_see_this";

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Answers `/info` with this, and everything else as LangSmith would.
pub(super) fn langsmith(info: Answer) -> ReceiverDouble {
    let double = ReceiverDouble::start();
    double.answer_with(move |request| match request.path.as_str() {
        "/info" => info.clone(),
        _ => judge(request),
    });
    double
}

/// Without zstd.
pub(super) fn plain() -> ReceiverDouble {
    langsmith(Answer::new(200).body(r#"{"version":"0.12.0","instance_flags":{},"batch_ingest_config":null}"#))
}

/// What LangSmith says to a request.
pub(super) fn judge(request: &RecordedRequest) -> Answer {
    if request.header("x-api-key") != Some(KEY) {
        return Answer::new(403).body(r#"{"error":"Forbidden"}"#);
    }
    match read(request) {
        Ok(_) => Answer::new(202),
        Err(why) => Answer::new(400).body(why),
    }
}

fn read(request: &RecordedRequest) -> Result<Vec<Run>, String> {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/runs/multipart") => {
            checker::multipart(request.header("content-type").unwrap_or_default(), &request.body)
        }
        ("POST", "/runs/batch") => checker::batch(&request.body),
        other => Err(format!("{other:?} does not exist")),
    }
}

/// The runs of a request.
#[track_caller]
pub(super) fn runs_of(request: &RecordedRequest) -> Vec<Run> {
    read(request).unwrap()
}

/// All that was ingested, without `/info`.
pub(super) fn ingested(double: &ReceiverDouble) -> Vec<RecordedRequest> {
    double.requests().into_iter().filter(|request| request.path != "/info").collect()
}

/// Every run that was sent, read back, by name.
#[track_caller]
pub(super) fn runs(double: &ReceiverDouble) -> Vec<Run> {
    let mut runs: Vec<_> = ingested(double).iter().flat_map(runs_of).collect();
    runs.sort_by(|a, b| a.name().cmp(b.name()));
    runs
}

/// An exporter without a spool that fails fast.
pub(super) fn exporter(double: &ReceiverDouble, more: &[(&str, &str)]) -> Harness {
    let url = double.url("");
    let mut environment = Environment::from_pairs([
        ("LANGSMITH_API_KEY", KEY),
        ("LANGSMITH_ENDPOINT", url.as_str()),
        ("CHARM_SPOOL_MAX_BYTES", "0"),
    ]);
    for (name, value) in more {
        environment.set(*name, *value);
    }
    let mut harness = Harness::from_environment(&environment).map_err(|why| format!("{why:?}")).unwrap();
    let delivery = &mut harness.exporter_mut().delivery;
    delivery.first_backoff = Duration::from_millis(1);
    delivery.max_backoff = Duration::from_millis(5);
    delivery.max_retry_after = Duration::from_millis(5);
    delivery.pause = Duration::from_millis(5);
    harness
}

/// Sends what there is and ends.
pub(super) fn finish(harness: &mut Harness) -> DeliveryReport {
    let ready = harness.exporter().sending.0.clone().expect("something was sent");
    let delivery = ready.delivery().clone();
    drop(ready);
    assert!(delivery.flush(PATIENCE), "{}", delivery.report());
    harness.shutdown(Duration::from_secs(5)).unwrap();
    let report = delivery.report();
    assert!(report.outcomes.is_balanced(), "{report}");
    report
}

/// The agent run that LangSmith's SDK was recorded with: a model that streams two tokens, a tool that fails, and a tool.
pub(super) fn recorded_run(harness: &mut Harness) {
    let step = Duration::from_nanos(10_000_777);
    harness.run_start(&json!({ "q": "hi", "thread_id": "th-1" })).unwrap();
    harness.clock().advance(step);
    let call = harness.new_call();
    let messages = json!([{ "role": "user", "content": "hi" }]);
    harness.llm_start(call, LlmStart::new("fake-1").provider("fake").input(&messages)).unwrap();
    for token in ["Hel", "lo"] {
        harness.clock().advance(step);
        harness.token(call, token).unwrap();
    }
    let answer = json!({ "role": "assistant", "content": "Hello" });
    harness.llm_end(call, LlmEnd::new().output(&answer).usage(TokenUsage::new(7, 2))).unwrap();
    let failing = harness.new_call();
    harness.tool_start(failing, "search", r#"{"q":"rust"}"#).unwrap();
    harness.clock().advance(step);
    harness.tool_error(failing, "search", "ValueError('boom')").unwrap();
    let other = harness.new_call();
    harness.tool_start(other, "oneshot", r#"{"q":"1"}"#).unwrap();
    harness.tool_end(other, "oneshot", r#"{"r":1}"#).unwrap();
    harness.run_end(&json!({ "output": { "answer": "Hello" }, "status": "success" })).unwrap();
}
