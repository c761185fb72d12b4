//! What is seen of secrets that come in pieces.
//! Rule: whatever the cut, what comes out is what the redactor makes of the whole text.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::event::{EventTime, LlmEnd};
use crate::id::RunId;

const SECRETS: [(&str, &str); 3] = [("KEY", "abcabd"), ("LONG", "abcabdcc"), ("OTHER", "dccaaa")];

/// One run, and what has come out of it.
struct Bench {
    redactor: Redactor,
    held: Holdback,
    now: Instant,
    next: u64,
    out: Vec<Event>,
}

impl Bench {
    fn new() -> Self {
        let redactor = Redactor::new(SECRETS);
        Self { redactor, held: Holdback::default(), now: Instant::now(), next: 0, out: Vec::new() }
    }

    fn event(&mut self, call: u32, kind: EventKind) {
        let time = EventTime { wall: std::time::SystemTime::UNIX_EPOCH, monotonic: Duration::ZERO };
        let (sequence, call) = (self.next, CallId::from_number(call));
        self.next += 1;
        let event = Event { run: RunId::new(), sequence, time, call, parent: None, kind };
        self.held.take(event, &self.redactor, self.now, &mut |event| self.out.push(event));
    }

    fn token(&mut self, call: u32, token: &str) {
        self.event(call, EventKind::LlmNewToken { token: token.into() });
    }

    fn wait(&mut self) {
        self.wait_for(LONGEST_WAIT);
    }

    fn wait_for(&mut self, time: Duration) {
        self.now += time;
        self.held.let_go(&self.redactor, self.now, &mut |event| self.out.push(event));
    }

    fn end(&mut self) {
        self.held.finish(&self.redactor, &mut |event| self.out.push(event));
        assert!(!self.held.is_waiting());
        assert!(self.out.iter().map(|event| event.sequence).eq(0..self.next), "each event once, in order");
    }

    fn said(&self, call: u32) -> String {
        let of_call = self.out.iter().filter(|event| event.call == CallId::from_number(call));
        of_call
            .filter_map(|event| match &event.kind {
                EventKind::LlmNewToken { token } => Some(&**token),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn a_token_that_begins_no_secret_waits_for_nothing() {
    let mut bench = Bench::new();
    bench.token(1, "Hello");
    assert_eq!((bench.out.len(), bench.held.is_waiting()), (1, false));
}

#[test]
fn a_secret_in_pieces_is_named_in_its_first_token_and_gone_from_the_others() {
    let mut bench = Bench::new();
    for token in ["xa", "b", "c", "abdx"] {
        bench.token(1, token);
    }
    assert_eq!(bench.said(1), "x[KEY_REDACTED]x");
    let first = bench.out.first().map(|event| event.kind.clone());
    assert!(matches!(first, Some(EventKind::LlmNewToken { token }) if &*token == "x[KEY_REDACTED]"));
    bench.end();
}

#[test]
fn a_beginning_that_goes_on_otherwise_comes_out_as_it_was() {
    let mut bench = Bench::new();
    bench.token(1, "abc");
    assert!(bench.out.is_empty());
    bench.token(1, "x");
    assert_eq!(bench.said(1), "abcx");
    bench.end();
}

#[test]
fn the_end_of_the_call_ends_the_wait_and_what_came_behind_keeps_its_place() {
    let mut bench = Bench::new();
    bench.token(1, "abc");
    bench.token(2, "free");
    assert!(bench.out.is_empty(), "the order of the run is kept");
    bench.event(1, EventKind::LlmEnd(Box::new(LlmEnd::new())));
    assert_eq!((bench.said(1).as_str(), bench.said(2).as_str()), ("abc", "free"));
    bench.end();
}

#[test]
fn tokens_of_different_calls_are_not_joined() {
    let mut bench = Bench::new();
    bench.token(1, "abc");
    bench.token(2, "abd");
    bench.end();
    assert_eq!((bench.said(1).as_str(), bench.said(2).as_str()), ("abc", "abd"));
}

#[test]
fn less_than_half_of_a_secret_is_let_go_in_time_and_the_rest_is_still_recognised() {
    let mut bench = Bench::new();
    bench.token(1, "ab");
    bench.wait();
    assert_eq!(bench.said(1), "ab");
    bench.token(1, "cabd");
    bench.token(1, "!");
    assert_eq!(bench.said(1), "ab[KEY_REDACTED]!");
    bench.end();
}

#[test]
fn half_of_a_secret_and_more_is_taken_for_the_whole_in_time() {
    let mut bench = Bench::new();
    bench.token(1, "x abcab");
    bench.wait();
    assert_eq!(bench.said(1), "x [KEY_REDACTED]");
    bench.token(1, "d!");
    bench.end();
    assert_eq!(bench.said(1), "x [KEY_REDACTED][KEY_REDACTED]!");
}

#[test]
fn a_token_waits_no_longer_because_others_follow_it() {
    let mut bench = Bench::new();
    bench.token(1, "a");
    bench.wait_for(LONGEST_WAIT / 4 * 3);
    bench.token(1, "b");
    assert!(bench.out.is_empty());
    bench.wait_for(LONGEST_WAIT / 4);
    assert_eq!(bench.said(1), "ab", "its time is over, though the other has come just now");
    bench.token(1, "c");
    bench.wait_for(LONGEST_WAIT / 4 * 3);
    assert_eq!(bench.said(1), "ab", "the third has a time of its own");
    bench.end();
}

#[test]
fn a_secret_in_pieces_is_found_as_json_spells_it_too_and_a_cut_escape_waits() {
    let mut bench = Bench::new();
    for token in ["x\\", "u00", "61bc\\u0061", "bd", "\\", "n"] {
        bench.token(1, token);
    }
    assert_eq!(bench.said(1), "x[KEY_REDACTED]\\n");
    assert!(!bench.held.is_waiting());
    bench.end();
}

#[test]
fn one_wait_is_not_lengthened_by_other_events() {
    let mut bench = Bench::new();
    bench.token(1, "a");
    bench.token(2, "x");
    bench.wait();
    assert_eq!(bench.out.len(), 2);
}

fn is_redacted_as_the_whole(tokens: &[String]) -> Result<(), TestCaseError> {
    let mut bench = Bench::new();
    for token in tokens {
        bench.token(1, token);
    }
    bench.end();
    let whole = tokens.concat();
    prop_assert_eq!(bench.said(1), bench.redactor.text(&whole));
    Ok(())
}

proptest! {
    #[test]
    fn however_it_is_cut_what_comes_out_is_the_redacted_whole(
        tokens in prop::collection::vec("[abcd]{1,4}", 1..40),
    ) {
        is_redacted_as_the_whole(&tokens)?;
    }

    #[test]
    fn however_an_escape_is_cut_what_comes_out_is_the_redacted_whole(
        tokens in prop::collection::vec(r"a|b|c|d|\\|u|00|0|61|6|\\u0061|\\u0062c|x", 1..40),
    ) {
        is_redacted_as_the_whole(&tokens)?;
    }

    #[test]
    fn however_long_it_pauses_no_whole_secret_comes_out(
        steps in prop::collection::vec(("[abcd]{1,3}", any::<bool>()), 1..40),
    ) {
        let mut bench = Bench::new();
        for (token, pause) in &steps {
            bench.token(1, token);
            if *pause {
                bench.wait();
            }
        }
        bench.end();
        let said = bench.said(1);
        for (_, secret) in SECRETS {
            prop_assert!(!said.contains(secret), "{}", said);
        }
    }
}
