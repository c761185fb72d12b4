//! The losses that are still to be told, summed up.
//!
//! Rule: however much is lost, one item for each kind and reason is handed over, and that only now and then.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use charm_telemetry_core::delivery::{DeliveryHandle, Item};

use crate::client_report::Discard;
use crate::rate_limits::Category;

/// How long losses are summed up after others were handed over.
pub(crate) const PERIOD: Duration = Duration::from_secs(30);

/// What was lost, and the way to tell it.
pub(crate) struct Losses {
    reports: DeliveryHandle,
    sums: Mutex<Sums>,
}

/// What is to be told.
#[derive(Default)]
pub(crate) struct Sums {
    lost: BTreeMap<(Category, &'static str), u64>,
    told: Option<Instant>,
}

impl Losses {
    pub(crate) fn new(reports: DeliveryHandle) -> Self {
        Self { reports, sums: Mutex::default() }
    }

    /// So many of a kind were lost.
    pub(crate) fn add(&self, why: &'static str, category: Category, quantity: u64) {
        let due = self.with(|sums| sums.add(why, category, quantity, Instant::now()));
        self.hand_over(due);
    }

    /// Tells what is left.
    pub(crate) fn shutdown(&self, deadline: Duration) {
        self.hand_over(self.with(Sums::take));
        self.reports.shutdown(deadline);
    }

    fn with<T>(&self, what: impl FnOnce(&mut Sums) -> T) -> T {
        what(&mut self.sums.lock().unwrap_or_else(PoisonError::into_inner))
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
        self.hand_over(self.with(Sums::take));
    }
}

impl Sums {
    /// Adds to them; gives what is to be handed over now.
    pub(crate) fn add(
        &mut self,
        why: &'static str,
        category: Category,
        quantity: u64,
        now: Instant,
    ) -> Vec<Item> {
        *self.lost.entry((category, why)).or_default() += quantity;
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < PERIOD) {
            return Vec::new();
        }
        self.told = Some(now);
        self.take()
    }

    fn take(&mut self) -> Vec<Item> {
        let lost = std::mem::take(&mut self.lost);
        lost.into_iter()
            .map(|((category, why), quantity)| Discard::new(why, category, quantity).item())
            .collect()
    }
}
