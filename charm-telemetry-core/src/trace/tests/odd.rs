//! Events that do not fit: each is counted, and none does harm.

use super::script::*;
use crate::trace::{AbortReason, SpanStatus, TraceCounters};

/// The events become these spans, and this is counted (`spans` and `aborted` are left out).
#[track_caller]
fn check_odd(events: impl IntoIterator<Item = crate::Event>, expected: &[&str], counted: TraceCounters) {
    let mut trace = assembler();
    assert_eq!(lines(&feed(&mut trace, events)), expected);
    let counters = TraceCounters { spans: 0, aborted: 0, ..trace.counters() };
    assert_eq!(counters, counted);
}

#[test]
fn a_call_that_ends_without_a_start_is_a_span_without_length() {
    check_odd(
        [event(0, 0, 0, run_start("{}")), event(5, 7, 0, tool_error("t", "boom"))],
        &["tool t 5..5 < agent: error `boom` (start missing)"],
        TraceCounters { missing_starts: 1, ..TraceCounters::default() },
    );
}

#[test]
fn a_second_end_is_counted_and_gives_no_second_span() {
    check_odd(
        [
            event(0, 0, 0, run_start("{}")),
            event(1, 1, 0, tool("t", "a")),
            event(2, 1, 0, tool_end("t", "b")),
            event(3, 1, 0, tool_end("t", "c")),
        ],
        &[r#"tool t 1..2 < agent: ok in="a" out="b""#],
        TraceCounters { odd_ends: 1, ..TraceCounters::default() },
    );
}

#[test]
fn a_second_start_is_counted_and_changes_nothing() {
    check_odd(
        [
            event(0, 0, 0, run_start(r#"{"n":1}"#)),
            event(1, 0, 0, run_start(r#"{"n":2}"#)),
            event(2, 1, 0, tool("t", "first")),
            event(3, 1, 0, tool("t", "second")),
            event(4, 1, 0, tool_end("t", "x")),
            event(5, 1, 0, tool("t", "third")),
            event(6, 0, 0, run_end("null")),
        ],
        &[r#"tool t 2..4 < agent: ok in="first" out="x""#, r#"agent agent 0..6: ok in={"n":1} out=null"#],
        TraceCounters { repeated_starts: 3, ..TraceCounters::default() },
    );
}

#[test]
fn a_token_after_the_end_of_its_call_is_late() {
    check_odd(
        [
            event(0, 0, 0, run_start("{}")),
            event(1, 1, 0, llm("m")),
            event(2, 1, 0, token("a")),
            event(3, 1, 0, llm_end()),
            event(4, 1, 0, token("b")),
        ],
        &[r#"llm m 1..3 < agent: ok out="a""#],
        TraceCounters { late: 1, ..TraceCounters::default() },
    );
}

/// Calls of these numbers, each begun and ended.
fn many(numbers: impl Iterator<Item = u32>) -> impl Iterator<Item = crate::Event> {
    numbers.flat_map(|call| [event(1, call, 0, tool("t", "")), event(2, call, 0, tool_end("t", ""))])
}

#[test]
fn a_call_that_ended_long_ago_has_still_ended() {
    let mut trace = assembler();
    feed(&mut trace, [event(0, 0, 0, run_start("{}")), event(0, 7, 0, tool("open", ""))]);
    assert_eq!(feed(&mut trace, many((1..=1000).filter(|call| *call != 7))).len(), 999);
    let late = [tool("t", ""), tool_end("t", ""), tool_error("t", "boom"), token("late"), llm_end()];
    let late = (1..=2).flat_map(|call| late.clone().map(|kind| event(3, call, 0, kind)));
    assert_eq!(lines(&feed(&mut trace, late)), [""; 0], "no span of an id that was sent");
    let counters = trace.counters();
    assert_eq!((counters.repeated_starts, counters.odd_ends, counters.late), (2, 6, 2));
    assert_eq!(counters.missing_starts, 0);
    let spans = feed(&mut trace, [event(9, 7, 0, tool_end("open", "x"))]);
    assert_eq!(lines(&spans), [r#"tool open 0..9 < agent: ok in="" out="x""#], "what is open has not ended");
}

#[test]
fn however_the_calls_are_numbered_none_is_sent_twice() {
    let mut trace = assembler();
    feed(&mut trace, [event(0, 0, 0, run_start("{}")), event(0, 4, 0, tool("open", ""))]);
    let odd = || (1..60_000).step_by(2);
    assert_eq!(feed(&mut trace, many(odd())).len(), 30_000);
    let again = feed(&mut trace, odd().map(|call| event(3, call, 0, tool_end("t", ""))));
    assert_eq!((again.len(), trace.counters().odd_ends), (0, 30_000));
    assert_eq!(feed(&mut trace, [event(9, 4, 0, tool_end("open", ""))]).len(), 1);
    assert_eq!(feed(&mut trace, many([59_998].into_iter())).len(), 1, "a gap that is not far below is one");
}

#[test]
fn tokens_of_a_call_that_was_not_seen_to_start_are_kept() {
    check_odd(
        [
            event(0, 0, 0, run_start("{}")),
            event(2, 9, 0, token("a")),
            event(3, 9, 0, token("b")),
            event(4, 9, 0, llm_end()),
        ],
        &[r#"llm llm 2..4 < agent: ok out="ab" (start missing)"#],
        TraceCounters { missing_starts: 1, ..TraceCounters::default() },
    );
}

#[test]
fn events_of_a_run_that_was_not_seen_to_start_begin_it() {
    check_odd(
        [event(5, 3, 0, tool("t", "a")), event(6, 3, 0, tool_end("t", "b")), event(9, 0, 0, run_end("null"))],
        &[r#"tool t 5..6 < agent: ok in="a" out="b""#, "agent agent 5..9: ok out=null (start missing)"],
        TraceCounters::default(),
    );
}

#[test]
fn events_after_the_end_of_the_run_are_counted_but_for_those_to_the_end_user() {
    check_odd(
        [
            event(0, 0, 0, run_start("{}")),
            event(1, 0, 0, run_end("null")),
            event(2, 0, 0, token("x")),
            event(2, 0, 0, run_end("null")),
            event(2, 0, 0, run_start("{}")),
            event(2, 0, 0, stream("final", r#"{"type":"final"}"#)),
        ],
        &["agent agent 0..1: ok in={} out=null"],
        TraceCounters { after_run: 3, ..TraceCounters::default() },
    );
}

#[test]
fn a_status_before_the_start_begins_no_run() {
    check_odd(
        [
            event(0, 0, 0, stream("status", r#"{"type":"status"}"#)),
            event(5, 0, 0, run_start("{}")),
            event(6, 0, 0, run_end("null")),
        ],
        &["agent agent 5..6: ok in={} out=null"],
        TraceCounters::default(),
    );
}

#[test]
fn a_call_whose_caller_is_not_known_hangs_under_the_run() {
    check_odd(
        [
            event(0, 0, 0, run_start("{}")),
            event(1, 2, 99, tool("a", "")),
            event(2, 2, 99, tool_end("a", "")),
            event(3, 3, 3, tool("its own parent", "")),
            event(4, 3, 3, tool_end("its own parent", "")),
        ],
        &[r#"tool a 1..2 < agent: ok in="" out="""#, r#"tool its own parent 3..4 < agent: ok in="" out="""#],
        TraceCounters { unknown_parents: 2, ..TraceCounters::default() },
    );
}

#[test]
fn the_end_of_another_kind_of_call_ends_it_and_is_counted() {
    check_odd(
        [event(0, 0, 0, run_start("{}")), event(1, 1, 0, llm("m")), event(2, 1, 0, tool_end("t", "x"))],
        &[r#"llm m 1..2 < agent: ok out="x""#],
        TraceCounters { odd_ends: 1, ..TraceCounters::default() },
    );
}

#[test]
fn an_end_without_an_id_that_fits_no_call_is_a_span_of_its_own() {
    check_odd(
        [
            event(0, 0, 0, run_start("{}")),
            event(1, 0, 0, tool("a", "")),
            event(2, 0, 0, tool_error("b", "boom")),
            event(3, 0, 0, tool_end("a", "")),
        ],
        &["tool b 2..2 < agent: error `boom` (start missing)", r#"tool a 1..3 < agent: ok in="" out="""#],
        TraceCounters { missing_starts: 1, ..TraceCounters::default() },
    );
}

#[test]
fn calls_that_nobody_ended_are_aborted_with_their_run_the_deepest_first() {
    check_odd(
        [
            event(0, 0, 0, run_start("{}")),
            event(1, 1, 0, tool("outer", "")),
            event(2, 2, 1, llm("inner")),
            event(3, 2, 1, token("par")),
            event(9, 0, 0, run_error("timed out")),
        ],
        &[
            r#"llm inner 2..9 < outer: aborted RunEnded out="par""#,
            r#"tool outer 1..9 < agent: aborted RunEnded in="""#,
            "agent agent 0..9: error `timed out` in={}",
        ],
        TraceCounters::default(),
    );
}

#[test]
fn what_is_open_when_the_process_ends_is_aborted() {
    let mut trace = assembler();
    feed(
        &mut trace,
        [event(0, 0, 0, run_start("{}")), event(1, 1, 0, tool("t", "")), event(2, 0, 0, token("a"))],
    );
    trace.close_all(time(50));
    assert_eq!(
        lines(&finished(&mut trace)),
        [
            r#"tool t 1..50 < agent: aborted Shutdown in="""#,
            r#"llm llm 2..2 < agent: aborted Shutdown out="a""#,
            "agent agent 0..50: aborted Shutdown in={}",
        ]
    );
    assert_eq!((trace.counters().aborted, trace.open_runs(), trace.held_bytes()), (3, 0, 0));
    trace.event(&event(60, 1, 0, tool_end("t", "")));
    assert_eq!(trace.counters().after_run, 1);
}

#[test]
fn a_run_that_was_silent_for_a_day_is_closed_when_another_starts() {
    let mut trace = assembler();
    let day = 24 * 60 * 60 * 1000;
    feed(&mut trace, [event(0, 0, 0, run_start("{}"))]);
    let mut other = event(day, 0, 0, run_start("{}"));
    other.run = run_id(1);
    assert!(feed(&mut trace, [other]).is_empty(), "exactly a day is not too long");
    let mut third = event(day + 1, 0, 0, run_start("{}"));
    third.run = run_id(2);
    let closed = feed(&mut trace, [third]);
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].head.run, run_id(0));
    assert!(matches!(closed[0].status, SpanStatus::Aborted(AbortReason::Expired)));
}

#[test]
fn clocks_that_go_backwards_give_no_negative_times() {
    let mut early = event(100, 1, 0, tool("t", ""));
    early.time.wall = std::time::UNIX_EPOCH;
    check_odd(
        [
            event(100, 0, 0, run_start("{}")),
            early,
            event(50, 2, 1, tool("child", "")),
            event(40, 2, 1, tool_end("child", "")),
            event(90, 1, 0, tool_end("t", "")),
            event(10, 0, 0, run_end("null")),
        ],
        &[
            r#"tool child 100..100 < t: ok in="" out="""#,
            r#"tool t 100..100 < agent: ok in="" out="""#,
            "agent agent 100..100: ok in={} out=null",
        ],
        TraceCounters::default(),
    );
}
