//! What became of every item of a destination.
//!
//! Rule: accepted and adopted items are delivered, dropped, spooled or pending, at every moment.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::outcome::Dropped;

/// How many items ended in which way. Its unit is the item (a span, a run), not the event.
///
/// ```
/// use charm_telemetry_core::delivery::DeliveryOutcomes;
///
/// let mut outcomes = DeliveryOutcomes::default();
/// outcomes.accepted = 3;
/// outcomes.delivered = 2;
/// assert!(!outcomes.is_balanced(), "one item has no outcome");
/// outcomes.spooled = 1;
/// assert!(outcomes.is_balanced());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeliveryOutcomes {
    /// Items that the exporter handed over.
    pub accepted: u64,
    /// Items that an earlier process left in the spool and this one took over.
    pub adopted: u64,
    /// Items that the receiver took.
    pub delivered: u64,
    /// Items that lie in the spool now.
    pub spooled: u64,
    /// Items that are in memory only: waiting, or on their way.
    pub pending: u64,
    /// Items that were lost, by reason.
    pub dropped: Dropped,
    /// Requests that were sent, without greetings.
    pub requests: u64,
    /// Requests among them that repeated an earlier one.
    pub retries: u64,
    /// Bytes of bodies that went over the wire.
    pub bytes_sent: u64,
    /// Files in the spool that were set aside because they were damaged.
    pub quarantined: u64,
    /// Panics in the code of the destination, those that cost no item too.
    pub panics: u64,
}

impl DeliveryOutcomes {
    /// Whether every item has its outcome.
    pub fn is_balanced(&self) -> bool {
        self.accepted + self.adopted == self.delivered + self.spooled + self.pending + self.dropped.total()
    }
}

/// The account of one destination.
///
/// ```
/// # use charm_telemetry_core::delivery::*;
/// # use charm_telemetry_core::testing::{Answer, ReceiverDouble};
/// # use std::{sync::Arc, time::Duration};
/// # struct Vendor(String);
/// # impl Destination for Vendor {
/// #     fn name(&self) -> &str { "vendor" }
/// #     fn identity(&self) -> String { self.0.clone() }
/// #     fn limits(&self) -> Limits { Limits::default() }
/// #     fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> { Ok(Body::json(items[0].bytes())) }
/// #     fn request(&self, _: &Sending<'_>) -> Request { Request::post(&self.0) }
/// # }
/// # let receiver = ReceiverDouble::start();
/// # let destination = Vendor(receiver.url("/intake"));
/// # let delivery = Delivery::start(destination, DeliveryConfig::default())?;
/// delivery.send(Item::new(*b"{}"));
/// let report = delivery.shutdown(Duration::from_secs(10));
/// assert_eq!(report.state, DeliveryState::Finished);
/// assert_eq!(report.to_string(), "vendor: finished: accepted=1 delivered=1 spooled=0 dropped=0 requests=1");
/// # Ok::<(), DeliveryError>(())
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DeliveryReport {
    /// The destination's name.
    pub destination: String,
    /// How it stands.
    pub state: DeliveryState,
    /// What became of its items.
    pub outcomes: DeliveryOutcomes,
    /// Bytes of the batches in the spool.
    pub spool_bytes: u64,
    /// How long ago a request succeeded, if one did. In JSON: `last_success_age_seconds`, a number.
    #[serde(rename = "last_success_age_seconds", serialize_with = "as_seconds")]
    pub last_success_age: Option<Duration>,
    /// The last thing that went wrong, without secrets.
    pub last_error: Option<String>,
}

/// How a destination stands.
///
/// ```
/// use charm_telemetry_core::delivery::DeliveryState;
///
/// assert_eq!(DeliveryState::default(), DeliveryState::Ok);
/// assert_eq!(DeliveryState::CutOff.name(), "cut_off");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeliveryState {
    /// Requests succeed, or there was nothing to send.
    #[default]
    Ok,
    /// The last request failed; it is tried again.
    Retrying,
    /// The receiver refuses our credentials or our address; it is tried again slowly.
    Paused,
    /// There is something to send, and for five minutes nothing was: not even a failure. A method of the destination
    /// may hang.
    Stuck,
    /// Shut down, everything was sent.
    Finished,
    /// Shut down, something was left: spooled or dropped.
    CutOff,
}

impl DeliveryState {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Retrying => "retrying",
            Self::Paused => "paused",
            Self::Stuck => "stuck",
            Self::Finished => "finished",
            Self::CutOff => "cut_off",
        }
    }
}

/// One line.
impl fmt::Display for DeliveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeliveryOutcomes {
            accepted,
            adopted,
            delivered,
            spooled,
            pending,
            dropped,
            requests,
            panics,
            ..
        } = &self.outcomes;
        write!(f, "{}: {}: accepted={accepted}", self.destination, self.state.name())?;
        if *adopted > 0 {
            write!(f, " adopted={adopted}")?;
        }
        write!(f, " delivered={delivered} spooled={spooled}")?;
        if *pending > 0 {
            write!(f, " pending={pending}")?;
        }
        write!(f, " dropped={}", dropped.total())?;
        for (reason, count) in dropped.iter() {
            write!(f, " {reason}={count}")?;
        }
        if *panics > 0 {
            write!(f, " panics={panics}")?;
        }
        write!(f, " requests={requests}")?;
        self.last_error.as_deref().map_or(Ok(()), |error| write!(f, "; last error: {error}"))
    }
}

#[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
fn as_seconds<S: Serializer>(age: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    age.map(|age| age.as_secs_f64()).serialize(serializer)
}
