//! The one thread that takes events from the emitters and hands them on: to stdout first, then to every lane.
//!
//! Rule: it puts the events of a run in order, does the work that all consumers share once (time, secrets), and waits for
//! nobody but the reader of stdout.

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::emit::{Clock, Hub, Parcel, RING_WORDS, Token, sync};
use crate::event::{Event, EventKind};
use crate::holdback::Holdback;
use crate::id::{CallId, RunId};
use crate::lane::{LaneShared, panics};
use crate::notice::{Notice, Notices};
use crate::outcome::{DropReason, Outcomes};
use crate::redact::Redactor;
use crate::report::LaneState;
use crate::stdout::EventWriter;

/// The pause between two looks while tokens come: the latency of a token is at most this and a little more.
const NAP: Duration = Duration::from_micros(300);

/// So long after the last token the pump sleeps, and the next token has to wake it.
pub(crate) const STREAM_IS_QUIET: Duration = Duration::from_secs(1);

/// The longest sleep while a hook is running: so soon a stuck one is noticed.
const WATCH: Duration = Duration::from_secs(1);

/// Events taken at once, before they are written.
const BATCH: usize = 1024;

/// So many batches take a full ring: a token is four words or more.
const BATCHES_OF_A_RING: usize = RING_WORDS.div_ceil(4 * BATCH);

/// After the end was called an emitter may still be in the middle of a token.
const LAST_TOKENS: Duration = Duration::from_millis(1);

pub(crate) struct Pump {
    pub(crate) hub: Arc<Hub>,
    pub(crate) lanes: Vec<Arc<LaneShared>>,
    pub(crate) stdout: Stdout,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) notices: Arc<Notices>,
    /// So long after the last token the pump sleeps: [`STREAM_IS_QUIET`].
    pub(crate) quiet: Duration,
}

/// The writer of the stdout exporter, and its accounts.
pub(crate) struct Stdout {
    writer: Box<dyn EventWriter>,
    outcomes: Outcomes,
    /// Events that the writer has taken and not yet written.
    held: u64,
    broken: bool,
}

/// What the pump leaves behind.
#[derive(Debug, Default)]
pub(crate) struct PumpReport {
    pub(crate) events: u64,
    pub(crate) stdout: Outcomes,
    pub(crate) state: LaneState,
}

/// What a run looks like from here.
struct Run {
    id: Option<RunId>,
    next: u64,
    held: Holdback,
    /// Events that came before one with a smaller number: two threads raced.
    early: BTreeMap<u64, Early>,
}

enum Early {
    Event(EventParts),
    End,
}

struct EventParts {
    call: Option<CallId>,
    parent: Option<CallId>,
    ticks: u64,
    kind: EventKind,
}

struct Running {
    pump: Pump,
    clock: Clock,
    runs: HashMap<u32, Run>,
    batch: Vec<Arc<Event>>,
    events: u64,
    /// Runs that have ended.
    ended: u64,
}

impl Pump {
    /// Starts the thread. It ends after [`Hub::close`] was called, and sends its report.
    pub(crate) fn start(self, report: Sender<PumpReport>) -> std::io::Result<sync::JoinHandle<()>> {
        let hub = Arc::clone(&self.hub);
        let clock = Clock::new(self.hub.ticks);
        let running =
            Running { pump: self, clock, runs: HashMap::new(), batch: Vec::new(), events: 0, ended: 0 };
        let thread = sync::Builder::new().name("charm-pump".to_owned()).spawn(move || {
            // Nobody listens any more if the manager gave up waiting.
            let _: Result<(), _> = report.send(running.run());
        })?;
        hub.set_pump(thread.thread().clone());
        Ok(thread)
    }
}

impl Running {
    fn run(mut self) -> PumpReport {
        let hub = Arc::clone(&self.pump.hub);
        let mut last_event = Instant::now();
        while !hub.is_closed() {
            if self.pass() > 0 {
                last_event = Instant::now();
            } else if self.pump.stdout.held > 0 {
                self.pump.stdout.flush(&self.pump.notices);
            } else if self.is_holding() || hub.has_streams() && last_event.elapsed() < self.pump.quiet {
                sync::sleep(NAP);
            } else {
                self.sleep(&hub);
            }
            self.watch_lanes();
        }
        self.finish()
    }

    fn sleep(&mut self, hub: &Hub) {
        // Nothing is held now.
        hub.set_written(self.ended);
        let is_busy = self.pump.lanes.iter().any(|lane| lane.is_busy());
        hub.sleep(is_busy.then_some(WATCH));
    }

    /// Takes what there is and hands it on. Returns how many events that were.
    fn pass(&mut self) -> usize {
        let before = self.events;
        let mut parcels = VecDeque::new();
        self.pump.hub.take_parcels(&mut parcels);
        let mut rings = Vec::new();
        self.pump.hub.rings(&mut rings);
        self.clock.refresh();
        for parcel in parcels {
            self.take_parcel(parcel);
            if self.batch.len() >= BATCH {
                self.hand_on();
            }
        }
        let mut buffer = Vec::new();
        for ring in rings {
            // A ring's worth at most: a thread that emits faster than this must not keep the others waiting.
            for _ in 0..BATCHES_OF_A_RING {
                if ring.drain(BATCH, &mut buffer, |token| self.take_token(token)) == 0 {
                    break;
                }
                self.hand_on();
                self.clock.refresh();
            }
        }
        self.let_go();
        self.hand_on();
        usize::try_from(self.events - before).unwrap_or(usize::MAX)
    }

    fn take_parcel(&mut self, parcel: Parcel) {
        let Parcel { run, id, call, parent, sequence, ticks, kind } = parcel;
        self.runs.entry(run).or_insert_with(Run::new).id = Some(id);
        match kind {
            Some(kind) => self.take(run, sequence, Early::Event(EventParts { call, parent, ticks, kind })),
            None => self.take(run, sequence, Early::End),
        }
    }

    fn take_token(&mut self, token: Token<'_>) {
        let Token { owner, sequence, ticks, text } = token;
        let (call, parent) = (CallId::from_number(owner.call()), CallId::from_number(owner.parent()));
        let kind = EventKind::LlmNewToken { token: text.into() };
        self.take(owner.run(), sequence, Early::Event(EventParts { call, parent, ticks, kind }));
    }

    /// Puts an event in its place: hands on all that are now in order.
    fn take(&mut self, number: u32, sequence: u64, early: Early) {
        let run = self.runs.entry(number).or_insert_with(Run::new);
        // A run that begins after the end has a token, perhaps, but no first event.
        if sequence != run.next || run.id.is_none() {
            run.early.insert(sequence, early);
            return;
        }
        let mut ready = Some(early);
        while let Some(early) = ready {
            let run = self.runs.get_mut(&number).expect("a run stays until its end was seen");
            match early {
                Early::Event(parts) => {
                    let id = run.id.expect("looked at above: whoever is next comes after");
                    let sequence = run.next;
                    run.next += 1;
                    ready = run.early.remove(&run.next);
                    self.complete(number, id, sequence, parts);
                }
                Early::End => {
                    self.end_run(number);
                    return;
                }
            }
        }
    }

    fn complete(&mut self, number: u32, run: RunId, sequence: u64, parts: EventParts) {
        let EventParts { call, parent, ticks, kind } = parts;
        let time = self.clock.time_of(ticks);
        let event = Event { run, sequence, time, call, parent, kind };
        self.events += 1;
        let (redactor, batch) = (&self.pump.redactor, &mut self.batch);
        if redactor.is_empty() {
            batch.push(Arc::new(event));
            return;
        }
        let run = self.runs.get_mut(&number).expect("a run stays until its end was seen");
        run.held.take(event, redactor, Instant::now(), &mut |event| batch.push(Arc::new(event)));
    }

    fn end_run(&mut self, number: u32) {
        let batch = &mut self.batch;
        if let Some(mut run) = self.runs.remove(&number) {
            self.ended += 1;
            run.held.finish(&self.pump.redactor, &mut |event| batch.push(Arc::new(event)));
        }
    }

    fn is_holding(&self) -> bool {
        self.runs.values().any(|run| run.held.is_waiting())
    }

    fn let_go(&mut self) {
        let batch = &mut self.batch;
        for run in self.runs.values_mut().filter(|run| run.held.is_waiting()) {
            run.held.let_go(&self.pump.redactor, Instant::now(), &mut |event| batch.push(Arc::new(event)));
        }
    }

    fn hand_on(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        self.write();
        for lane in &self.pump.lanes {
            lane.offer(&self.batch);
        }
        self.batch.clear();
    }

    /// To stdout. Waits while its reader does not read, until the end has come: then the exporters get everything first, and
    /// what is left of the time is for stdout.
    fn write(&mut self) {
        let stdout = &mut self.pump.stdout;
        stdout.take(&self.batch, &self.pump.notices);
        while !self.pump.hub.is_closed() {
            stdout.flush(&self.pump.notices);
            if !stdout.is_full() {
                return;
            }
        }
    }

    fn watch_lanes(&self) {
        for lane in &self.pump.lanes {
            if let Some(since) = lane.newly_stuck() {
                self.pump.notices.tell(Notice::Stuck { exporter: &lane.name, since });
            }
        }
    }

    /// Hands on what still waits for a number that will not come: its thread was torn down in mid-emit.
    fn close_gaps(&mut self) {
        let numbers: Vec<_> = self.runs.keys().copied().collect();
        for number in numbers {
            let Some(run) = self.runs.get_mut(&number) else { continue };
            let early = std::mem::take(&mut run.early);
            let events = early.into_iter().filter_map(|(sequence, early)| Some((sequence, early.event()?)));
            if let Some(id) = run.id {
                events.for_each(|(sequence, parts)| self.complete(number, id, sequence, parts));
            } else {
                // The run began after the end: its tokens found a ring, and its first event did not.
                self.pump.hub.count_late(events.count() as u64);
            }
            self.end_run(number);
        }
        self.hand_on();
    }

    /// The end was called: takes the last events, closes the lanes, writes what is held.
    fn finish(mut self) -> PumpReport {
        // Tokens come from open calls alone.
        let may_come = self.pump.hub.has_streams();
        self.pass();
        if may_come {
            sync::sleep(LAST_TOKENS);
            self.pass();
        }
        self.pump.hub.pump_is_gone();
        self.close_gaps();
        let deadline = self.pump.hub.deadline();
        for lane in &self.pump.lanes {
            lane.close(deadline);
        }
        let stdout = &mut self.pump.stdout;
        while stdout.held > 0 && Instant::now() < deadline {
            stdout.flush(&self.pump.notices);
        }
        let state = if stdout.held > 0 { LaneState::CutOff } else { LaneState::Finished };
        PumpReport { events: self.events, stdout: self.pump.stdout.settle(), state }
    }
}

impl PumpReport {
    /// What is known of a pump that does not answer.
    pub(crate) fn stuck() -> Self {
        Self { state: LaneState::Stuck, ..Self::default() }
    }
}

impl Early {
    fn event(self) -> Option<EventParts> {
        match self {
            Self::Event(parts) => Some(parts),
            Self::End => None,
        }
    }
}

impl Run {
    fn new() -> Self {
        Self { id: None, next: 0, held: Holdback::default(), early: BTreeMap::new() }
    }
}

impl Stdout {
    pub(crate) fn new(writer: Box<dyn EventWriter>) -> Self {
        Self { writer, outcomes: Outcomes::default(), held: 0, broken: false }
    }

    fn take(&mut self, events: &[Arc<Event>], notices: &Notices) {
        let count = events.len() as u64;
        self.outcomes.issued += count;
        if self.broken {
            self.outcomes.drop_events(DropReason::ReaderGone, count);
            return;
        }
        self.held += count;
        let taken = unless_it_panics(|| events.iter().for_each(|event| self.writer.event(event)));
        if let Err(error) = taken {
            self.fail(&error, notices);
        }
    }

    fn flush(&mut self, notices: &Notices) {
        if self.broken || self.held == 0 {
            return;
        }
        match unless_it_panics(|| self.writer.flush()).flatten() {
            Ok(true) => self.outcomes.delivered += std::mem::take(&mut self.held),
            Ok(false) => {}
            Err(error) => self.fail(&error, notices),
        }
    }

    fn fail(&mut self, error: &io::Error, notices: &Notices) {
        self.broken = true;
        self.outcomes.drop_events(DropReason::ReaderGone, std::mem::take(&mut self.held));
        notices.tell(Notice::StdoutFailed { error });
    }

    fn is_full(&self) -> bool {
        !self.broken && unless_it_panics(|| self.writer.is_full()).unwrap_or(false)
    }

    fn settle(&mut self) -> Outcomes {
        self.outcomes.drop_events(DropReason::ShutdownDeadline, std::mem::take(&mut self.held));
        self.outcomes.clone()
    }
}

/// Runs the code of a writer, which a program may have brought along. What a panic of it says is the panic hook's business:
/// it has seen no event that still held a secret.
fn unless_it_panics<T>(code: impl FnOnce() -> T) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(code))
        .map_err(|payload| io::Error::other(format!("the writer panicked: {}", panics::said(payload))))
}
