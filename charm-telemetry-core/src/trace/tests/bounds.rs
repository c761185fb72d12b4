//! Whatever an agent sends, what is held stays within its bounds.

use super::script::*;
use crate::trace::{Content, TraceAssembler};

#[test]
fn a_million_tokens_hold_no_more_than_the_cap() {
    let mut trace = assembler();
    feed(&mut trace, [event(0, 0, 0, run_start("{}")), event(0, 1, 0, llm("m"))]);
    let cap = 256 * 1024;
    let word = event(1, 1, 0, token("token "));
    for _ in 0..100_000 {
        trace.event(&word);
    }
    let after_some = trace.held_bytes();
    // Not by the assembler's own book: by the allocator's.
    let allocations = allocation_counter::measure(|| {
        for _ in 0..900_000 {
            trace.event(&word);
        }
    });
    assert_eq!((allocations.bytes_current, allocations.count_total), (0, 0), "nothing grows beyond the cap");
    assert_eq!(trace.held_bytes(), after_some);
    assert_eq!(after_some, cap + "{}".len());
    assert!(!trace.has_output());

    let spans = feed(&mut trace, [event(2, 1, 0, llm_end()), event(3, 0, 0, run_end("null"))]);
    assert_eq!(spans[0].streaming.unwrap().tokens, 1_000_000);
    let text = spans[0].output.as_ref().unwrap();
    assert!(text.is_truncated());
    assert_eq!(text.len(), cap);
    assert_eq!(trace.counters().truncated, 1);
    assert_eq!(trace.held_bytes(), 0);
}

#[test]
fn a_streamed_text_is_cut_at_a_whole_character_and_has_no_holes() {
    let mut trace = assembler_with(|limits| limits.streamed_text_bytes = 4);
    let spans = feed(
        &mut trace,
        [
            event(0, 1, 0, llm("m")),
            event(0, 1, 0, token("abc")),
            event(0, 1, 0, token("é")),
            event(0, 1, 0, token("d")),
            event(0, 1, 0, llm_end()),
        ],
    );
    assert_eq!(spans[0].output.as_ref().unwrap().text(), "abc");
    assert_eq!(spans[0].streaming.unwrap().tokens, 3);
}

#[test]
fn a_long_input_is_cut_and_says_so() {
    let mut trace = assembler_with(|limits| limits.content_bytes = 10);
    let long = format!(r#"{{"a":"{}"}}"#, "é".repeat(20));
    let spans = feed(&mut trace, [event(0, 0, 0, run_start(&long)), event(1, 0, 0, run_end("null"))]);
    let input = spans[0].input.as_ref().unwrap();
    assert!(input.is_truncated() && input.as_json().is_none());
    assert_eq!(input.text(), r#"{"a":"éé"#);
    assert_eq!(trace.counters().truncated, 1);
}

#[test]
fn contents_over_the_sum_are_left_out_until_there_is_room_again() {
    let mut trace = assembler_with(|limits| limits.held_bytes = 6);
    let spans = feed(
        &mut trace,
        [
            event(0, 1, 0, tool("a", "1234")),
            event(0, 2, 0, tool("b", "5678")),
            event(0, 3, 0, tool("c", "9")),
            event(1, 1, 0, tool_end("a", "")),
            event(1, 2, 0, tool_end("b", "x")),
            event(1, 3, 0, tool_end("c", "y")),
        ],
    );
    let inputs: Vec<_> = spans.iter().map(|span| span.input.as_ref().map(Content::text)).collect();
    assert_eq!(inputs, [Some("1234".into()), Some("56".into()), None]);
    assert_eq!(trace.held_bytes(), 0);
    assert_eq!(trace.counters().truncated, 2);
}

#[test]
fn over_the_bound_of_open_calls_the_oldest_is_closed() {
    let mut trace = assembler_with(|limits| limits.open_calls = 2);
    let spans = feed(
        &mut trace,
        [
            event(0, 0, 0, run_start("{}")),
            event(1, 1, 0, tool("first", "")),
            event(2, 2, 0, tool("second", "")),
            event(3, 3, 0, tool("third", "")),
            event(4, 1, 0, tool_end("first", "too late")),
        ],
    );
    assert_eq!(lines(&spans), [r#"tool first 1..3 < agent: aborted Evicted in="""#]);
    assert_eq!(trace.counters().odd_ends, 1);
}

#[test]
fn over_the_bound_of_open_runs_the_most_silent_is_closed() {
    let mut trace = assembler_with(|limits| limits.open_runs = 3);
    let start = |trace: &mut TraceAssembler, run: u128, at: u64| {
        let mut event = event(at, 0, 0, run_start("{}"));
        event.run = run_id(run);
        feed(trace, [event])
    };
    for run in 0..3 {
        assert!(start(&mut trace, run, u64::try_from(run).unwrap()).is_empty());
    }
    feed(&mut trace, [event(5, 0, 0, token("run 0 is alive"))]);
    let closed = start(&mut trace, 3, 6);
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].head.run, run_id(1));
    assert_eq!(trace.open_runs(), 3);
}

#[test]
fn events_over_the_bound_are_counted_in_the_span() {
    let mut trace = assembler_with(|limits| limits.events = 3);
    let actions = (0..10).map(|n| event(n, 0, 0, action("t", "x")));
    feed(&mut trace, actions);
    let spans = feed(&mut trace, [event(11, 0, 0, run_end("null"))]);
    assert_eq!((spans[0].events.len(), spans[0].events_dropped), (3, 7));
}

#[test]
fn a_very_deep_nesting_is_flattened() {
    let mut trace = assembler();
    let calls = 1_000;
    feed(&mut trace, (1..=calls).map(|n| event(u64::from(n), n, n - 1, tool("t", ""))));
    let spans = feed(&mut trace, [event(5_000, 0, 0, run_end("null"))]);
    let deepest = spans.iter().map(|span| span.head.ancestors().count()).max();
    assert_eq!(deepest, Some(100));
    assert_eq!(spans.len(), 1_001);
}

#[test]
fn names_and_errors_are_bounded() {
    let long = "n".repeat(1_000_000);
    let spans = spans([
        event(0, 1, 0, tool(&long, "")),
        event(1, 1, 0, tool_error(&long, &long)),
        event(2, 2, 0, llm(&long)),
        event(3, 2, 0, llm_end()),
    ]);
    assert_eq!(spans[0].head.name.len(), 512);
    assert_eq!(spans[0].error().unwrap().message.len(), 64 * 1024);
    assert_eq!(spans[1].model.as_ref().unwrap().len(), 512);
}
