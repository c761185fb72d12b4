//! The bounded queue of a lane, and its accounts.
//!
//! Rule: when it is full tokens go first, the newest token before anything else; all counting happens under its lock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::LaneLimits;
use crate::event::{Event, Hook};
use crate::interest::Interest;
use crate::outcome::{DropReason, Outcomes};

/// What the pump, the worker and the manager share.
#[derive(Debug)]
pub(crate) struct LaneShared {
    pub(crate) name: String,
    pub(super) limits: LaneLimits,
    state: Mutex<State>,
    changed: Condvar,
    interest: AtomicU16,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Arc<Event>>,
    bytes: usize,
    tokens: usize,
    outcomes: Outcomes,
    /// When the hook that is running now was called.
    hook_since: Option<Instant>,
    stuck_told: bool,
    /// Nothing more will be offered, and this is when the process wants to end.
    closed: Option<Instant>,
    worker: WorkerState,
    /// The manager has closed the accounts: what the worker still does does not count.
    settled: bool,
    details: Details,
}

/// What the worker can still do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum WorkerState {
    #[default]
    Working,
    /// Its exporter is gone for good: it will never take an event again.
    GaveUp,
    /// The same, and it has ended.
    Finished,
}

/// What a report says beside the outcomes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details {
    pub(crate) restarts: u64,
    pub(crate) last_error: Option<String>,
    pub(crate) stuck: bool,
}

/// How a hook ended.
#[derive(Debug)]
pub(super) enum Ended {
    Delivered,
    /// It was the default one: the exporter has no such hook.
    Ignored,
    /// With what went wrong.
    Lost(DropReason, String),
}

/// What the worker has to do next.
#[derive(Debug)]
pub(super) enum Next {
    Event(Arc<Event>),
    /// The queue is empty and closed.
    End,
}

impl LaneShared {
    pub(super) fn new(name: &str, limits: LaneLimits) -> Self {
        Self {
            name: name.to_owned(),
            limits,
            state: Mutex::default(),
            changed: Condvar::new(),
            interest: AtomicU16::new(Interest::all().bits()),
        }
    }

    /// Offers events, in order. Never waits for the exporter.
    pub(crate) fn offer(&self, events: &[Arc<Event>]) {
        let interest = self.interest();
        let mut state = self.lock();
        let before = state.queue.len();
        state.outcomes.issued += events.len() as u64;
        for event in events {
            if !interest.contains(event.kind.hook()) {
                state.outcomes.ignored += 1;
            } else if state.worker != WorkerState::Working {
                state.outcomes.drop_events(DropReason::ExporterUnavailable, 1);
            } else {
                state.push(event, &self.limits);
            }
        }
        let wake = before == 0 && !state.queue.is_empty();
        drop(state);
        if wake {
            self.changed.notify_all();
        }
    }

    /// Nothing more will be offered. The worker has until `deadline` to handle what waits.
    pub(crate) fn close(&self, deadline: Instant) {
        self.lock().closed = Some(deadline);
        self.changed.notify_all();
    }

    /// Whether a hook has been running for too long; true once for each such hook.
    pub(crate) fn newly_stuck(&self) -> Option<Duration> {
        let mut state = self.lock();
        let running = state.hook_since?.elapsed();
        if running < self.limits.stuck_after || state.stuck_told {
            return None;
        }
        state.stuck_told = true;
        Some(running)
    }

    /// Whether there is anything that could become stuck.
    pub(crate) fn is_busy(&self) -> bool {
        self.lock().hook_since.is_some()
    }

    /// Whether the worker has ended by `deadline`.
    pub(super) fn wait_until_finished(&self, deadline: Instant) -> bool {
        let mut state = self.lock();
        while state.worker != WorkerState::Finished {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                return false;
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Closes the accounts: what has no outcome yet gets one now.
    pub(super) fn settle(&self) -> (Outcomes, Details) {
        let mut state = self.lock();
        if !state.settled {
            state.lose_waiting(DropReason::ShutdownDeadline, self.interest());
            state.settled = true;
            if state.hook_since.is_some() {
                state.outcomes.drop_events(DropReason::Stuck, 1);
                state.details.stuck = true;
            }
        }
        (state.outcomes.clone(), state.details.clone())
    }

    /// The next event, waiting for it if need be. Its hook counts as running from now on.
    pub(super) fn next(&self) -> Next {
        let mut state = self.lock();
        loop {
            if let Some(event) = state.pop() {
                state.hook_since = Some(Instant::now());
                return Next::Event(event);
            }
            if state.closed.is_some() {
                return Next::End;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Counts the event whose hook was running.
    pub(super) fn done(&self, ended: Ended, interest: Interest) {
        self.interest.store(interest.bits(), Ordering::Relaxed);
        let mut state = self.lock();
        state.hook_since = None;
        state.stuck_told = false;
        if state.settled {
            return;
        }
        match ended {
            Ended::Delivered => state.outcomes.delivered += 1,
            Ended::Ignored => state.outcomes.ignored += 1,
            Ended::Lost(reason, error) => {
                state.outcomes.drop_events(reason, 1);
                state.details.last_error = Some(error);
            }
        }
    }

    /// Waits before a restart. Cut short by the end: what waits then cannot be delivered any more.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let deadline = Instant::now() + pause;
        let mut state = self.lock();
        while state.closed.is_none() {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                return true;
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    /// How long the exporter may still take to end.
    pub(super) fn time_left(&self) -> Duration {
        self.lock()
            .closed
            .map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(Instant::now()))
    }

    pub(super) fn count_restart(&self) {
        self.lock().details.restarts += 1;
    }

    pub(super) fn remember_error(&self, error: String) {
        self.lock().details.last_error = Some(error);
    }

    /// Gives up on everything that waits and on everything that will come.
    pub(super) fn give_up(&self) {
        let mut state = self.lock();
        state.worker = WorkerState::GaveUp;
        state.lose_waiting(DropReason::ExporterUnavailable, self.interest());
    }

    pub(super) fn finished(&self) {
        self.lock().worker = WorkerState::Finished;
        self.changed.notify_all();
    }

    /// What the exporter was last known to have hooks for.
    fn interest(&self) -> Interest {
        Interest::from_bits(self.interest.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, event: &Arc<Event>, limits: &LaneLimits) {
        let size = event.kind.size();
        let is_token = event.kind.hook() == Hook::LlmNewToken;
        if !is_token && !self.fits(size, limits) {
            self.drop_tokens();
        }
        if !self.fits(size, limits) {
            self.outcomes.drop_events(DropReason::QueueFull, 1);
            return;
        }
        self.bytes += size;
        self.tokens += usize::from(is_token);
        self.queue.push_back(Arc::clone(event));
    }

    fn fits(&self, size: usize, limits: &LaneLimits) -> bool {
        self.queue.len() < limits.max_events && self.bytes + size <= limits.max_bytes
    }

    fn pop(&mut self) -> Option<Arc<Event>> {
        let event = self.queue.pop_front()?;
        self.bytes -= event.kind.size();
        self.tokens -= usize::from(event.kind.hook() == Hook::LlmNewToken);
        Some(event)
    }

    /// Empties the queue. What the exporter has no hook for is no loss, even if that was not known when it came.
    fn lose_waiting(&mut self, reason: DropReason, interest: Interest) {
        let waiting = std::mem::take(&mut self.queue);
        (self.bytes, self.tokens) = (0, 0);
        if self.settled {
            return;
        }
        let lost = waiting.iter().filter(|event| interest.contains(event.kind.hook())).count();
        self.outcomes.ignored += (waiting.len() - lost) as u64;
        self.outcomes.drop_events(reason, lost as u64);
    }

    /// Makes room for what matters more.
    fn drop_tokens(&mut self) {
        if self.tokens == 0 {
            return;
        }
        let mut bytes = self.bytes;
        self.queue.retain(|event| {
            let keep = event.kind.hook() != Hook::LlmNewToken;
            bytes -= if keep { 0 } else { event.kind.size() };
            keep
        });
        self.outcomes.drop_events(DropReason::QueueFull, self.tokens as u64);
        (self.bytes, self.tokens) = (bytes, 0);
    }
}
