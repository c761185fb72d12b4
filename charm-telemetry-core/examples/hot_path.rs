//! Emits tokens through the public handle, with four exporters on: what the tests of the hot path measure from outside.
//!
//! Rule: everything before the marked function warms up, so that a difference of two runs is the cost of tokens alone.
//!
//! `hot_path tokens COUNT` emits that many in bursts that fit the ring; `hot_path idle SECONDS` opens a run and says nothing;
//! `hot_path bench BURSTS` prints times beside a peer's: a channel of the standard library with a waiting receiver.

use std::hint::black_box;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use charm_telemetry_core::testing::MemoryWriter;
use charm_telemetry_core::{
    Event, EventWriter, HookContext, HookResult, LlmCall, LlmEnd, LlmStart, Manager, TelemetryExporter,
};

/// Tokens between two pauses in which the pump empties the ring.
const BURST: u32 = 4_096;

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
        (Some("bench"), Some(bursts)) => bench(bursts),
        _ => panic!("usage: hot_path tokens COUNT | hot_path idle SECONDS | hot_path bench BURSTS"),
    }
}

fn manager() -> Manager {
    manager_with(MemoryWriter::new())
}

fn manager_with(writer: impl EventWriter) -> Manager {
    let builder = ["one", "two", "three", "four"]
        .into_iter()
        .fold(Manager::builder(), |builder, name| builder.exporter(name, Counts(0)));
    builder.stdout(writer).start().expect("nothing is wrong with it")
}

fn tokens(count: u32) {
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
    assert_eq!(report.events, u64::from(count) + 6, "{report}");
}

/// Between two calls of `getppid`, which mark the place for whoever traces system calls.
fn emit_marked(call: &mut LlmCall, count: u32) {
    let _ = rustix::process::getppid();
    let allocations = allocation_counter::measure(|| emit(call, count));
    let _ = rustix::process::getppid();
    assert_eq!(allocations.count_total, 0, "{allocations:?}");
}

/// What is measured: nothing but the public method, in a loop.
#[inline(never)]
fn emit(call: &mut LlmCall, count: u32) {
    for _ in 0..count {
        call.token(black_box(" token"));
    }
}

/// Prints the processor time in nanoseconds that all threads together take while a call is open and nothing comes.
fn idle(seconds: u32) {
    let manager = manager();
    let run = manager.start_run(&"go");
    let mut call = run.llm_call(LlmStart::new("model"));
    call.token("and then silence");
    std::thread::sleep(Duration::from_millis(1500));
    let before = cpu_time();
    std::thread::sleep(Duration::from_secs(seconds.into()));
    println!("{}", cpu_time().saturating_sub(before).as_nanos());
    call.finish(LlmEnd::new());
    run.finish("done");
}

fn bench(bursts: u32) {
    let arrivals = Arrivals::default();
    let manager = manager_with(arrivals.clone());
    let run = manager.start_run(&"go");
    let mut call = run.llm_call(LlmStart::new("model"));
    call.token("warm");
    let ours = median(bursts, || emit(&mut call, BURST));
    let (sender, receiver) = mpsc::channel::<String>();
    let reader = std::thread::spawn(move || receiver.iter().map(|token| token.len()).sum::<usize>());
    let peer = median(bursts, || {
        for _ in 0..BURST {
            sender.send(black_box(" token").to_owned()).expect("the reader waits");
        }
    });
    drop(sender);
    reader.join().expect("the reader ends");
    let mut waits: Vec<Duration> = (0..400).map(|_| arrivals.wait_of_one(&mut call)).collect();
    waits.sort_unstable();
    let microseconds = |wait: Duration| wait.as_secs_f64() * 1e6;
    // Names and figures, a line each, for whoever makes a table of them.
    println!("token_ns {ours:.1}");
    println!("std_mpsc_string_ns {peer:.1}");
    println!("token_to_stdout_p50_us {:.0}", microseconds(waits[200]));
    println!("token_to_stdout_p99_us {:.0}", microseconds(waits[396]));
    call.finish(LlmEnd::new());
    run.finish("done");
}

/// Nanoseconds for one of a burst, the median over so many bursts.
fn median(bursts: u32, mut burst: impl FnMut()) -> f64 {
    let time = |_| {
        std::thread::sleep(Duration::from_millis(20));
        let start = Instant::now();
        burst();
        start.elapsed()
    };
    let mut times: Vec<Duration> = (0..bursts.max(1)).map(time).collect();
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e9 / f64::from(BURST)
}

/// Notes when the last event was written.
#[derive(Clone, Default)]
struct Arrivals(Arc<Mutex<Option<Instant>>>);

impl Arrivals {
    /// How long one token takes, as a model would send it: some milliseconds after the one before.
    fn wait_of_one(&self, call: &mut LlmCall) -> Duration {
        std::thread::sleep(Duration::from_millis(5));
        *self.0.lock().expect("nobody panics in here") = None;
        let start = Instant::now();
        call.token(" token");
        loop {
            if let Some(arrived) = *self.0.lock().expect("nobody panics in here") {
                return arrived.duration_since(start);
            }
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

impl EventWriter for Arrivals {
    fn event(&mut self, _event: &Event) {
        *self.0.lock().expect("nobody panics in here") = Some(Instant::now());
    }

    fn flush(&mut self) -> std::io::Result<bool> {
        Ok(true)
    }

    fn is_full(&self) -> bool {
        false
    }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("processor time is never negative")
}
