//! The losses that are still to be told, summed up.
//!
//! Rule: however much is lost, one item for each kind and reason is handed over, and that only now and then; while a limit
//! forbids reports, too, they are kept, and what it made a report lose is told again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use charm_telemetry_core::delivery::{DeliveryHandle, Item};

use crate::client_report::Discard;
use crate::destination::Project;
use crate::rate_limits::Category;

/// How long losses are summed up after others were handed over.
pub(crate) const PERIOD: Duration = Duration::from_secs(30);

/// What was lost, and the way to tell it.
pub(crate) struct Losses {
    reports: DeliveryHandle,
    project: Arc<Project>,
    untold: Arc<Untold>,
    /// What a limit gives back from now on is in the books of the reports, and nobody takes it any more.
    closed: AtomicBool,
}

/// The sums, shared with the destination of reports, which gives back what it could not tell.
#[derive(Default)]
pub(crate) struct Untold(Mutex<Sums>);

/// What is to be told.
#[derive(Default)]
pub(crate) struct Sums {
    lost: BTreeMap<(Category, String), u64>,
    told: Option<Instant>,
}

impl Losses {
    /// `reports` gives back to `untold`.
    pub(crate) fn new(reports: DeliveryHandle, project: Arc<Project>, untold: Arc<Untold>) -> Self {
        Self { reports, project, untold, closed: AtomicBool::new(false) }
    }

    /// So many of a kind were lost.
    pub(crate) fn add(&self, why: &'static str, category: Category, quantity: u64) {
        self.untold.with(|sums| sums.add(why, category, quantity));
        self.tell_what_is_due();
    }

    /// Tells what was kept, if it is time.
    pub(crate) fn tell_what_is_due(&self) {
        if !self.project.forbids(Category::Internal) {
            self.hand_over(self.untold.with(|sums| sums.due(Instant::now())));
        }
    }

    /// Tells what is left.
    pub(crate) fn shutdown(&self, deadline: Duration) {
        self.hand_over(self.untold.with(Sums::take));
        self.closed.store(true, Ordering::Relaxed);
        self.reports.shutdown(deadline);
    }

    fn hand_over(&self, items: Vec<Item>) {
        for item in items {
            self.reports.send(item);
        }
    }
}

/// An exporter that panicked tells nothing itself.
impl Drop for Losses {
    fn drop(&mut self) {
        if !*self.closed.get_mut() {
            self.hand_over(self.untold.with(Sums::take));
        }
    }
}

impl Untold {
    /// A report of these was not sent.
    pub(crate) fn give_back(&self, reports: &[Item]) {
        for discard in reports.iter().filter_map(Discard::read) {
            if let Some(category) = Category::named(&discard.category) {
                self.with(|sums| sums.add(&discard.reason, category, discard.quantity));
            }
        }
    }

    fn with<T>(&self, what: impl FnOnce(&mut Sums) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sums {
    pub(crate) fn add(&mut self, why: &str, category: Category, quantity: u64) {
        *self.lost.entry((category, why.to_owned())).or_default() += quantity;
    }

    /// What is to be handed over now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Item> {
        let is_early = self.told.is_some_and(|told| now.saturating_duration_since(told) < PERIOD);
        if self.lost.is_empty() || is_early {
            return Vec::new();
        }
        self.told = Some(now);
        self.take()
    }

    fn take(&mut self) -> Vec<Item> {
        let lost = std::mem::take(&mut self.lost);
        lost.into_iter()
            .map(|((category, why), quantity)| Discard::new(&why, category, quantity).item())
            .collect()
    }
}
