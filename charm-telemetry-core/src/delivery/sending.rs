//! Sending one batch: in one request if it goes, in parts if it must.
//!
//! Rule: a refused batch is halved until the culprit is alone; nobody else is lost with it.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::attempt::{Attempt, Part, Verdict};
use super::destination::Destination;
use super::engine::{Flight, new_batch_id};
use super::item::Item;
use super::notice::NoticeKind;
use super::on_disk::lose;
use super::shared::{Shared, are_lost};
use super::transport::Transport;
use super::vendor::by_vendor;
use crate::outcome::DropReason;
use crate::spool::Loss;

/// Sends batches of one destination.
pub(super) struct Sender {
    shared: Arc<Shared>,
    attempt: Attempt,
    greeted: bool,
    /// Whether the destination is told which items were lost.
    names_losses: bool,
}

/// What became of a batch.
pub(super) struct Sent {
    pub(super) fate: Fate,
    /// The items that are not settled, in order.
    pub(super) left: Vec<Item>,
    /// Items that the receiver refused for good.
    pub(super) rejected: Vec<Item>,
}

/// How it ended.
pub(super) enum Fate {
    /// The receiver answered; the next request may come after so long.
    Settled { wait: Duration },
    /// Not now; the receiver may have asked for a time.
    Later { wish: Option<Duration> },
    /// Not before somebody has put something right.
    Paused,
}

/// How many items a probe has.
const PROBE_ITEMS: usize = 8;

impl Sender {
    pub(super) fn new(
        shared: Arc<Shared>,
        destination: Arc<dyn Destination>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        let names_losses = destination.wants_dropped();
        let attempt = Attempt::new(shared.clone(), destination, transport);
        Self { shared, attempt, greeted: false, names_losses }
    }

    /// Sends a batch, a few items of it first if this is a probe.
    pub(super) async fn send(&mut self, flight: &Flight, probe: bool, attempt: u32, time: Duration) -> Sent {
        self.greet().await;
        let end = Instant::now().checked_add(time);
        let mut parts = parts(flight.items.len(), self.shared.limits.max_items.max(1), probe);
        let mut rejected = Vec::new();
        let mut attempt = attempt;
        while let Some(range) = parts.pop() {
            let out_of_time = end.is_some_and(|end| Instant::now() >= end);
            let part = Part::of(flight, range.clone(), attempt);
            let verdict =
                if out_of_time { Verdict::Later { wish: None } } else { self.attempt.run(&part, end).await };
            let fate = match verdict {
                Verdict::Delivered { rejected, wait } => {
                    self.deliver(flight, &range, rejected);
                    (!wait.is_zero()).then_some(Fate::Settled { wait })
                }
                Verdict::Halve(reason) if range.len() == 1 => {
                    rejected.push(flight.items[range.start].clone());
                    self.lose(flight, &range, reason).await;
                    None
                }
                Verdict::Halve(_) => {
                    let middle = range.start + range.len() / 2;
                    parts.extend([middle..range.end, range.start..middle]);
                    None
                }
                Verdict::Drop(reason) => {
                    self.lose(flight, &range, reason).await;
                    None
                }
                Verdict::Later { wish } => {
                    parts.push(range);
                    Some(Fate::Later { wish })
                }
                Verdict::Paused => {
                    parts.push(range);
                    Some(Fate::Paused)
                }
            };
            self.shared.progress();
            if let Some(fate) = fate {
                return Sent { fate, left: collect(flight, &parts), rejected };
            }
            attempt = 1;
        }
        Sent { fate: Fate::Settled { wait: Duration::ZERO }, left: Vec::new(), rejected }
    }

    /// Takes out of a batch of the spool what is too old for its receiver by now. Its file still has it: the batch is
    /// stale.
    pub(super) async fn drop_outdated(&self, flight: &mut Flight, now: SystemTime) {
        if flight.key.is_none() {
            return;
        }
        let (destination, items) = (self.attempt.destination().clone(), flight.items.clone());
        let sort =
            move || items.into_iter().partition::<Vec<_>, _>(|item| destination.is_outdated(item, now));
        // If the vendor's code panics or hangs, the receiver decides.
        let sorted = tokio::select! {
            biased;
            sorted = by_vendor(&self.shared, "`is_outdated`", sort) => sorted,
            () = self.shared.out_of_time() => None,
        };
        let Some((old, rest)) = sorted.filter(|(old, _)| !old.is_empty()) else { return };
        (flight.items, flight.batch_id, flight.stale) = (rest, new_batch_id(), true);
        let items = old.len() as u64;
        let known = if self.names_losses { old } else { Vec::new() };
        lose(&self.shared, [Loss { items, known, reason: DropReason::Expired, quarantined: false }]);
    }

    /// Tells the destination what was lost in the spool meanwhile: here, because nothing else of its code runs now.
    pub(super) async fn tell_of_losses(&self) {
        let mourned = self.shared.lock().take_mourned();
        if !mourned.is_empty() {
            let destination = self.attempt.destination().clone();
            // A panic of the vendor's code changes nothing: the losses are counted already.
            let tell = move || mourned.iter().for_each(|(items, why)| destination.dropped(items, *why));
            by_vendor(&self.shared, "`dropped`", tell).await;
        }
    }

    /// Lets go of the destination, of which the end is the vendor's code as well: it may hang.
    pub(super) fn end(self) {
        let shared = self.shared.clone();
        tokio::spawn(async move { by_vendor(&shared, "`drop`", move || drop(self)).await });
    }

    async fn greet(&mut self) {
        if !std::mem::replace(&mut self.greeted, true) {
            self.attempt.greet().await;
        }
    }

    fn deliver(&self, flight: &Flight, range: &Range<usize>, rejected: u64) {
        let count = range.len() as u64;
        let rejected = rejected.min(count);
        let mut state = self.shared.lock();
        state.ledger.deliver(count - rejected, flight.place());
        state.ledger.drop_items(rejected, flight.place(), DropReason::Rejected);
    }

    async fn lose(&self, flight: &Flight, range: &Range<usize>, reason: DropReason) {
        let count = range.len() as u64;
        self.shared.lock().ledger.drop_items(count, flight.place(), reason);
        if self.names_losses {
            let items = flight.items[range.clone()].to_vec();
            let destination = self.attempt.destination().clone();
            // A panic of the vendor's code changes nothing here: the loss is counted already.
            let told = by_vendor(&self.shared, "`dropped`", move || destination.dropped(&items, reason));
            tokio::select! {
                biased;
                _ = told => {}
                () = self.shared.out_of_time() => {}
            }
        }
        let last = self.shared.lock().last_error.clone();
        let because = last.map_or_else(String::new, |error| format!(" after: {error}"));
        self.shared.notice(NoticeKind::Dropped, &format!("{}: {reason}{because}", are_lost(count)));
    }
}

/// The parts of a batch, each of `most` items, the first one last.
fn parts(items: usize, most: usize, probe: bool) -> Vec<Range<usize>> {
    let first = if probe { most.min(PROBE_ITEMS) } else { most }.min(items);
    let rest = (first..items).step_by(most).map(|start| start..items.min(start + most));
    let mut parts: Vec<_> = std::iter::once(0..first).chain(rest).collect();
    parts.reverse();
    parts
}

fn collect(flight: &Flight, parts: &[Range<usize>]) -> Vec<Item> {
    parts.iter().rev().flat_map(|range| flight.items[range.clone()].iter().cloned()).collect()
}
