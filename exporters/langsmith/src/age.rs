//! How old a run may be.
//!
//! Rule: the beginning of the run itself counts, not when it came to the disk; a clock that is far off says nothing.
//!
//! LangSmith's own servers refuse a whole request for one run of which `start_time` is more than 24 hours away from their
//! clock.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::run_parts::RunParts;
use crate::stamp::Stamp;

/// An hour less than they take: clocks err, and a request may have to be sent again.
pub(crate) const MAX_AGE: Duration = Duration::from_hours(23);

/// What seems older says more of the clock than of the run.
const YEAR: Duration = Duration::from_hours(365 * 24);

#[derive(Deserialize)]
struct Begun<'a> {
    start_time: &'a str,
}

impl RunParts<'_> {
    /// Whether the run began so long ago that LangSmith's own servers refuse it.
    pub(crate) fn is_too_old(&self, now: SystemTime) -> bool {
        let ago = |age| now.checked_sub(age).map(|time| Stamp::of(time).rfc3339());
        let (Some(oldest), Some(absurd)) = (ago(MAX_AGE), ago(YEAR)) else { return false };
        // The order of the texts is that of the moments.
        serde_json::from_str::<Begun<'_>>(self.main)
            .is_ok_and(|Begun { start_time }| start_time < &*oldest && start_time > &*absurd)
    }
}
