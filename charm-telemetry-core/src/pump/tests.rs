//! The pump with real threads and the processor's real order of stores and loads, which no model has.
//!
//! Rule: a wake-up that is lost is counted, never timed: the watchdog only keeps a broken pump from hanging the test.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::{Pump, PumpReport, Stdout};
use crate::call::LlmCall;
use crate::emit::{Hub, RunCore};
use crate::event::{Event, EventKind, LlmStart};
use crate::id::RunId;
use crate::notice::{self, Notices};
use crate::redact::Redactor;
use crate::run::Scope;
use crate::stdout::EventWriter;

/// Tokens of the emitter, every one of them into a pump that is falling asleep.
const ROUNDS: u64 = 40_000;

/// One alone: the token of another would wake the pump for both.
const EMITTERS: u64 = 1;

/// So long nobody waits who is woken.
const WATCHDOG: Duration = Duration::from_secs(10);

/// Sends a word for each token that is written to the emitter whose call it is.
struct Answers(Vec<Sender<()>>);

impl EventWriter for Answers {
    fn event(&mut self, event: &Event) {
        if let EventKind::LlmNewToken { token } = &event.kind {
            let emitter: usize = token.parse().expect("a token says who emitted it");
            let _: Result<(), _> = self.0[emitter].send(());
        }
    }

    fn flush(&mut self) -> std::io::Result<bool> {
        Ok(true)
    }

    fn is_full(&self) -> bool {
        false
    }
}

/// A pump without patience: it sleeps as soon as there is nothing to do, and without a timeout.
fn start(hub: &Arc<Hub>, writer: Answers) -> Receiver<PumpReport> {
    let redactor = Arc::new(Redactor::new::<String, String>([]));
    let pump = Pump {
        hub: Arc::clone(hub),
        lanes: Vec::new(),
        stdout: Stdout::new(Box::new(writer)),
        redactor: Arc::clone(&redactor),
        notices: Arc::new(Notices::new(redactor, notice::to_stderr())),
        quiet: Duration::ZERO,
    };
    let (report, reports) = mpsc::channel();
    pump.start(report).expect("the system has room for a thread");
    reports
}

/// Emits a token, waits until it is written, and again. Answers how many were not.
fn emit(core: &Arc<RunCore>, emitter: u64, written: &Receiver<()>) -> u64 {
    let scope = Scope { core: Arc::clone(core), streamed: Arc::default(), call: None };
    let mut call = LlmCall::start(&scope, LlmStart::new("model"));
    let token = emitter.to_string();
    for round in 0..ROUNDS {
        // The pump is at another place each time.
        (0..round % 1024).for_each(|_| std::hint::spin_loop());
        call.token(&token);
        if written.recv_timeout(WATCHDOG).is_err() {
            return ROUNDS - round;
        }
    }
    0
}

#[test]
fn no_token_of_forty_thousand_misses_that_the_pump_falls_asleep() {
    let hub = Hub::new();
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..EMITTERS).map(|_| mpsc::channel()).unzip();
    let reports = start(&hub, Answers(senders));
    let core = hub.open_run(RunId::new());
    let emitters = (0..).zip(receivers).map(|(emitter, written)| {
        let core = Arc::clone(&core);
        thread::spawn(move || emit(&core, emitter, &written))
    });
    let emitters: Vec<_> = emitters.collect();
    let lost: u64 = emitters.into_iter().map(|emitter| emitter.join().expect("it ends")).sum();
    hub.close(Instant::now() + WATCHDOG);
    let report = reports.recv_timeout(WATCHDOG).expect("the pump ends");
    assert_eq!(lost, 0, "tokens that nobody woke the pump for");
    assert_eq!((report.events, hub.late()), (EMITTERS * (ROUNDS + 2), 0));
}
