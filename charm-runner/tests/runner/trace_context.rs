//! The trace that the runner is started in, and the one that it starts its agent in.
//! The one rule: what the agent is told is what the receiver was sent.

use serde_json::{Value, json};

use crate::network::Receiver;
use crate::project::Project;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// What the agent found in its environment, and the span of its run.
struct Told {
    traceparent: String,
    run: String,
    state: String,
    span: Value,
}

fn run(variables: &[(&str, &str)]) -> Told {
    let receiver = Receiver::start();
    let mut project = Project::shell(r#"echo "$TRACEPARENT $CHARM_RUN_ID ${TRACESTATE-none}""#)
        .telemetry("otlp")
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &receiver.url("/v1/traces"))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .env("OTEL_METRICS_EXPORTER", "none")
        .env("CHARM_SPOOL_MAX_BYTES", "0");
    for (name, value) in variables {
        project = project.env(name, value);
    }
    let done = project.run(&[]).assert_status(0);
    let said = done.content("final");
    let words: Vec<_> = said.as_str().unwrap().split_whitespace().collect();
    let [traceparent, run, state] = words[..] else { panic!("{said}") };
    let mut spans = receiver.spans();
    assert_eq!(spans.len(), 1, "{spans:?}");
    Told {
        traceparent: traceparent.to_owned(),
        run: run.to_owned(),
        state: state.to_owned(),
        span: spans.remove(0),
    }
}

impl Told {
    /// The agent is below the span of its run, in its trace.
    fn assert_below_the_run(&self) {
        let (trace, span) = (self.span["traceId"].as_str().unwrap(), self.span["spanId"].as_str().unwrap());
        assert_eq!(self.traceparent, format!("00-{trace}-{span}-01"));
        let attributes = self.span["attributes"].as_array().unwrap();
        let run = attributes.iter().find(|attribute| attribute["key"] == "charm.run.id").unwrap();
        assert_eq!(run["value"]["stringValue"], self.run);
    }
}

#[test]
fn an_agent_is_told_the_span_of_its_run() {
    let told = run(&[]);
    told.assert_below_the_run();
    assert_eq!(told.span["traceId"], told.run.replace('-', ""), "the trace is the run's own");
    assert_eq!(told.state, "none");
}

#[test]
fn a_trace_that_comes_in_goes_on_to_the_agent() {
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let told = run(&[("TRACEPARENT", &parent), ("TRACESTATE", "vendor=1")]);
    told.assert_below_the_run();
    assert_eq!((&told.span["traceId"], &told.span["parentSpanId"]), (&json!(TRACE), &json!(SPAN)));
    assert_eq!((&*told.state, &told.span["traceState"]), ("vendor=1", &json!("vendor=1")));
}

#[test]
fn the_state_of_a_trace_that_is_not_taken_is_not_handed_on() {
    for parent in [None, Some("junk")] {
        let parent = parent.map(|parent| ("TRACEPARENT", parent));
        let variables: Vec<_> = parent.into_iter().chain([("TRACESTATE", "vendor=1")]).collect();
        let told = run(&variables);
        told.assert_below_the_run();
        assert_eq!(told.state, "none", "{variables:?}");
    }
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let told = run(&[("TRACEPARENT", &parent), ("TRACESTATE", "no state")]);
    assert_eq!(told.state, "none", "a state that is none is left out, as the standard has it");
}
