//! What an answer means.
//!
//! Rule: a batch that Sentry limited is never sent again: a limited envelope may have been taken in part, and Sentry
//! counts what it limits itself.
//!
//! | answer | meaning |
//! |---|---|
//! | 2xx | taken |
//! | 429 | dropped as `rate_limited`, without a client report |
//! | 413 | too large: sent again in halves; one item alone is dropped |
//! | 400, 422 | malformed: in halves until the culprit is alone, which is dropped |
//! | 401, 403, 404, 405, 407, 3xx | the DSN is wrong or its project is off: slowly again, and the operator is told |
//! | 408, 425, 5xx but 501 | not taken: again, after `Retry-After` if there is one |
//! | all others | dropped |
//!
//! Sentry's SDKs drop at 413 and at 5xx, too; they have no spool and cannot split.

use charm_telemetry_core::DropReason;
use charm_telemetry_core::delivery::{Disposition, Response};

pub(crate) fn classify(response: &Response) -> Disposition {
    match response.status {
        429 => Disposition::Drop(DropReason::RateLimited),
        _ => Disposition::standard(response),
    }
}
