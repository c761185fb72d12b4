//! What the operator is told, and what the report keeps of it.
//!
//! Rule: whoever is told may panic, and nothing comes of it.

use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};

use super::Shared;
use crate::delivery::config::Tell;
use crate::delivery::notice::{DeliveryNotice, NoticeKind};
use crate::lane::panics;
use crate::outcome::DropReason;

impl Shared {
    /// Counts and tells, the 1st, 2nd, 4th, 8th... time.
    pub(in crate::delivery) fn notice(&self, kind: NoticeKind, message: &str) {
        let told = self.tell_now_and_then(kind, message);
        if kind == NoticeKind::Dropped && !told {
            self.lock().untold = true;
        }
    }

    /// The same for items that were lost with a damaged file.
    pub(in crate::delivery) fn notice_of_damage(&self, message: &str) {
        if !self.tell_now_and_then(NoticeKind::Quarantined, message) {
            self.lock().untold = true;
        }
    }

    fn tell_now_and_then(&self, kind: NoticeKind, message: &str) -> bool {
        let count = {
            let mut state = self.lock();
            match kind {
                // Nothing went wrong.
                NoticeKind::Recovered | NoticeKind::Warned => {}
                // Is a consequence, and quotes the error.
                NoticeKind::Dropped => {
                    state.last_error.get_or_insert_with(|| message.to_owned());
                }
                _ => state.last_error = Some(message.to_owned()),
            }
            let place = state.notices.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
                state.notices.push((kind, 0));
                state.notices.len() - 1
            });
            state.notices[place].1 += 1;
            state.notices[place].1
        };
        let now = count.is_power_of_two();
        if now {
            self.tell(kind, message, count);
        }
        now
    }

    fn tell(&self, kind: NoticeKind, message: &str, count: u64) {
        let (destination, message) = (self.name.clone(), message.to_owned());
        let notice = DeliveryNotice { destination, kind, message, count };
        match &self.config.tell {
            Some(tell) => tell_guarded(tell, &notice),
            // Whoever closed stderr does not want it.
            None => drop(writeln!(io::stderr(), "charm: {notice}")),
        }
    }

    /// An item was not taken.
    pub(super) fn tell_of_refusal(&self, reason: DropReason) {
        let way_out = match reason {
            DropReason::QueueFull => format!(
                "; memory is full: it holds {} items, or the bytes of `CHARM_DELIVERY_MEMORY_BYTES`; a writable \
                 `CHARM_STATE_DIR` takes more",
                self.config.memory_items
            ),
            _ => String::new(),
        };
        self.notice(NoticeKind::Dropped, &format!("{}: {reason}{way_out}", are_lost(1)));
    }

    /// At the end, as far as it was not told yet: `left` items were still in memory.
    pub(super) fn tell_of_all_losses(&self, left: u64) {
        let (untold, dropped) = {
            let state = self.lock();
            (state.untold, state.ledger.outcomes().dropped.clone())
        };
        if left > 0 || untold {
            let reasons: Vec<_> = dropped.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            let message = format!("in all {}: {}", are_lost(dropped.total()), reasons.join(", "));
            self.tell(NoticeKind::Dropped, &message, 1);
        }
    }

    /// Code of the vendor panicked. What it said may hold a secret: it is in the notice, of which the manager takes them
    /// out, and not in the report.
    pub(in crate::delivery) fn vendor_panicked(&self, what: &str, message: &str) {
        self.lock().ledger.vendor_panic();
        self.notice(NoticeKind::Panicked, &format!("{what} of the exporter panicked: {message}"));
        self.remember_error(&format!("{what} of the exporter panicked"));
    }

    /// The spool cannot be used: told once until it has worked again, however often it is tried meanwhile.
    pub(in crate::delivery) fn spool_failed(&self, error: &io::Error) {
        let message = format!(
            "the spool cannot be used: {error}; what is not sent stays in memory; see `CHARM_STATE_DIR`"
        );
        let known = std::mem::replace(&mut self.lock().spool_failed, true);
        if known {
            self.remember_error(&message);
        } else {
            self.notice(NoticeKind::SpoolDegraded, &message);
        }
    }

    /// The spool took something.
    pub(in crate::delivery) fn spool_works(&self) {
        self.lock().spool_failed = false;
    }
}

pub(in crate::delivery) fn are_lost(items: u64) -> String {
    if items == 1 { "1 item is lost".to_owned() } else { format!("{items} items are lost") }
}

/// The process's panic hook says what went wrong.
fn tell_guarded(tell: &Tell, notice: &DeliveryNotice) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| tell(notice))) {
        drop(panics::said(payload));
    }
}
