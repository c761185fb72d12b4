//! What holds for any sequence of events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::script::*;
use crate::event::{Event, EventKind};
use crate::id::RunId;
use crate::trace::{FinishedSpan, SpanId, TraceAssembler};

/// Few, so that most events belong to a call that had one before.
const CALLS: u32 = 12;

fn any_kind() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        1 => Just(run_start(r#"{"thread_id":"t"}"#)),
        1 => Just(run_end("{}")),
        1 => Just(run_error("boom: it broke")),
        1 => Just(tool("a", "in")),
        1 => Just(tool("b", "in")),
        1 => Just(tool_end("a", "out")),
        1 => Just(tool_end("b", "out")),
        1 => Just(tool_error("a", "it broke")),
        1 => Just(llm("m")),
        4 => Just(token("word ")),
        1 => Just(llm_end()),
        1 => Just(EventKind::LlmError { error: "e".into() }),
        1 => Just(search("r", "q")),
        1 => Just(found("[1]")),
        1 => Just(EventKind::RetrieverError { error: "e".into() }),
        1 => Just(action("a", "x")),
        1 => Just(stream("artifact", r#"{"type":"artifact"}"#)),
        1 => Just(stream("odd", "not json")),
    ]
}

/// Any event of one of a few runs and calls; time mostly advances, sometimes it steps back.
fn any_event() -> impl Strategy<Value = (Event, i64)> {
    let call = prop_oneof![1 => Just(0), 4 => 0..=CALLS];
    (any_kind(), 0..3_u128, call, 0..=CALLS, -5..20_i64).prop_map(|(kind, run, call, parent, step)| {
        let mut event = event(0, call, parent, kind);
        event.run = run_id(run);
        (event, step)
    })
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    // A run rarely ends by chance; most of what matters happens within.
    prop::collection::vec(any_event(), 0..200).prop_map(|events| {
        let mut now = 1_000_i64;
        events
            .into_iter()
            .map(|(mut event, step)| {
                now = (now + step).max(0);
                event.time = time(u64::try_from(now).unwrap());
                event
            })
            .collect()
    })
}

fn run(trace: &mut TraceAssembler, events: &[Event]) -> Vec<FinishedSpan> {
    let mut spans = feed(trace, events.iter().cloned());
    trace.close_all(time(10_000));
    spans.extend(finished(trace));
    spans
}

fn starts_a_call(kind: &EventKind) -> bool {
    matches!(kind, EventKind::ToolStart { .. } | EventKind::LlmStart(_) | EventKind::RetrieverStart { .. })
}

/// The calls with ids whose start came while their run was open, by the simplest means.
fn started(events: &[Event]) -> BTreeSet<(RunId, SpanId)> {
    let mut ended = BTreeSet::new();
    let mut started = BTreeSet::new();
    for event in events {
        if ended.contains(&event.run) {
            continue;
        }
        if let (Some(call), true) = (event.call, starts_a_call(&event.kind)) {
            started.insert((event.run, SpanId::of_call(event.run, call)));
        }
        if matches!(event.kind, EventKind::RunEnd { .. } | EventKind::Error { .. }) {
            ended.insert(event.run);
        }
    }
    started
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn every_started_call_gives_exactly_one_span(events in any_events()) {
        let spans = run(&mut assembler(), &events);
        let mut count = BTreeMap::<_, u32>::new();
        for span in &spans {
            *count.entry((span.head.run, span.head.span_id)).or_default() += 1;
        }
        for ((run, span), count) in &count {
            prop_assert_eq!(*count, 1, "{} {}", run, span);
        }
        for call in started(&events) {
            prop_assert!(count.contains_key(&call), "{:?} was lost", call);
        }
    }

    #[test]
    fn every_parent_is_a_span_that_is_sent_and_every_run_has_one_root(events in any_events()) {
        let spans = run(&mut assembler(), &events);
        let sent: BTreeSet<_> = spans.iter().map(|span| span.head.span_id).collect();
        let runs: BTreeSet<_> = spans.iter().map(|span| span.head.run).collect();
        for span in &spans {
            if let Some(parent) = span.head.parent_span_id() {
                prop_assert!(sent.contains(&parent));
            }
            prop_assert_eq!(span.head.root().span_id, SpanId::of_run(span.head.run));
        }
        prop_assert_eq!(spans.iter().filter(|span| span.head.is_root()).count(), runs.len());
    }

    #[test]
    fn times_are_in_order(events in any_events()) {
        for span in run(&mut assembler(), &events) {
            prop_assert_eq!(span.head.start + span.duration, span.end);
            if let Some(parent) = &span.head.parent {
                prop_assert!(parent.start <= span.head.start);
            }
            if let Some(streaming) = span.streaming {
                prop_assert!(streaming.tokens > 0);
                prop_assert!(span.head.start <= streaming.first_token);
                prop_assert!(streaming.first_token + streaming.span_of_tokens <= span.end);
            }
        }
    }

    #[test]
    fn the_same_events_give_the_same_spans(events in any_events()) {
        let show = |spans: Vec<FinishedSpan>| spans.iter().map(|span| format!("{span:?}")).collect::<Vec<_>>();
        prop_assert_eq!(show(run(&mut assembler(), &events)), show(run(&mut assembler(), &events)));
    }

    #[test]
    fn nothing_is_held_in_the_end_and_never_more_than_the_bounds(events in any_events()) {
        let mut trace = assembler_with(|limits| {
            limits.open_runs = 2;
            limits.open_calls = 3;
            limits.held_bytes = 40;
            limits.streamed_text_bytes = 12;
            limits.content_bytes = 8;
            limits.events = 2;
        });
        let mut spans = Vec::new();
        for event in &events {
            trace.event(event);
            prop_assert!(trace.open_runs() <= 2);
            prop_assert!(trace.held_bytes() <= 40);
            spans.extend(finished(&mut trace));
        }
        trace.close_all(time(10_000));
        spans.extend(finished(&mut trace));
        prop_assert_eq!((trace.open_runs(), trace.held_bytes()), (0, 0));
        for span in &spans {
            prop_assert!(span.output.as_ref().is_none_or(|output| output.len() <= 12));
            prop_assert!(span.input.as_ref().is_none_or(|input| input.len() <= 8));
            prop_assert!(span.events.len() <= 2);
        }
        prop_assert_eq!(trace.counters().spans, spans.len() as u64);
    }
}
