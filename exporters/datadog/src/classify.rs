//! What an answer of Datadog or of an Agent means.
//!
//! Rule: a pure function of the answer and the time; nothing is sent again unchanged that was refused for what it is (400,
//! 413). 401 and 403 are about who sends and not about what: the same bytes go again every few minutes, until the key is right.
//!
//! | status | Datadog's libraries | here |
//! |---|---|---|
//! | 200, 202 | delivered | delivered |
//! | other 2xx | for the one for Go a failure | delivered |
//! | 400, 422 | lost | in halves until the culprit is alone |
//! | 401, 403, 404, 405, 3xx | lost | slowly again, and the operator is told: a key or an address can be put right |
//! | 413 | lost, whole | in halves |
//! | 408, 425, 5xx but 501 | again, three times | again, until it is too old |
//! | 429 | again, after `x-ratelimit-reset` | the same, or after `Retry-After`, whichever is longer |

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use charm_telemetry_core::delivery::{Disposition, Response, parse_retry_after};

/// Numbers above are seconds since 1970, numbers below are seconds from now: both are in use.
const FIRST_EPOCH: u64 = 1_000_000_000;

/// What to do with the batch that was answered so.
pub(crate) fn classify(response: &Response, now: SystemTime) -> Disposition {
    match response.status {
        // The longer wait fits both.
        429 => Disposition::RetryAfter(reset(response, now).max(retry_after(response, now))),
        _ => Disposition::standard(response),
    }
}

fn retry_after(response: &Response, now: SystemTime) -> Option<Duration> {
    parse_retry_after(response.header("retry-after")?, now)
}

fn reset(response: &Response, now: SystemTime) -> Option<Duration> {
    let number: u64 = response.header("x-ratelimit-reset")?.trim().parse().ok()?;
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let wait = Duration::from_secs(number);
    Some(if number < FIRST_EPOCH { wait } else { wait.saturating_sub(since_epoch) })
}
