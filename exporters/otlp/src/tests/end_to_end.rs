//! From a manager with the real exporter, through delivery, to a receiver on loopback.

use std::time::Duration;

use charm_telemetry_core::testing::{Answer, MemoryWriter, ReceiverDouble, RecordedRequest};
use charm_telemetry_core::{Environment, LlmEnd, LlmStart, Manager, ManagerBuilder, RunId};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;

use super::payload::decoded;
use super::script::usage;

pub(super) const DEADLINE: Duration = Duration::from_secs(20);

pub(super) fn manager(receiver: &ReceiverDouble, more: &[(&str, &str)]) -> Manager {
    builder(receiver, more).start().expect("all is well")
}

pub(super) fn builder(receiver: &ReceiverDouble, more: &[(&str, &str)]) -> ManagerBuilder {
    let basis = [
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("CHARM_SPOOL_MAX_BYTES", "0"),
        ("CHARM_AGENT_NAME", "weather bot"),
    ];
    let mut environment = Environment::from_pairs(basis.iter().chain(more).copied());
    environment.set("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url(""));
    Manager::builder().environment(environment).stdout(MemoryWriter::new()).activate("otlp")
}

/// A run with a streamed answer and a tool that fails.
pub(super) fn run_agent(manager: &Manager) -> RunId {
    let run = manager.start_run(&json!({ "input": "SECRET question" }));
    let id = run.id();
    let start = LlmStart::new("gpt-4o").provider("openai").input(&"SECRET question");
    let mut call = run.llm_call(start);
    call.token("SECRET");
    call.token(" answer");
    call.finish(LlmEnd::new().output(&"SECRET answer").usage(usage()));
    run.tool_call("weather", "SECRET Oslo").fail("ValueError: SECRET city");
    run.finish("SECRET answer");
    id
}

pub(super) fn of_path(requests: &[RecordedRequest], path: &str) -> Vec<RecordedRequest> {
    requests.iter().filter(|request| request.path == path).cloned().collect()
}

pub(super) fn spans(requests: &[RecordedRequest]) -> Vec<Span> {
    let spans = of_path(requests, "/v1/traces");
    let requests = spans.iter().flat_map(|request| decoded(&request.body).resource_spans);
    requests.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

#[test]
fn a_run_arrives_whole_with_its_metrics_and_without_content() {
    let receiver = ReceiverDouble::start();
    let manager = manager(&receiver, &[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=sesame%20open")]);
    let id = run_agent(&manager);
    manager.shutdown(DEADLINE);

    let requests = receiver.requests();
    let spans = spans(&requests);
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["chat gpt-4o", "execute_tool weather", "invoke_agent weather bot"], "as each ends");
    assert!(spans.iter().all(|span| span.trace_id == id.as_bytes()));
    assert!(spans[..2].iter().all(|span| span.parent_span_id == spans[2].span_id));
    for request in &requests {
        assert_eq!(request.method, "POST");
        assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
        assert_eq!(request.header("content-encoding"), None);
        assert_eq!(request.header("api-key"), Some("sesame open"));
        assert!(!request.text().contains("SECRET") && !request.text().contains("sesame"));
    }
    let metrics = of_path(&requests, "/v1/metrics");
    let metrics = ExportMetricsServiceRequest::decode(&*metrics[0].body).unwrap();
    assert_eq!(metrics.resource_metrics[0].scope_metrics[0].metrics.len(), 6);
}

#[test]
fn a_span_leaves_as_it_ends_and_does_not_wait_for_its_run() {
    let receiver = ReceiverDouble::start();
    let manager = manager(&receiver, &[("OTEL_METRICS_EXPORTER", "none")]);
    let run = manager.start_run(&json!({}));
    let open = run.tool_call("weather", "Oslo");
    run.llm_call(LlmStart::new("gpt-4o")).finish(LlmEnd::new());
    let first = spans(&receiver.wait_for_requests(1, DEADLINE));
    assert_eq!(first.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["chat gpt-4o"]);
    open.finish("cold");
    run.finish("x");
    manager.shutdown(DEADLINE);
    let all = spans(&receiver.requests());
    assert_eq!(all.len(), 3, "and not again with the others");
    assert_eq!(first[0].parent_span_id, all[2].span_id, "its parent came later");
}

#[test]
fn content_leaves_where_the_standard_variable_says_so_but_never_against_the_operator() {
    for (content, leaves) in [("default", true), ("off", false)] {
        let receiver = ReceiverDouble::start();
        let capture = ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY");
        let manager = manager(&receiver, &[capture, ("CHARM_TELEMETRY_CONTENT", content)]);
        run_agent(&manager);
        manager.shutdown(DEADLINE);
        let text: String = receiver.requests().iter().map(RecordedRequest::text).collect();
        assert_eq!(text.contains("SECRET question"), leaves, "{content}");
        assert!(text.contains("chat gpt-4o"));
    }
}

#[test]
fn json_with_gzip_arrives_and_is_the_same_run() {
    let receiver = ReceiverDouble::start();
    let more = [("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"), ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")];
    let manager = manager(&receiver, &more);
    run_agent(&manager);
    manager.shutdown(DEADLINE);

    let requests = of_path(&receiver.requests(), "/v1/traces");
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert_eq!(requests[0].header("content-encoding"), Some("gzip"));
    let spans: Vec<_> = requests
        .iter()
        .flat_map(|request| {
            serde_json::from_slice::<ExportTraceServiceRequest>(&request.body).unwrap().resource_spans
        })
        .flat_map(|resource| resource.scope_spans.into_iter().flat_map(|scope| scope.spans))
        .collect();
    assert_eq!(spans.len(), 3);
}

#[test]
fn what_is_sent_again_is_the_same_to_the_byte() {
    let receiver = ReceiverDouble::start();
    // The connection is lost after the request was read: it may have arrived, and the ids tell.
    receiver.script([Answer::new(503).header("Retry-After", "0"), Answer::reset()]);
    let manager = manager(&receiver, &[("OTEL_METRICS_EXPORTER", "none")]);
    let run = manager.start_run(&json!({}));
    run.finish("x");
    receiver.wait_for_requests(3, DEADLINE);
    manager.shutdown(DEADLINE);

    let requests = receiver.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.body == requests[0].body));
    assert_eq!(spans(&requests[2..]).len(), 1);
}

#[test]
fn a_status_that_is_not_retryable_is_asked_once() {
    let receiver = ReceiverDouble::start();
    receiver.answer_always(Answer::new(500));
    let manager = manager(&receiver, &[("OTEL_METRICS_EXPORTER", "none")]);
    manager.start_run(&json!({})).finish("x");
    manager.shutdown(DEADLINE);
    assert_eq!(receiver.requests().len(), 1);
}

#[test]
fn a_receiver_that_takes_spans_alone_is_soon_sent_no_metrics() {
    const RUNS: usize = 100;
    let receiver = ReceiverDouble::start();
    receiver.answer_with(|request| Answer::new(if request.path == "/v1/metrics" { 405 } else { 200 }));
    let manager = manager(&receiver, &[("OTEL_METRIC_EXPORT_INTERVAL", "1")]);
    for _ in 0..RUNS {
        let before = receiver.requests().len();
        run_agent(&manager);
        receiver.wait_for_requests(before + 1, DEADLINE);
    }
    manager.shutdown(DEADLINE);
    // One request, and those that were under way when its answer came.
    let metrics = of_path(&receiver.requests(), "/v1/metrics").len();
    assert!((1..20).contains(&metrics), "{metrics}");
    assert_eq!(spans(&receiver.requests()).len(), 3 * RUNS);
}

#[test]
fn nothing_to_send_is_no_request() {
    let receiver = ReceiverDouble::start();
    manager(&receiver, &[]).shutdown(DEADLINE);
    let disabled = manager(&receiver, &[("OTEL_SDK_DISABLED", "true")]);
    run_agent(&disabled);
    disabled.shutdown(DEADLINE);
    assert!(receiver.requests().is_empty());
}

#[test]
fn a_run_that_nobody_ended_is_sent_as_aborted() {
    let receiver = ReceiverDouble::start();
    let manager = manager(&receiver, &[]);
    let run = manager.start_run(&json!({}));
    let call = run.llm_call(LlmStart::new("m"));
    std::mem::forget((call, run));
    manager.shutdown(DEADLINE);
    let spans = spans(&receiver.requests());
    assert_eq!(spans.len(), 2);
    assert!(spans.iter().all(|span| span.end_time_unix_nano > 0 && span.status.as_ref().unwrap().code == 2));
}

/// How many runs the metrics that were sent last have counted.
fn counted_runs(requests: &[RecordedRequest]) -> u64 {
    let last = of_path(requests, "/v1/metrics").pop().expect("metrics are sent");
    let sent = ExportMetricsServiceRequest::decode(&*last.body).unwrap();
    let metrics = &sent.resource_metrics[0].scope_metrics[0].metrics;
    let of_runs = metrics.iter().find(|metric| metric.name == "gen_ai.invoke_agent.duration").unwrap();
    let Some(Data::Histogram(histogram)) = &of_runs.data else { panic!("it is no histogram") };
    histogram.data_points.iter().map(|point| point.count).sum()
}

#[test]
fn metrics_count_every_run_whatever_share_of_the_spans_is_sent() {
    for (rate, keep_errors) in [("0", "false"), ("0", "true"), ("0.25", "false")] {
        let receiver = ReceiverDouble::start();
        let sampling =
            [("CHARM_TELEMETRY_SAMPLE_RATE", rate), ("CHARM_TELEMETRY_SAMPLE_KEEP_ERRORS", keep_errors)];
        let manager = manager(&receiver, &sampling);
        for _ in 0..40 {
            run_agent(&manager);
        }
        manager.shutdown(DEADLINE);
        let requests = receiver.requests();
        assert_eq!(counted_runs(&requests), 40, "{rate} {keep_errors}");
        let spans = spans(&requests).len();
        match (rate, keep_errors) {
            ("0", "false") => assert_eq!(spans, 0),
            ("0", _) => assert_eq!(spans, 3 * 40, "in each run a tool fails"),
            _ => assert!(spans < 3 * 40, "{spans}"),
        }
    }
}

#[test]
fn a_parent_that_is_not_recorded_has_its_runs_counted_and_their_spans_kept_at_home() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    for (keep_errors, expected) in [("false", 0), ("true", 3)] {
        let receiver = ReceiverDouble::start();
        let left_out = [("TRACEPARENT", PARENT), ("CHARM_TELEMETRY_SAMPLE_KEEP_ERRORS", keep_errors)];
        let manager = manager(&receiver, &left_out);
        run_agent(&manager);
        manager.shutdown(DEADLINE);
        assert_eq!(spans(&receiver.requests()).len(), expected, "{keep_errors}");
        assert_eq!(counted_runs(&receiver.requests()), 1);
    }
}
