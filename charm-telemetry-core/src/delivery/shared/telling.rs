//! What the operator is told, and what the report keeps of it.
//!
//! Rule: whoever is told may panic, and nothing comes of it.

use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};

use super::Shared;
use crate::delivery::config::Tell;
use crate::delivery::notice::{DeliveryNotice, NoticeKind};
use crate::lane::panics;

impl Shared {
    /// Counts and tells, the 1st, 2nd, 4th, 8th... time.
    pub(in crate::delivery) fn notice(&self, kind: NoticeKind, message: &str) {
        let count = {
            let mut state = self.lock();
            if kind != NoticeKind::Recovered {
                state.last_error = Some(message.to_owned());
            }
            let place = state.notices.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
                state.notices.push((kind, 0));
                state.notices.len() - 1
            });
            state.notices[place].1 += 1;
            state.notices[place].1
        };
        if count.is_power_of_two() {
            let (destination, message) = (self.name.clone(), message.to_owned());
            let notice = DeliveryNotice { destination, kind, message, count };
            match &self.config.tell {
                Some(tell) => tell_guarded(tell, &notice),
                // Whoever closed stderr does not want it.
                None => drop(writeln!(io::stderr(), "charm: {notice}")),
            }
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

/// The process's panic hook says what went wrong.
fn tell_guarded(tell: &Tell, notice: &DeliveryNotice) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| tell(notice))) {
        drop(panics::said(payload));
    }
}
