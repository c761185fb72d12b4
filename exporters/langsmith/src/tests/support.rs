//! A LangSmith on this machine, and an exporter that sends to it.
//!
//! Rule: the double refuses what LangSmith would refuse, and tests read the runs from what it was sent.

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use charm_telemetry_core::delivery::DeliveryReport;
use charm_telemetry_core::testing::{Answer, ExporterHarness, ManualClock, ReceiverDouble, RecordedRequest};
use charm_telemetry_core::{Environment, LlmEnd, LlmStart, TokenUsage};
use serde_json::json;

use super::checker::{self, Run, Server};
use crate::LangsmithExporter;

pub(super) type Harness = ExporterHarness<LangsmithExporter>;

pub(super) const KEY: &str = "lsv2_pt_nobody_may_see_this";

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A LangSmith on this machine. A test in which it refused something fails.
pub(super) struct LangSmith {
    double: ReceiverDouble,
    server: Arc<Mutex<Server>>,
}

impl LangSmith {
    /// One whose clock is this.
    pub(super) fn at(info: &str, now: fn() -> SystemTime) -> Self {
        Self::answering(Answer::new(200).body(info), info, now)
    }

    fn answering(answer: Answer, info: &str, now: fn() -> SystemTime) -> Self {
        let double = ReceiverDouble::start();
        let server = Arc::new(Mutex::new(Server::new(KEY, answer, info, now)));
        let serving = Arc::clone(&server);
        double.answer_with(move |request| serving.lock().unwrap().answer(request));
        Self { double, server }
    }
}

impl Deref for LangSmith {
    type Target = ReceiverDouble;

    fn deref(&self) -> &ReceiverDouble {
        &self.double
    }
}

impl Drop for LangSmith {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.server.lock().unwrap().refused(), [""; 0]);
        }
    }
}

/// One that says this of itself.
pub(super) fn langsmith(info: &str) -> LangSmith {
    LangSmith::at(info, harness_time)
}

/// One that does not say anything of itself but this.
pub(super) fn silent(info: Answer) -> LangSmith {
    LangSmith::answering(info, "", harness_time)
}

/// Without compression.
pub(super) fn plain() -> LangSmith {
    langsmith(r#"{"version":"0.12.0","instance_flags":{},"batch_ingest_config":null}"#)
}

/// What the clocks of harnesses say, nearly.
pub(super) fn harness_time() -> SystemTime {
    ManualClock::new().now().wall
}

/// What a LangSmith says that has seen nothing yet.
pub(super) fn judge(request: &RecordedRequest) -> Answer {
    Server::new(KEY, Answer::new(200).body("{}"), "{}", harness_time).answer(request)
}

fn read(request: &RecordedRequest) -> Result<Vec<Run>, String> {
    match request.path.as_str() {
        "/runs/batch" => checker::batch(&request.body),
        _ => checker::multipart(request.header("content-type").unwrap_or_default(), &request.body),
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
