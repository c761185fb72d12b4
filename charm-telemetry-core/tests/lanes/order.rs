//! Events of one run come in one order, whoever emits them and from wherever.
//!
//! Rule: sequence numbers are dense, and what happened before comes before.

use std::thread;
use std::time::{Duration, Instant};

use charm_telemetry_core::testing::MemoryWriter;
use charm_telemetry_core::{LlmEnd, LlmStart, Manager};

use crate::exporters::{Fine, lane};

fn manager(fine: &Fine) -> (Manager, MemoryWriter) {
    let seen = MemoryWriter::new();
    let builder = Manager::builder().stdout(seen.clone()).exporter("fine", fine.clone());
    (builder.start().expect("nothing is wrong with it"), seen)
}

#[test]
fn calls_that_stream_on_many_threads_are_one_dense_sequence_each_in_its_order() {
    const THREADS: usize = 8;
    const TOKENS: usize = 5_000;
    let fine = Fine::default();
    let (manager, _) = manager(&fine);
    let run = manager.start_run(&"go");
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let mut call = run.llm_call(LlmStart::new("model"));
            scope.spawn(move || {
                for token in 0..TOKENS {
                    call.token(&format!("{thread}:{token}"));
                }
                call.finish(LlmEnd::new());
            });
        }
    });
    run.finish("done");
    let report = manager.shutdown(Duration::from_secs(20));
    assert_eq!(lane(&report, "fine").outcomes.dropped.total(), 0, "{report}");
    // The first status, the start and the end of the run, and of each call; tokens were streamed, so no final result.
    assert_eq!(report.events, 3 + (THREADS * (TOKENS + 2)) as u64);
    let seen = fine.seen();
    assert!(seen.is_sorted_by(|a, b| a.0 < b.0));
    for thread in 0..THREADS {
        let prefix = format!("{thread}:");
        let own: Vec<_> = seen.iter().filter_map(|(_, what)| what.strip_prefix(&prefix)).collect();
        let expected: Vec<_> = (0..TOKENS).map(|token| token.to_string()).collect();
        assert_eq!(own, expected);
    }
}

#[test]
fn what_a_thread_did_after_another_comes_after_it() {
    let fine = Fine::default();
    let (manager, _) = manager(&fine);
    let run = manager.start_run(&"go");
    for round in 0..300 {
        let mut call = run.llm_call(LlmStart::new("model"));
        call.token(&format!("a{round}"));
        let mut call = thread::scope(|scope| {
            let next = scope.spawn(move || {
                call.token(&format!("b{round}"));
                call
            });
            next.join().unwrap()
        });
        call.token(&format!("c{round}"));
        call.finish(LlmEnd::new());
    }
    run.finish("done");
    let report = manager.shutdown(Duration::from_secs(5));
    assert_eq!(lane(&report, "fine").outcomes.dropped.total(), 0);
    let tokens: Vec<_> =
        fine.seen().into_iter().map(|(_, what)| what).filter(|what| what.len() <= 4).collect();
    let expected: Vec<_> =
        (0..300).flat_map(|round| ["a", "b", "c"].map(|step| format!("{step}{round}"))).collect();
    assert_eq!(tokens, expected);
}

#[test]
fn a_token_reaches_stdout_within_moments_even_after_a_long_silence() {
    let (manager, seen) = manager(&Fine::default());
    let run = manager.start_run(&"go");
    let mut call = run.llm_call(LlmStart::new("model"));
    for silence in [0, 30, 1_500] {
        thread::sleep(Duration::from_millis(silence));
        let token = format!("after {silence}");
        call.token(&token);
        let emitted = Instant::now();
        // Generous: the machine may be busy. The typical time is measured by the benchmark.
        while !seen.text().contains(&token) {
            assert!(emitted.elapsed() < Duration::from_secs(2), "`{token}` never came");
            thread::yield_now();
        }
    }
    call.finish(LlmEnd::new());
    run.finish("done");
}

#[test]
fn a_token_too_long_for_the_ring_keeps_its_place() {
    let fine = Fine::default();
    let (manager, _) = manager(&fine);
    let run = manager.start_run(&"go");
    let mut call = run.llm_call(LlmStart::new("model"));
    let long = "x".repeat(100_000);
    for token in ["before", &long, "after"] {
        call.token(token);
    }
    call.finish(LlmEnd::new());
    run.finish("done");
    manager.shutdown(Duration::from_secs(5));
    let tokens: Vec<_> = fine.seen().into_iter().map(|(_, what)| what).collect();
    assert_eq!(tokens[2..5], ["before".to_owned(), long, "after".to_owned()]);
}

#[test]
fn what_is_emitted_after_the_end_is_counted() {
    let seen = MemoryWriter::new();
    let manager = Manager::builder().stdout(seen).start().unwrap();
    let run = manager.start_run(&"go");
    let mut call = run.llm_call(LlmStart::new("model"));
    let report = manager.shutdown(Duration::from_secs(1));
    assert_eq!((report.events, report.late), (3, 0));
    call.token("too late");
    drop(call);
    run.finish("too late");
}
