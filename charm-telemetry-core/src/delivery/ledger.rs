//! The books of one destination.
//!
//! Rule: every entry moves items from exactly one place to exactly one place; after the books are closed nothing moves.

use super::outcomes::DeliveryOutcomes;
use crate::outcome::DropReason;

/// Where items are before they are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere but in memory.
    Memory,
    /// In a file of the spool.
    Spool,
}

/// The counters, and the only ways to change them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    outcomes: DeliveryOutcomes,
    closed: bool,
}

impl Ledger {
    pub(super) fn outcomes(&self) -> &DeliveryOutcomes {
        &self.outcomes
    }

    /// Whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.outcomes.pending + self.outcomes.spooled == 0
    }

    pub(super) fn accept(&mut self, count: u64) {
        self.outcomes.accepted += count;
        self.outcomes.pending += count;
    }

    /// An item that is lost the moment it comes: at any time, also after the end.
    pub(super) fn refuse(&mut self, reason: DropReason) {
        self.outcomes.accepted += 1;
        self.outcomes.dropped.add(reason, 1);
    }

    pub(super) fn adopt(&mut self, count: u64) {
        if !self.closed {
            self.outcomes.adopted += count;
            self.outcomes.spooled += count;
        }
    }

    pub(super) fn spool(&mut self, count: u64) {
        if !self.closed {
            self.outcomes.spooled += self.take(count, Place::Memory);
        }
    }

    pub(super) fn deliver(&mut self, count: u64, from: Place) {
        if !self.closed {
            self.outcomes.delivered += self.take(count, from);
        }
    }

    pub(super) fn drop_items(&mut self, count: u64, from: Place, reason: DropReason) {
        if !self.closed {
            let taken = self.take(count, from);
            self.outcomes.dropped.add(reason, taken);
        }
    }

    pub(super) fn request(&mut self, bytes: u64, is_retry: bool) {
        if !self.closed {
            self.outcomes.requests += 1;
            self.outcomes.retries += u64::from(is_retry);
            self.outcomes.bytes_sent += bytes;
        }
    }

    pub(super) fn quarantine(&mut self, files: u64) {
        self.outcomes.quarantined += files;
    }

    pub(super) fn vendor_panic(&mut self) {
        self.outcomes.panics += 1;
    }

    /// Settles what is left in memory. Whoever still works on it works for nothing that is counted.
    pub(super) fn close(&mut self) -> u64 {
        let left = std::mem::take(&mut self.outcomes.pending);
        self.outcomes.dropped.add(DropReason::ShutdownDeadline, left);
        self.closed = true;
        left
    }

    /// Takes items from where they are. More than there are would be a mistake of ours; it must not end the delivery,
    /// nor bring the books out of balance.
    fn take(&mut self, count: u64, from: Place) -> u64 {
        let place = self.place(from);
        debug_assert!(count <= *place, "{count} items of {place} in {from:?}");
        let taken = count.min(*place);
        *place -= taken;
        taken
    }

    fn place(&mut self, place: Place) -> &mut u64 {
        match place {
            Place::Memory => &mut self.outcomes.pending,
            Place::Spool => &mut self.outcomes.spooled,
        }
    }
}
