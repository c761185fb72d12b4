//! Every interleaving of emitters and the pump, tried by loom: `cargo xtask test`.
//!
//! Rule: the real handles, the real hub and the real pump. A model has no time, so a wake-up that is lost is a thread that
//! sleeps for good, which loom calls a deadlock.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use loom::sync::mpsc as events;
use loom::thread;

use super::{Pump, PumpReport, Stdout};
use crate::call::LlmCall;
use crate::emit::{Hub, RunCore, sync};
use crate::event::{Event, EventKind, LlmStart};
use crate::id::RunId;
use crate::notice::{self, Notices};
use crate::redact::Redactor;
use crate::run::Scope;
use crate::stdout::EventWriter;
use crate::stream_event::StreamEvent;

/// A model tries all interleavings in which threads are interrupted so often, beside where they wait.
const INTERRUPTIONS: usize = 2;

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(INTERRUPTIONS));
    builder.max_branches = 20_000;
    builder.check(body);
}

/// A hub, its pump, and what comes out of it.
struct House {
    hub: Arc<Hub>,
    written: events::Receiver<()>,
    reports: Receiver<PumpReport>,
    pump: Option<Pump>,
    thread: Option<sync::JoinHandle<()>>,
}

/// Tells of each event that is written.
struct Tells(events::Sender<()>);

impl EventWriter for Tells {
    fn event(&mut self, _event: &Event) {
        let _: Result<(), _> = self.0.send(());
    }

    fn flush(&mut self) -> std::io::Result<bool> {
        Ok(true)
    }

    fn is_full(&self) -> bool {
        false
    }
}

impl House {
    /// The pump has not started yet: what is emitted before that is the same in every interleaving.
    fn new() -> Self {
        let (hub, (sender, written)) = (Hub::new(), events::channel());
        let redactor = Arc::new(Redactor::new::<String, String>([]));
        let pump = Pump {
            hub: Arc::clone(&hub),
            lanes: Vec::new(),
            stdout: Stdout::new(Box::new(Tells(sender))),
            redactor: Arc::clone(&redactor),
            notices: Arc::new(Notices::new(redactor, notice::to_stderr())),
            quiet: Duration::ZERO,
        };
        Self { hub, written, reports: mpsc::channel().1, pump: Some(pump), thread: None }
    }

    /// With a run and a call in it: two events.
    fn with_call() -> (Self, Arc<RunCore>, LlmCall) {
        let house = Self::new();
        let run = house.open_run();
        let call = open_call(&run);
        (house, run, call)
    }

    fn start_pump(&mut self) {
        let (report, reports) = mpsc::channel();
        self.reports = reports;
        let pump = self.pump.take().expect("it starts once");
        self.thread = Some(pump.start(report).expect("loom has room for a thread"));
    }

    /// One event.
    fn open_run(&self) -> Arc<RunCore> {
        open_run(&self.hub)
    }

    fn wait_for(&self, events: usize) {
        for _ in 0..events {
            self.written.recv().expect("the pump holds the other end");
        }
    }

    fn close(&self) {
        self.hub.close(Instant::now() + Duration::from_secs(3600));
    }

    /// How many events the pump handed on, and how many came too late, in the end.
    fn settle(&mut self) -> (u64, u64) {
        self.thread.take().expect("the pump was started").join().expect("it ends");
        let report = self.reports.recv().expect("it sent its report");
        (report.events, self.hub.late())
    }
}

fn open_run(hub: &Arc<Hub>) -> Arc<RunCore> {
    let run = hub.open_run(RunId::new());
    say(&run);
    run
}

/// One event.
fn say(run: &RunCore) {
    run.emit(None, None, Some(EventKind::Stream(StreamEvent::status("now"))));
}

/// One event, and one more when it is dropped.
fn open_call(run: &Arc<RunCore>) -> LlmCall {
    let scope = Scope { core: Arc::clone(run), streamed: Arc::default(), call: None };
    LlmCall::start(&scope, LlmStart::new("model"))
}

#[test]
fn a_token_is_never_missed_by_a_pump_that_falls_asleep() {
    model(|| {
        let (mut house, _run, mut call) = House::with_call();
        call.token("1");
        house.start_pump();
        call.token("2");
        house.wait_for(4);
        call.token("3");
        house.wait_for(1);
        house.close();
        assert_eq!(house.settle(), (5, 0));
    });
}

#[test]
fn no_other_event_is_missed_by_a_pump_that_falls_asleep() {
    model(|| {
        let mut house = House::new();
        house.start_pump();
        let run = house.open_run();
        house.wait_for(1);
        let call = open_call(&run);
        house.wait_for(1);
        drop(call);
        house.wait_for(1);
        house.close();
        assert_eq!(house.settle(), (3, 0));
    });
}

#[test]
fn the_ring_of_a_thread_that_ended_is_read_and_then_forgotten() {
    model(|| {
        let (mut house, _run, mut call) = House::with_call();
        house.start_pump();
        let emitter = thread::spawn(move || {
            call.token("1");
            call.token("2");
            call
        });
        house.wait_for(4);
        let call = emitter.join().expect("the emitter ends");
        // Loom's `join` does not wait until what belongs to the thread is gone.
        let mut rings = Vec::new();
        house.hub.rings(&mut rings);
        while !rings.is_empty() {
            thread::yield_now();
            house.hub.rings(&mut rings);
        }
        house.close();
        assert_eq!(house.settle(), (4, 0));
        drop(call);
    });
}

#[test]
fn what_was_emitted_before_the_end_is_handed_on() {
    model(|| {
        let (mut house, _run, mut call) = House::with_call();
        call.token("1");
        house.start_pump();
        call.token("2");
        house.close();
        assert_eq!(house.settle(), (4, 0));
    });
}

#[test]
fn what_is_emitted_around_the_end_is_handed_on_or_counted() {
    model(|| {
        let (mut house, run, mut call) = House::with_call();
        house.start_pump();
        let emitter = thread::spawn(move || {
            call.token("1");
            call.token("2");
            say(&run);
            call.token("3");
        });
        house.close();
        emitter.join().expect("the emitter ends");
        let (handed_on, late) = house.settle();
        // And the end of the call.
        assert_eq!(handed_on + late, 2 + 4 + 1, "{late} late");
    });
}

#[test]
fn a_run_that_begins_after_the_end_is_counted() {
    model(|| {
        let (mut house, _first, mut call) = House::with_call();
        call.token("makes the ring");
        house.start_pump();
        house.close();
        let second = house.open_run();
        let mut late_call = open_call(&second);
        late_call.token("1");
        late_call.token("2");
        assert_eq!(house.settle(), (3, 4));
    });
}

#[test]
fn all_is_written_only_when_every_run_has_ended() {
    model(|| {
        let mut house = House::new();
        let long = house.open_run();
        house.start_pump();
        let hub = Arc::clone(&house.hub);
        let other = thread::spawn(move || drop(open_run(&hub)));
        assert!(!house.hub.is_written(), "a run is open");
        other.join().expect("the other run ends");
        assert!(!house.hub.is_written(), "a run is open");
        drop(long);
        while !house.hub.is_written() {
            thread::yield_now();
        }
        for _ in 0..2 {
            house.written.try_recv().expect("it was written before");
        }
        house.close();
        assert_eq!(house.settle(), (2, 0));
    });
}
