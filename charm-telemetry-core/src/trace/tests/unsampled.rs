//! What waits for a failure in its run stays within its bounds, and every span is either sent or counted.

use super::feed::{Recorder, told, unsampled};
use super::script::*;
use crate::Event;

/// A tool that was called and answered this, in a run.
fn call(run: u128, number: u32, output: &str) -> [Event; 2] {
    [event(1, number, 0, tool("t", "")), event(2, number, 0, tool_end("t", output))].map(|mut event| {
        event.run = run_id(run);
        event
    })
}

fn end(run: u128, error: bool) -> Event {
    let kind = if error { run_error("boom") } else { run_end("null") };
    Event { run: run_id(run), ..event(3, 0, 0, kind) }
}

fn sent_of(recorder: &Recorder) -> u64 {
    recorder.told.iter().filter(|line| !line.starts_with("failed ")).count() as u64
}

#[test]
fn over_the_bound_of_waiting_spans_what_ends_later_is_dropped_and_counted() {
    const WAIT: u64 = 16 * 1024;
    let calls = (1..=17_000).flat_map(|number| call(0, number, ""));
    let recorder = told(Recorder::default(), unsampled(true), calls.chain([end(0, true)]));
    assert_eq!(sent_of(&recorder), WAIT + 1, "those that waited, and the run");
    assert_eq!(recorder.feed.sampled_out(), 17_000 - WAIT);
}

#[test]
fn over_the_bound_of_waiting_bytes_too_and_there_is_room_again_when_the_run_is_over() {
    let large = "x".repeat(1024 * 1024);
    for (first_fails, sent, left_out) in [(true, 16 + 1 + 3, 4), (false, 3, 21)] {
        let first = (1..=20).flat_map(|number| call(0, number, &large));
        let second = (1..=2).flat_map(|number| call(1, number, &large));
        let events = first.chain([end(0, first_fails)]).chain(second).chain([end(1, true)]);
        let recorder = told(Recorder::default(), unsampled(true), events);
        assert_eq!((sent_of(&recorder), recorder.feed.sampled_out()), (sent, left_out), "{first_fails}");
    }
}
