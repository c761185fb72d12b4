//! `TRACEPARENT` in and out.

use super::script::*;
use crate::trace::{
    TelemetrySettings, TraceAssembler, TraceContext, TraceLimits, TraceParent, TraceParentError,
};
use crate::{Environment, EnvironmentReader};

const REMOTE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_traceparent_is_read_as_the_standard_has_it() {
    use TraceParentError::{Shape, Version, Zero};
    let ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
    for (text, expected) in [
        (format!("00-{ids}-01"), Ok(true)),
        (format!("00-{ids}-00"), Ok(false)),
        (format!("00-{ids}-ff"), Ok(true)),
        (format!("00-{ids}-02"), Ok(false)),
        (format!("cc-{ids}-01"), Ok(true)),
        (format!("cc-{ids}-01-what-comes-later"), Ok(true)),
        (format!("00-{ids}-01-"), Err(Shape)),
        (format!("00-{ids}-01-x"), Err(Shape)),
        (format!("cc-{ids}-01.x"), Err(Shape)),
        (format!("ff-{ids}-01"), Err(Version)),
        (format!("0-{ids}-01"), Err(Shape)),
        (format!("00-{}-01", ids.to_uppercase()), Err(Shape)),
        (format!("00-{ids}-1"), Err(Shape)),
        (format!("00-{ids}-+1"), Err(Shape)),
        (format!(" 00-{ids}-01"), Err(Shape)),
        (format!("00-{ids}"), Err(Shape)),
        (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), Err(Zero)),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".to_owned(), Err(Zero)),
        ("00-4bf92f3577b34da6a3ce929d0e0e473é-0f067aa0ba902b7-01".to_owned(), Err(Shape)),
        (String::new(), Err(Shape)),
    ] {
        let parsed = text.parse::<TraceParent>();
        assert_eq!(parsed.map(|parent| parent.is_sampled()), expected, "{text}");
    }
}

#[test]
fn a_traceparent_is_written_as_it_was_read() {
    assert_eq!(REMOTE.parse::<TraceParent>().unwrap().to_string(), REMOTE);
}

#[test]
fn a_run_hangs_under_the_span_of_the_process_that_started_it() {
    let context = TraceContext::new(REMOTE.parse().unwrap(), None);
    let settings = TelemetrySettings { context, ..TelemetrySettings::default() };
    let mut trace = TraceAssembler::new(&settings, TraceLimits::default());
    let spans = feed(
        &mut trace,
        [
            event(0, 0, 0, run_start("{}")),
            event(1, 1, 0, tool("t", "")),
            event(2, 1, 0, tool_end("t", "")),
            event(3, 0, 0, run_end("null")),
        ],
    );
    let (tool, agent) = (&spans[0].head, &spans[1].head);
    assert_eq!(agent.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(agent.parent_span_id().unwrap().to_string(), "00f067aa0ba902b7");
    assert!(agent.is_root(), "of its run");
    assert_eq!(tool.trace_id, agent.trace_id);
    assert_eq!(tool.parent_span_id(), Some(agent.span_id));
}

#[test]
fn what_is_handed_on_names_the_span_that_will_be_sent() {
    let settings = TelemetrySettings::default();
    let call = call_id(1);
    let (of_run, of_call) =
        (settings.traceparent_for(run_id(0), None), settings.traceparent_for(run_id(0), call));
    let spans = spans([
        event(0, 0, 0, run_start("{}")),
        event(1, 1, 0, tool("t", "")),
        event(2, 0, 0, run_end("null")),
    ]);
    assert_eq!((of_call.trace_id(), of_call.span_id()), (spans[0].head.trace_id, spans[0].head.span_id));
    assert_eq!((of_run.trace_id(), of_run.span_id()), (spans[1].head.trace_id, spans[1].head.span_id));
    assert!(of_run.is_sampled());
}

#[test]
fn a_trace_that_is_not_sampled_is_handed_on_as_such() {
    let settings = TelemetrySettings { sampler: "0".parse().unwrap(), ..TelemetrySettings::default() };
    assert!(!settings.traceparent_for(run_id(0), None).is_sampled());
}

#[test]
fn a_bad_traceparent_is_an_error_to_who_asks_and_no_problem_of_the_settings() {
    let environment = Environment::from_pairs([("TRACEPARENT", "junk"), ("TRACESTATE", "a=b")]);
    assert_eq!(TraceContext::read(&environment), Err(TraceParentError::Shape));
    let mut reader = EnvironmentReader::new(&environment);
    assert_eq!(TelemetrySettings::read(&mut reader).context, TraceContext::default());
    assert!(reader.into_problems().is_empty());
}

#[test]
fn a_tracestate_is_handed_on_unless_it_is_none() {
    let many = vec!["a=b"; 33].join(",");
    let long = format!("a={}", "b".repeat(511));
    for (state, kept) in [
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true),
        ("fw529a3039@dt=FfAz, b=c ,", true),
        ("novalue", false),
        ("a=", false),
        ("=b", false),
        ("A=b", false),
        ("a=b\n", false),
        ("a=b=c", false),
        (&many, false),
        (&long, false),
    ] {
        let environment = Environment::from_pairs([("TRACEPARENT", REMOTE), ("TRACESTATE", state)]);
        let context = TraceContext::read(&environment).unwrap();
        assert_eq!(context.tracestate(), kept.then_some(state), "{state}");
    }
    let alone = Environment::from_pairs([("TRACESTATE", "a=b")]);
    assert_eq!(TraceContext::read(&alone).unwrap().tracestate(), None);
}
