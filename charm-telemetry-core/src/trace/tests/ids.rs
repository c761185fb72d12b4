//! Ids derive from the run and the call, and from nothing else.

use std::collections::BTreeSet;

use super::script::*;
use crate::trace::{SpanId, TraceId};

#[test]
fn ids_are_those_of_every_release() {
    // If this fails, a replay of spooled events would give other spans than the first time: do not bless it.
    let run = run_id(1);
    assert_eq!(TraceId::of_run(run).to_string(), "01942000000070008000000000000001");
    assert_eq!(SpanId::of_run(run).to_string(), "a79898c9b3d22145");
    assert_eq!(SpanId::of_call(run, call_id(1).unwrap()).to_string(), "097ad19c35293bfa");
    assert_eq!(SpanId::of_call(run, call_id(2).unwrap()).to_string(), "1edf148e6009d56f");
}

#[test]
fn no_two_of_many_calls_and_runs_share_an_id() {
    let ids: BTreeSet<_> = (0..100)
        .flat_map(|run| {
            let run = run_id(run);
            (1..=1_000)
                .map(move |call| SpanId::of_call(run, call_id(call).unwrap()))
                .chain([SpanId::of_run(run)])
        })
        .collect();
    assert_eq!(ids.len(), 100 * 1_001);
}

#[test]
fn the_nil_run_has_a_trace_id_all_the_same() {
    let nil = crate::RunId::from(uuid::Uuid::nil());
    assert_eq!(TraceId::of_run(nil).to_string(), "00000000000000000000000000000001");
    assert_ne!(SpanId::of_run(nil).get(), 0);
}

#[test]
fn zero_is_no_id() {
    assert_eq!(TraceId::from_bytes([0; 16]), None);
    assert_eq!(SpanId::from_number(0), None);
}

#[test]
fn the_uuid_of_a_run_is_its_id_and_that_of_a_call_sorts_by_its_start() {
    let spans = spans([
        event(0, 0, 0, run_start("{}")),
        event(5, 1, 0, tool("t", "")),
        event(6, 1, 0, tool_end("t", "")),
        event(7, 0, 0, run_end("null")),
    ]);
    let (tool, agent) = (&spans[0].head, &spans[1].head);
    assert_eq!(agent.uuid().to_string(), agent.run.to_string());
    assert_eq!(tool.uuid().get_version_num(), 7);
    assert_eq!(tool.uuid().get_variant(), uuid::Variant::RFC4122);
    let (seconds, nanos) = tool.uuid().get_timestamp().unwrap().to_unix();
    assert_eq!(u128::from(seconds) * 1000 + u128::from(nanos / 1_000_000), START.as_millis() + 5);
}

#[test]
fn spans_know_their_parents_and_their_root() {
    let spans = spans([
        event(0, 0, 0, run_start("{}")),
        event(1, 1, 0, tool("a", "")),
        event(2, 2, 1, tool("b", "")),
        event(3, 0, 0, run_end("null")),
    ]);
    let [b, a, agent] = &spans[..] else { panic!("three spans") };
    assert_eq!(b.head.parent_span_id(), Some(a.head.span_id));
    assert_eq!(a.head.parent_span_id(), Some(agent.head.span_id));
    assert_eq!(agent.head.parent_span_id(), None);
    assert_eq!(b.head.root().span_id, agent.head.span_id);
    assert!(agent.head.is_root() && !b.head.is_root());
    assert!(spans.iter().all(|span| span.head.trace_id == TraceId::of_run(run_id(0))));
}
