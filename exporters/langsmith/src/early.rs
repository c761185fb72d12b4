//! Runs that are shown before they end.
//!
//! Rule: a run is posted early at most once, and the answer whether it was is given under the same lock: its end is then a
//! patch, else a post, and never the wrong one, because LangSmith ignores a second post.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use charm_telemetry_core::delivery::{DeliveryHandle, Item};
use uuid::Uuid;

use crate::run_parts::Operation;

/// Bytes of beginnings that wait. What does not fit is posted when it ends.
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Posts what has lasted long enough, on a thread of its own: nothing else wakes an exporter while a run is silent.
pub(crate) struct EarlyPosts {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

/// What is known of beginnings, for all who have a say in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beginnings(Arc<Mutex<Waiting>>);

struct Desk {
    waiting: Beginnings,
    changed: Condvar,
    delivery: DeliveryHandle,
}

/// Beginnings, in the order in which they become due.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    due: VecDeque<(Instant, Uuid)>,
    items: HashMap<Uuid, Item>,
    bytes: usize,
    posted: HashSet<Uuid>,
    closed: bool,
}

impl EarlyPosts {
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(waiting: Beginnings, delivery: DeliveryHandle) -> std::io::Result<Self> {
        let desk = Arc::new(Desk { waiting, changed: Condvar::new(), delivery });
        let serving = Arc::clone(&desk);
        let thread =
            thread::Builder::new().name("charm-langsmith".to_owned()).spawn(move || serving.serve())?;
        Ok(Self { desk, thread: Some(thread) })
    }

    /// A run has begun. It is posted after so long, unless it has ended by then.
    pub(crate) fn begin(&self, id: Uuid, item: Item, after: Duration) {
        let mut waiting = self.desk.lock();
        // Longer than any process lives: then it is posted when it ends.
        let Some(due) = Instant::now().checked_add(after) else { return };
        waiting.begin(id, item, due);
        if after.is_zero() {
            waiting.post(due, |item| self.desk.delivery.send(item));
        }
        drop(waiting);
        self.desk.changed.notify_one();
    }

    /// A run has ended: how to say so.
    pub(crate) fn end(&self, id: Uuid) -> Operation {
        self.desk.lock().end(id)
    }
}

impl Drop for EarlyPosts {
    fn drop(&mut self) {
        self.desk.lock().closed = true;
        self.desk.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has printed why.
            drop(thread.join());
        }
    }
}

impl Beginnings {
    /// A beginning was lost on its way: LangSmith has never seen that run.
    pub(crate) fn lose(&self, id: Uuid) {
        self.lock().posted.remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }

    fn serve(&self) {
        let mut waiting = self.lock();
        while !waiting.closed {
            let now = Instant::now();
            waiting.post(now, |item| self.delivery.send(item));
            waiting = match waiting.next_due() {
                Some(due) => {
                    let patience = due.saturating_duration_since(now);
                    self.changed.wait_timeout(waiting, patience).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Waiting {
    fn begin(&mut self, id: Uuid, item: Item, due: Instant) {
        if self.bytes + item.len() <= MAX_WAITING_BYTES {
            self.bytes += item.len();
            self.items.insert(id, item);
            self.due.push_back((due, id));
        }
    }

    fn end(&mut self, id: Uuid) -> Operation {
        if let Some(item) = self.items.remove(&id) {
            self.bytes -= item.len();
        }
        if self.due.len() > 2 * self.items.len() + 64 {
            self.due.retain(|(_, id)| self.items.contains_key(id));
        }
        if self.posted.remove(&id) { Operation::Patch } else { Operation::Post }
    }

    /// Posts what is due.
    fn post(&mut self, now: Instant, mut send: impl FnMut(Item) -> bool) {
        while let Some((_, id)) = self.due.pop_front_if(|(due, _)| *due <= now) {
            let Some(item) = self.items.remove(&id) else { continue };
            self.bytes -= item.len();
            if send(item) {
                self.posted.insert(id);
            }
        }
    }

    /// When the next one is due. Those that have ended are forgotten.
    fn next_due(&mut self) -> Option<Instant> {
        while self.due.front().is_some_and(|(_, id)| !self.items.contains_key(id)) {
            self.due.pop_front();
        }
        self.due.front().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(bytes: usize) -> Item {
        Item::new(vec![b'x'; bytes])
    }

    #[test]
    fn a_run_that_ends_in_time_is_posted_once_at_its_end() {
        let (mut waiting, start, id) = (Waiting::default(), Instant::now(), Uuid::from_u128(1));
        waiting.begin(id, item(10), start + Duration::from_secs(5));
        waiting.post(start + Duration::from_secs(4), |_| panic!("it is not due"));
        assert_eq!(waiting.end(id), Operation::Post);
        waiting.post(start + Duration::from_secs(9), |_| panic!("it has ended"));
        assert_eq!((waiting.bytes, waiting.next_due()), (0, None));
    }

    #[test]
    fn a_run_that_lasts_is_posted_and_then_patched() {
        let (mut waiting, start, id) = (Waiting::default(), Instant::now(), Uuid::from_u128(1));
        waiting.begin(id, item(10), start + Duration::from_secs(5));
        let mut sent = 0;
        for second in [5, 6] {
            waiting.post(start + Duration::from_secs(second), |_| {
                sent += 1;
                true
            });
        }
        assert_eq!((sent, waiting.end(id), waiting.bytes), (1, Operation::Patch, 0));
        assert_eq!(waiting.end(id), Operation::Post, "it is forgotten");
    }

    #[test]
    fn a_beginning_that_was_refused_is_no_beginning() {
        let (mut waiting, start, id) = (Waiting::default(), Instant::now(), Uuid::from_u128(1));
        waiting.begin(id, item(10), start);
        waiting.post(start, |_| false);
        assert_eq!(waiting.end(id), Operation::Post);
    }

    #[test]
    fn runs_that_ended_long_before_they_were_due_are_forgotten() {
        let (mut waiting, start) = (Waiting::default(), Instant::now());
        for number in 0..10_000 {
            let id = Uuid::from_u128(number);
            waiting.begin(id, item(1), start + Duration::from_hours(1));
            if number > 0 {
                waiting.end(id);
            }
        }
        assert_eq!(waiting.items.len(), 1);
        assert!(waiting.due.len() < 100, "{}", waiting.due.len());
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut waiting, start) = (Waiting::default(), Instant::now());
        for number in 0..100 {
            waiting.begin(Uuid::from_u128(number), item(MAX_WAITING_BYTES / 10), start);
        }
        assert_eq!((waiting.items.len(), waiting.due.len()), (10, 10));
        assert!(waiting.bytes <= MAX_WAITING_BYTES);
    }
}
