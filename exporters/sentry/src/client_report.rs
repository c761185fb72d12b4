//! The account of what was dropped, for Sentry's statistics.
//!
//! Rule: a loss is reported once, under the reason that Sentry has for it; what Sentry itself limited is not reported.

use std::collections::BTreeMap;
use std::time::SystemTime;

use charm_telemetry_core::DropReason;
use charm_telemetry_core::delivery::Item;
use serde::{Deserialize, Serialize};

use crate::encode::seconds;
use crate::rate_limits::Category;

/// So many of one kind, lost for one reason.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Discard {
    pub(crate) reason: String,
    pub(crate) category: String,
    pub(crate) quantity: u64,
}

#[derive(Serialize)]
struct ClientReport {
    timestamp: f64,
    discarded_events: Vec<Discard>,
}

impl Discard {
    pub(crate) fn new(reason: &str, category: Category, quantity: u64) -> Self {
        Self { reason: reason.to_owned(), category: category.name().to_owned(), quantity }
    }

    /// `None` if the item is none.
    pub(crate) fn read(item: &Item) -> Option<Self> {
        serde_json::from_slice(item.bytes()).ok()
    }

    /// As an item of its own, to be summed up with others when a report is made.
    pub(crate) fn item(&self) -> Item {
        Item::new(serde_json::to_vec(self).expect("it is texts and a number"))
    }
}

/// The payload of a report about these discards.
///
/// # Errors
/// If an item is none.
pub(crate) fn report(items: &[Item], now: SystemTime) -> serde_json::Result<Vec<u8>> {
    let mut sums: BTreeMap<(String, String), u64> = BTreeMap::new();
    for item in items {
        let Discard { reason, category, quantity } = serde_json::from_slice(item.bytes())?;
        *sums.entry((reason, category)).or_default() += quantity;
    }
    let discard = |((reason, category), quantity)| Discard { reason, category, quantity };
    let discarded_events = sums.into_iter().map(discard).collect();
    serde_json::to_vec(&ClientReport { timestamp: seconds(now), discarded_events })
}

/// Sentry's name for a reason of ours.
pub(crate) fn reason(reason: DropReason) -> &'static str {
    match reason {
        DropReason::RateLimited => "ratelimit_backoff",
        DropReason::QueueFull => "queue_overflow",
        DropReason::SpoolFull | DropReason::Expired => "cache_overflow",
        DropReason::TooLarge | DropReason::Rejected | DropReason::PermanentStatus => "send_error",
        DropReason::ShutdownDeadline => "network_error",
        _ => "internal_sdk_error",
    }
}
