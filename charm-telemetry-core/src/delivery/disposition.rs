//! What an answer means for the batch that it answers.
//!
//! Rule: the decision is a pure function of the answer; delivery acts on it and never looks at a status itself.

use std::time::{Duration, SystemTime};

use super::response::Response;
use super::retry_after::parse_retry_after;
use crate::outcome::DropReason;

/// What to do with a batch after an answer.
///
/// ```
/// use charm_telemetry_core::delivery::{Disposition, Response};
///
/// let classify = |answer: &Response| match answer.status {
///     409 => Disposition::Delivered, // the vendor has this batch already
///     _ => Disposition::standard(answer),
/// };
/// assert_eq!(classify(&Response::new(409)), Disposition::Delivered);
/// assert_eq!(classify(&Response::new(413)), Disposition::TooLarge);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// All of it arrived.
    Delivered,
    /// All of it arrived, and nothing may be sent for so long.
    DeliveredThenWait(Duration),
    /// It arrived, but so many items of it were refused for good. They are counted as `rejected`. With none it is a mere
    /// warning of the receiver, which the operator is told.
    PartlyRejected {
        /// How many.
        rejected: u64,
        /// What the receiver says about it.
        reason: String,
    },
    /// Not now. Sent again after the back-off or this, whichever is longer (this is believed up to five minutes).
    RetryAfter(Option<Duration>),
    /// Too much at once: sent again in halves. One item alone is dropped as `too_large`.
    TooLarge,
    /// Something in it is wrong: sent again in halves until the culprit is alone, which is dropped as `rejected`.
    Bisect,
    /// The destination wrote down that it must speak differently (another endpoint, another encoding): assembled anew
    /// and sent at once. Counts as [`RetryAfter`](Self::RetryAfter) when it comes twice in a row.
    Reassemble,
    /// Our credentials or our address are wrong. Sent again slowly, and the operator is told: nothing is lost when
    /// the key is put right.
    Pause,
    /// Hopeless: all of it is lost, for this reason.
    Drop(DropReason),
}

impl Disposition {
    /// The table for a receiver that documents none.
    ///
    /// | status | meaning |
    /// |---|---|
    /// | 2xx | delivered |
    /// | 408, 425, 429, 5xx but 501 | again, after `Retry-After` if there is one |
    /// | 413 | in halves |
    /// | 400, 422 | in halves until the culprit is alone |
    /// | 401, 403, 404, 405, 407, 3xx | slowly again, and the operator is told |
    /// | all others | dropped as `permanent_status` |
    pub fn standard(response: &Response) -> Self {
        match response.status {
            200..=299 => Self::Delivered,
            501 => Self::Drop(DropReason::PermanentStatus),
            408 | 425 | 429 | 500..=599 => Self::retry(response),
            413 => Self::TooLarge,
            400 | 422 => Self::Bisect,
            300..=399 | 401 | 403..=405 | 407 => Self::Pause,
            _ => Self::Drop(DropReason::PermanentStatus),
        }
    }

    /// Again, after `Retry-After` if there is one that can be read.
    pub fn retry(response: &Response) -> Self {
        let wish =
            response.header("retry-after").and_then(|value| parse_retry_after(value, SystemTime::now()));
        Self::RetryAfter(wish)
    }
}
