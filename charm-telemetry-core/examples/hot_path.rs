//! Emits tokens through the public handle, with four exporters on: what the tests of the hot path measure from outside.
//!
//! Rule: everything before the marked function warms up, so that a difference of two runs is the cost of tokens alone.
//!
//! `hot_path tokens COUNT` emits that many in bursts that fit the ring; `hot_path idle SECONDS` opens a run and says nothing.

use std::hint::black_box;
use std::time::Duration;

use charm_telemetry_core::testing::MemoryWriter;
use charm_telemetry_core::{HookContext, HookResult, LlmCall, LlmEnd, LlmStart, Manager, TelemetryExporter};

/// Tokens between two pauses in which the pump empties the ring.
const BURST: usize = 4_096;

/// An exporter that wants every token.
struct Counts(u64);

impl TelemetryExporter for Counts {
    fn on_llm_new_token(&mut self, _cx: &HookContext<'_>, token: &str) -> HookResult {
        self.0 += token.len() as u64;
        Ok(())
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = arguments.get(1).and_then(|text| text.parse().ok());
    match (arguments.first().map(String::as_str), number) {
        (Some("tokens"), Some(count)) => tokens(count),
        (Some("idle"), Some(seconds)) => idle(seconds),
        _ => panic!("usage: hot_path tokens COUNT | hot_path idle SECONDS"),
    }
}

fn manager() -> Manager {
    let builder = ["one", "two", "three", "four"]
        .into_iter()
        .fold(Manager::builder(), |builder, name| builder.exporter(name, Counts(0)));
    builder.stdout(MemoryWriter::new()).start().expect("nothing is wrong with it")
}

fn tokens(count: usize) {
    let manager = manager();
    let run = manager.start_run(&"go");
    let mut call = run.llm_call(LlmStart::new("model"));
    call.token("warm");
    for burst in 0..count.div_ceil(BURST) {
        std::thread::sleep(Duration::from_millis(50));
        emit_marked(&mut call, BURST.min(count - burst * BURST));
    }
    call.finish(LlmEnd::new());
    run.finish("done");
    let report = manager.shutdown(Duration::from_mins(1));
    assert!(report.is_balanced(), "{report}");
    assert_eq!(report.events, count as u64 + 6, "{report}");
}

/// Between two calls of `getppid`, which mark the place for whoever traces system calls.
fn emit_marked(call: &mut LlmCall, count: usize) {
    let _ = rustix::process::getppid();
    let allocations = allocation_counter::measure(|| emit(call, count));
    let _ = rustix::process::getppid();
    assert_eq!(allocations.count_total, 0, "{allocations:?}");
}

/// What is measured: nothing but the public method, in a loop.
#[inline(never)]
fn emit(call: &mut LlmCall, count: usize) {
    for _ in 0..count {
        call.token(black_box(" token"));
    }
}

/// Prints the processor time in nanoseconds that all threads together take while a call is open and nothing comes.
fn idle(seconds: usize) {
    let manager = manager();
    let run = manager.start_run(&"go");
    let mut call = run.llm_call(LlmStart::new("model"));
    call.token("and then silence");
    std::thread::sleep(Duration::from_millis(1500));
    let before = cpu_time();
    std::thread::sleep(Duration::from_secs(seconds as u64));
    println!("{}", cpu_time().saturating_sub(before).as_nanos());
    call.finish(LlmEnd::new());
    run.finish("done");
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("processor time is never negative")
}
