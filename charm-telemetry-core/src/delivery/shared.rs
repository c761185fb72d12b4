//! What the exporter's thread and the delivery's tasks share.
//!
//! Rule: the lock is held for a few assignments, never over I/O, an await or a vendor's code.

mod telling;

pub(super) use telling::are_lost;

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::config::DeliveryConfig;
use super::destination::Limits;
use super::item::Item;
use super::ledger::Ledger;
use super::notice::NoticeKind;
use super::outcomes::{DeliveryReport, DeliveryState};
use crate::outcome::DropReason;

pub(super) struct Shared {
    pub(super) name: String,
    pub(super) config: DeliveryConfig,
    pub(super) limits: Limits,
    /// Wakes the task that sends.
    pub(super) wake_sender: Notify,
    /// Wakes the task that moves items to the spool.
    pub(super) wake_spiller: Notify,
    /// Wakes who waits in `flush` or `shutdown`.
    settled: Condvar,
    /// The phase again, for those who wait for it.
    phase: watch::Sender<Phase>,
    state: Mutex<State>,
}

/// The part under the lock.
pub(super) struct State {
    pub(super) queue: VecDeque<Item>,
    pub(super) queue_bytes: usize,
    /// When the oldest item of the queue came.
    pub(super) waiting_since: Option<Instant>,
    /// Whether what is in the queue has to go without waiting for company.
    pub(super) hurry: bool,
    pub(super) ledger: Ledger,
    pub(super) phase: Phase,
    pub(super) standing: DeliveryState,
    pub(super) last_error: Option<String>,
    pub(super) last_success: Option<Instant>,
    pub(super) last_request: Option<Instant>,
    /// When something was done last, or will be: a wait that we have chosen ourselves is not an idle time.
    last_progress: Instant,
    pub(super) spool_bytes: u64,
    /// Whether the spool could not be used when it was last tried.
    spool_failed: bool,
    /// The number of the next batch: later items have higher ones.
    pub(super) next_batch: u64,
    notices: Vec<(NoticeKind, u64)>,
    /// Whether a loss was counted that nobody was told of: the end tells of all of them together.
    untold: bool,
    /// Items that were lost in the spool, of which the destination has not been told yet.
    mourned: Vec<(Vec<Item>, DropReason)>,
    mourned_bytes: usize,
}

impl State {
    /// Keeps lost items of this weight until the destination can be told, as far as there is room.
    pub(super) fn mourn(&mut self, items: Vec<Item>, weight: usize, reason: DropReason) {
        const MOST_BYTES: usize = 16 * 1024 * 1024;
        if !items.is_empty() && self.mourned_bytes + weight <= MOST_BYTES {
            self.mourned_bytes += weight;
            self.mourned.push((items, reason));
        }
    }

    /// What the destination has to be told.
    pub(super) fn take_mourned(&mut self) -> Vec<(Vec<Item>, DropReason)> {
        self.mourned_bytes = 0;
        std::mem::take(&mut self.mourned)
    }

    /// Something was done, or will be then.
    fn move_on(&mut self, at: Instant) {
        self.last_progress = self.last_progress.max(at);
    }

    /// The number of a new batch.
    pub(super) fn number_batch(&mut self) -> u64 {
        self.next_batch += 1;
        self.next_batch
    }
}

/// How far the life of a delivery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Send what there is until then, and spool the rest in the time after that.
    Closing(Instant),
    Closed,
}

impl Shared {
    pub(super) fn new(name: String, limits: Limits, config: DeliveryConfig) -> Self {
        let state = State {
            queue: VecDeque::new(),
            queue_bytes: 0,
            waiting_since: None,
            hurry: false,
            ledger: Ledger::default(),
            phase: Phase::Open,
            standing: DeliveryState::Ok,
            last_error: None,
            last_success: None,
            last_request: None,
            last_progress: Instant::now(),
            spool_bytes: 0,
            spool_failed: false,
            next_batch: 0,
            notices: Vec::new(),
            untold: false,
            mourned: Vec::new(),
            mourned_bytes: 0,
        };
        let (wake_sender, wake_spiller) = (Notify::new(), Notify::new());
        let (phase, settled) = (watch::Sender::new(Phase::Open), Condvar::new());
        Self { name, config, limits, wake_sender, wake_spiller, settled, phase, state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an item into the queue; `Err` is why it could not.
    pub(super) fn accept(&self, item: Item) -> Result<(), DropReason> {
        let mut state = self.lock();
        let refused = if item.len() > self.limits.max_item_bytes {
            Some(DropReason::TooLarge)
        } else if state.phase != Phase::Open {
            Some(DropReason::ShutdownDeadline)
        } else if self.is_full(&state, &item) {
            Some(DropReason::QueueFull)
        } else {
            None
        };
        if let Some(reason) = refused {
            state.ledger.refuse(reason);
            drop(state);
            self.tell_of_refusal(reason);
            return Err(reason);
        }
        if state.ledger.is_idle() {
            state.move_on(Instant::now());
        }
        state.ledger.accept(1);
        let before = self.pressure(&state);
        if state.queue.is_empty() {
            state.waiting_since = Some(Instant::now());
        }
        state.queue_bytes += item.weight();
        state.queue.push_back(item);
        let wake = state.queue.len() == 1 || self.pressure(&state) > before;
        drop(state);
        if wake {
            self.wake();
        }
        Ok(())
    }

    /// Lets both tasks look at the state again.
    pub(super) fn wake(&self) {
        self.wake_sender.notify_one();
        self.wake_spiller.notify_one();
    }

    /// What waits need not wait for company, unless the receiver was asked a moment ago or takes nothing now.
    pub(super) fn nudge(&self) {
        let mut state = self.lock();
        let is_early = state.last_request.is_some_and(|at| at.elapsed() < self.limits.linger);
        if is_early || state.standing != DeliveryState::Ok || state.queue.is_empty() {
            return;
        }
        state.hurry = true;
        drop(state);
        self.wake_sender.notify_one();
    }

    /// Stops accepting. A quarter of the time, at most half a second, is for the spool, the rest for sending.
    pub(super) fn begin_close(&self, deadline: Duration) {
        const MOST_FOR_SPOOL: Duration = Duration::from_millis(500);
        let sending = deadline.saturating_sub((deadline / 4).min(MOST_FOR_SPOOL));
        let mut state = self.lock();
        if state.phase == Phase::Open {
            let now = Instant::now();
            state.phase = Phase::Closing(now.checked_add(sending).unwrap_or(now + FOREVER));
            self.phase.send_replace(state.phase);
        }
        drop(state);
        self.wake();
    }

    /// Closes the books: what is still in memory is lost.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Closed {
            return;
        }
        state.phase = Phase::Closed;
        self.phase.send_replace(state.phase);
        state.queue.clear();
        state.queue_bytes = 0;
        let left = state.ledger.close();
        let outcomes = state.ledger.outcomes();
        let all = outcomes.spooled == 0 && outcomes.dropped.by(DropReason::ShutdownDeadline) == 0;
        state.standing = if all { DeliveryState::Finished } else { DeliveryState::CutOff };
        drop(state);
        self.tell_of_all_losses(left);
        self.settled.notify_all();
        self.wake();
    }

    /// Whether the time for sending is over.
    pub(super) fn is_out_of_time(&self) -> bool {
        match self.lock().phase {
            Phase::Open => false,
            Phase::Closing(until) => Instant::now() >= until,
            Phase::Closed => true,
        }
    }

    /// Comes true when the time for sending is over and only that for the spool is left.
    pub(super) async fn out_of_time(&self) {
        let mut phase = self.phase.subscribe();
        loop {
            let now = *phase.borrow_and_update();
            match now {
                Phase::Open => {
                    if phase.changed().await.is_err() {
                        return;
                    }
                }
                Phase::Closing(until) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(until) => return,
                        changed = phase.changed() => if changed.is_err() { return },
                    }
                }
                Phase::Closed => return,
            }
        }
    }

    /// Keeps what went wrong for the report.
    pub(super) fn remember_error(&self, message: &str) {
        self.lock().last_error = Some(message.to_owned());
    }

    /// Puts a batch back where it came from.
    pub(super) fn put_back(&self, items: Vec<Item>) {
        let mut state = self.lock();
        if state.phase == Phase::Closed {
            return;
        }
        state.waiting_since.get_or_insert_with(Instant::now);
        for item in items.into_iter().rev() {
            state.queue_bytes += item.weight();
            state.queue.push_front(item);
        }
    }

    /// Takes the next batch from the front of the queue; nothing if the queue is empty.
    pub(super) fn take(&self, state: &mut State) -> Vec<Item> {
        self.take_some(state, self.limits.max_items, self.limits.max_body_bytes)
    }

    /// Takes so many items, of so many bytes, or the one that has more.
    pub(super) fn take_some(&self, state: &mut State, most: usize, most_bytes: usize) -> Vec<Item> {
        let mut items = Vec::new();
        let mut bytes = 0;
        while let Some(item) = state.queue.front() {
            let size = item.len() + self.limits.item_overhead;
            if items.len() == most.max(1) || (!items.is_empty() && bytes + size > most_bytes) {
                break;
            }
            bytes += size;
            state.queue_bytes -= item.weight();
            items.extend(state.queue.pop_front());
        }
        state.waiting_since = (!state.queue.is_empty()).then(Instant::now);
        state.hurry &= !state.queue.is_empty();
        items
    }

    /// Whether a batch is complete, or has waited long enough.
    pub(super) fn is_ripe(&self, state: &State, now: Instant) -> bool {
        let Some(since) = state.waiting_since else { return false };
        state.hurry
            || state.phase != Phase::Open
            || self.pressure(state) > Pressure::None
            || now >= since + self.limits.linger
    }

    /// When the queue becomes ripe by itself.
    pub(super) fn ripe_at(&self, state: &State) -> Option<Instant> {
        state.waiting_since.map(|since| since + self.limits.linger)
    }

    /// Whether memory is three quarters full.
    pub(super) fn must_spill(&self, state: &State) -> bool {
        self.pressure(state) == Pressure::Spill
    }

    /// Lets a change be seen by those who wait.
    pub(super) fn progress(&self) {
        self.lock().move_on(Instant::now());
        self.settled.notify_all();
    }

    /// Nothing is to be sent before then.
    pub(super) fn rests_until(&self, until: Instant) {
        self.lock().move_on(until);
    }

    /// Waits until `done`, at most for so long; whether it came true.
    pub(super) fn wait_until(&self, deadline: Duration, done: impl Fn(&State) -> bool) -> bool {
        let guard = self.lock();
        let waited = self.settled.wait_timeout_while(guard, deadline, |state| !done(state));
        let (guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
        done(&guard)
    }

    /// For so long nothing is done when a destination counts as stuck.
    pub(super) const STUCK: Duration = Duration::from_mins(5);

    /// When this becomes stuck if nothing is done until then; `None` if there is nothing to do.
    pub(super) fn stuck_at(&self) -> Option<Instant> {
        self.stuck_at_of(&self.lock())
    }

    fn stuck_at_of(&self, state: &State) -> Option<Instant> {
        let has_work = state.phase == Phase::Open && !state.ledger.is_idle();
        // An item that waits for company, for an hour perhaps, is not stuck.
        let due = self.ripe_at(state).map_or(state.last_progress, |ripe| ripe.max(state.last_progress));
        has_work.then(|| due + Self::STUCK)
    }

    pub(super) fn report(&self) -> DeliveryReport {
        let state = self.lock();
        let outcomes = state.ledger.outcomes().clone();
        let stuck = self.stuck_at_of(&state).is_some_and(|at| Instant::now() > at);
        DeliveryReport {
            destination: self.name.clone(),
            state: if stuck { DeliveryState::Stuck } else { state.standing },
            outcomes,
            spool_bytes: state.spool_bytes,
            last_success_age: state.last_success.map(|at| at.elapsed()),
            last_error: state.last_error.clone(),
        }
    }

    fn is_full(&self, state: &State, item: &Item) -> bool {
        let pending = state.ledger.outcomes().pending;
        pending >= self.config.memory_items as u64
            || state.queue_bytes + item.weight() > self.config.memory_bytes
    }

    fn pressure(&self, state: &State) -> Pressure {
        let over = |used: usize, of: usize| used >= of - of / 4;
        if over(state.queue.len(), self.config.memory_items)
            || over(state.queue_bytes, self.config.memory_bytes)
        {
            Pressure::Spill
        } else if state.queue.len() >= self.limits.max_items
            || state.queue_bytes >= self.limits.max_body_bytes
        {
            Pressure::Batch
        } else {
            Pressure::None
        }
    }
}

/// Longer than any process lives, and an instant can hold it.
const FOREVER: Duration = Duration::from_hours(30 * 365 * 24);

/// How much the queue holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pressure {
    None,
    Batch,
    Spill,
}
