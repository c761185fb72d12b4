//! Points in time as LangSmith writes them.
//!
//! Rule: whole microseconds, cut and never rounded, so that a run's `start_time` and its place in `dotted_order` are the
//! same moment, and the order of moments is the order of their texts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The end of the year 9999: later moments have no such text.
const LAST_MICROS: u128 = 253_402_300_799_999_999;

const MICROS_OF_A_DAY: u64 = 24 * 60 * 60 * 1_000_000;

/// A moment, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// The moment. What is before 1970 counts as 1970.
    pub(crate) fn of(time: SystemTime) -> Self {
        let micros = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_micros();
        Self(u64::try_from(micros.min(LAST_MICROS)).unwrap_or_default())
    }

    /// `2026-11-22T16:44:07.417369Z`
    pub(crate) fn rfc3339(self) -> String {
        self.written("-", ":", ".")
    }

    /// `20261122T164407417369Z`: exactly six digits after the seconds, or the whole request is refused.
    pub(crate) fn dotted(self) -> String {
        self.written("", "", "")
    }

    fn written(self, dash: &str, colon: &str, dot: &str) -> String {
        let (year, month, day) = civil(self.0 / MICROS_OF_A_DAY);
        let rest = self.0 % MICROS_OF_A_DAY;
        let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        format!(
            "{year:04}{dash}{month:02}{dash}{day:02}T{hour:02}{colon}{minute:02}{colon}{second:02}{dot}{micros:06}Z"
        )
    }
}

/// Year, month and day of a day since 1970, in the Gregorian calendar. Years are counted from March, so that the leap day is
/// the last of them.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    const DAYS_FROM_MARCH_OF_YEAR_0: u64 = 719_468;
    let days = days + DAYS_FROM_MARCH_OF_YEAR_0;
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, turn) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + turn, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, nanos: u32) -> Stamp {
        Stamp::of(UNIX_EPOCH + Duration::new(seconds, nanos))
    }

    #[test]
    fn a_moment_has_six_digits_after_the_seconds_and_is_never_rounded() {
        let moment = at(1_795_365_847, 417_369_999);
        assert_eq!(moment.rfc3339(), "2026-11-22T16:44:07.417369Z");
        assert_eq!(moment.dotted(), "20261122T164407417369Z");
        assert_eq!(at(0, 999).dotted(), "19700101T000000000000Z");
        assert_eq!(at(0, 1_000).dotted(), "19700101T000000000001Z");
    }

    #[test]
    fn the_calendar_has_its_leap_days() {
        for (seconds, day) in [
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_709_164_800, "2024-02-29"),
            (1_735_603_200, "2024-12-31"),
            (1_735_689_600, "2025-01-01"),
            (4_107_542_400, "2100-03-01"),
            (4_107_456_000, "2100-02-28"),
        ] {
            assert_eq!(&at(seconds, 0).rfc3339()[..10], day);
        }
    }

    #[test]
    fn a_clock_that_is_far_off_still_gives_a_text_of_the_same_length() {
        let far = UNIX_EPOCH + Duration::from_secs(400_000_000_000);
        assert_eq!(Stamp::of(far).dotted(), "99991231T235959999999Z");
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Stamp::of(before).dotted(), "19700101T000000000000Z");
    }
}
