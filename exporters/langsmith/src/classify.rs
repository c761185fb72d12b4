//! What an answer means.
//!
//! Rule: pure; a batch of which LangSmith refuses one run is halved, because it refuses all of it and does not say which.
//!
//! | status | meaning |
//! |---|---|
//! | 2xx (202 is the documented one) | delivered |
//! | 409 | delivered before: the run is known |
//! | 400, 422 | in halves until the culprit is alone |
//! | 413 | in halves; one run alone is too large |
//! | 404 of `/runs/multipart` | the same runs to `/runs/batch`, and from then on |
//! | 404 of `/runs/batch` | slowly again, from `/runs/multipart` on: the address is wrong |
//! | 415 of a compressed body | the same runs uncompressed, and from then on |
//! | 429 | again after `Retry-After`; LangSmith does not send it, then after 10 seconds as its JS SDK |
//! | 408, 425, 5xx but 501 | again after `Retry-After` if there is one |
//! | 401, 403 and the like | slowly again, and the operator is told |
//! | all others | dropped as `permanent_status` |

use std::time::Duration;

use charm_telemetry_core::delivery::{Disposition, Encoding, Response};

use crate::dialect::Dialect;

/// The pause after a 429 that names none.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(10);

/// What to do with the batch, and how to speak from now on.
pub(crate) fn classify(response: &Response, dialect: Dialect) -> (Disposition, Dialect) {
    let disposition = match response.status {
        409 => Disposition::Delivered,
        404 if dialect.multipart => {
            return (Disposition::Reassemble, Dialect { multipart: false, ..dialect });
        }
        404 => return (Disposition::Pause, Dialect { multipart: true, ..dialect }),
        415 if dialect.encoding() != Encoding::Identity => {
            return (Disposition::Reassemble, Dialect { compression: Encoding::Identity, ..dialect });
        }
        429 => match Disposition::retry(response) {
            Disposition::RetryAfter(None) => Disposition::RetryAfter(Some(RATE_LIMIT_PAUSE)),
            named => named,
        },
        _ => Disposition::standard(response),
    };
    (disposition, dialect)
}
