//! Durations as people write them: `5s`, `250ms`, `1h30m`; a bare number is seconds.
//!
//! Rule: the grammar is humantime's, so that nobody learns ours; only the bare number is added.

use std::time::Duration;

/// Reads a duration.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err("a duration cannot be negative".to_owned());
    }
    if is_number(text) {
        return seconds(text);
    }
    humantime::parse_duration(text).map_err(|error| explain(&error))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn seconds(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(&format!("{text}s")).map_err(|error| explain(&error))
}

fn explain(error: &humantime::DurationError) -> String {
    match error {
        humantime::DurationError::NumberOverflow => {
            "the duration is too long, or finer than a nanosecond".to_owned()
        }
        humantime::DurationError::UnknownUnit { unit, .. } if !unit.is_empty() => {
            format!("unknown unit `{unit}`; use `us`, `ms`, `s`, `m`, `h` or `d`, as in `1m30s`")
        }
        _ => {
            "not a duration; write for example `5s`, `250ms` or `1h30m` (a bare number is seconds)".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Duration) {
        assert_eq!(parse(text), Ok(expected), "{text}");
    }

    #[track_caller]
    fn refused(text: &str, why: &str) {
        let message = parse(text).expect_err(text);
        assert!(message.contains(why), "{text}: {message}");
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        check("5s", Duration::from_secs(5));
        check(" 250ms ", Duration::from_millis(250));
        check("2m", Duration::from_mins(2));
        check("1h30m", Duration::from_mins(90));
        check("1h 30m", Duration::from_mins(90));
        check("500us", Duration::from_micros(500));
        check("1.5s", Duration::from_millis(1500));
        check("1d", Duration::from_hours(24));
    }

    #[test]
    fn a_bare_number_is_seconds() {
        check("0", Duration::ZERO);
        check("30", Duration::from_secs(30));
        check("0.25", Duration::from_millis(250));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        refused("-1s", "negative");
        refused("99999999999999999999s", "too long");
        refused("18446744073709551615h", "too long");
        refused("99999999999999999999", "too long");
        refused("0.5ns", "too long, or finer");
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        refused("5 parsecs", "unknown unit `parsecs`");
        refused("soon", "`250ms`");
        refused("", "`250ms`");
        refused("1:30", "`250ms`");
        refused("1.2.3", "`250ms`");
        refused(".", "`250ms`");
        refused("+5s", "`250ms`");
        refused("５s", "`250ms`");
    }
}
