//! What became of every event, for every exporter, and the one list of reasons for a loss.
//!
//! Rule: an event ends in exactly one outcome, and the outcomes add up to the events that were issued.

use std::fmt;

use serde::Serialize;
use serde::ser::SerializeMap;

/// Why something was lost: an event on its way to an exporter, or an item on its way to a vendor.
///
/// ```
/// use charm_telemetry_core::DropReason;
///
/// assert_eq!(DropReason::QueueFull.name(), "queue_full");
/// assert_eq!(DropReason::ALL.iter().filter(|reason| reason.name().starts_with("spool")).count(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The lane was full: the exporter is slower than the agent. Tokens go first.
    QueueFull,
    /// The hook answered with an error.
    HookError,
    /// The hook panicked.
    ExporterPanic,
    /// The hook had not returned when the process had to end.
    Stuck,
    /// The event was still waiting when the process had to end.
    ShutdownDeadline,
    /// The exporter could not be built again after a panic.
    ExporterUnavailable,
    /// Nobody reads stdout any more.
    ReaderGone,
    /// The spool was over its cap: the oldest batches go first.
    SpoolFull,
    /// The item alone is more than the vendor takes in one request.
    TooLarge,
    /// The batch stayed in the spool for longer than it may, or the item became too old for its receiver there.
    Expired,
    /// The vendor answered with a status after which a further try is of no use.
    PermanentStatus,
    /// The vendor refused this very item.
    Rejected,
    /// The spool file was damaged or removed.
    Corrupt,
    /// The item could not be put into a request.
    EncodeError,
    /// The vendor's rate limit is used up, and its rules say to drop, not to wait.
    RateLimited,
}

impl DropReason {
    /// Every reason there is.
    pub const ALL: [Self; 15] = [
        Self::QueueFull,
        Self::HookError,
        Self::ExporterPanic,
        Self::Stuck,
        Self::ShutdownDeadline,
        Self::ExporterUnavailable,
        Self::ReaderGone,
        Self::SpoolFull,
        Self::TooLarge,
        Self::Expired,
        Self::PermanentStatus,
        Self::Rejected,
        Self::Corrupt,
        Self::EncodeError,
        Self::RateLimited,
    ];

    /// The name in reports, for example `queue_full`.
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::HookError => "hook_error",
            Self::ExporterPanic => "exporter_panic",
            Self::Stuck => "stuck",
            Self::ShutdownDeadline => "shutdown_deadline",
            Self::ExporterUnavailable => "exporter_unavailable",
            Self::ReaderGone => "reader_gone",
            Self::SpoolFull => "spool_full",
            Self::TooLarge => "too_large",
            Self::Expired => "expired",
            Self::PermanentStatus => "permanent_status",
            Self::Rejected => "rejected",
            Self::Corrupt => "corrupt",
            Self::EncodeError => "encode_error",
            Self::RateLimited => "rate_limited",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many events ended in which way.
///
/// ```
/// use charm_telemetry_core::{DropReason, Outcomes};
///
/// let mut outcomes = Outcomes::default();
/// outcomes.issued = 3;
/// outcomes.delivered = 2;
/// outcomes.drop_events(DropReason::HookError, 1);
/// assert!(outcomes.is_balanced());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Outcomes {
    /// Events that happened while the exporter was active.
    pub issued: u64,
    /// Events whose hook returned without an error.
    pub delivered: u64,
    /// Events of kinds for which the exporter has no hook.
    pub ignored: u64,
    /// Events that were lost, by reason.
    pub dropped: Dropped,
}

/// Lost events by reason. Serialises as a map of the reasons that occurred.
///
/// ```
/// use charm_telemetry_core::{DropReason, Outcomes};
///
/// let mut outcomes = Outcomes::default();
/// outcomes.drop_events(DropReason::QueueFull, 3);
/// outcomes.drop_events(DropReason::HookError, 1);
/// assert_eq!(outcomes.dropped.total(), 4);
/// assert_eq!(outcomes.dropped.by(DropReason::QueueFull), 3);
/// assert_eq!(serde_json::to_string(&outcomes.dropped)?, r#"{"queue_full":3,"hook_error":1}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped([u64; DropReason::ALL.len()]);

impl Outcomes {
    /// Counts lost events.
    pub fn drop_events(&mut self, reason: DropReason, count: u64) {
        self.dropped.add(reason, count);
    }

    /// Whether every issued event has its outcome.
    pub fn is_balanced(&self) -> bool {
        self.issued == self.delivered + self.ignored + self.dropped.total()
    }
}

impl Dropped {
    pub(crate) fn add(&mut self, reason: DropReason, count: u64) {
        self.0[reason as usize] += count;
    }

    /// All lost events.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Those lost for one reason.
    pub fn by(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().map(|reason| (reason, self.by(reason))).filter(|&(_, count)| count > 0)
    }
}

impl Serialize for Dropped {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (reason, count) in self.iter() {
            map.serialize_entry(reason.name(), &count)?;
        }
        map.end()
    }
}
