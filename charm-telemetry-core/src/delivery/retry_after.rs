//! How long a receiver asks us to wait.
//!
//! Rule: what cannot be read is no wish at all, and no wish is believed beyond a cap (see `backoff`).

use std::time::{Duration, SystemTime};

/// Reads `Retry-After`: seconds, or an HTTP date. `None` for anything else. A date that is past is no wait.
///
/// ```
/// use charm_telemetry_core::delivery::parse_retry_after;
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH;
/// assert_eq!(parse_retry_after("7", now), Some(Duration::from_secs(7)));
/// assert_eq!(parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", now), Some(Duration::from_mins(1)));
/// assert_eq!(parse_retry_after("soon", now), None);
/// ```
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Option<Duration>) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        assert_eq!(parse_retry_after(value, now), expected, "{value}");
    }

    #[test]
    fn seconds_dates_past_dates_and_garbage_are_told_apart() {
        check("7", Some(Duration::from_secs(7)));
        check(" 0 ", Some(Duration::ZERO));
        check("315360000", Some(Duration::from_hours(87_600)));
        check("99999999999999999999999999", Some(Duration::from_secs(u64::MAX)));
        check("Sun, 06 Nov 1994 08:50:37 GMT", Some(Duration::from_mins(1)));
        check("Sun, 06 Nov 1994 08:48:37 GMT", Some(Duration::ZERO));
        // A leap second is no time of this calendar: what cannot be read is no wish.
        check("Sat, 31 Dec 2016 23:59:60 GMT", None);
        for garbage in ["", "soon", "-1", "1.5", "1e3", "Sun, 99 Nov 1994 08:50:37 GMT", "\u{661}"] {
            check(garbage, None);
        }
    }
}
