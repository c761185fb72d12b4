//! The one time that an image contains.
//!
//! Rule: nothing of the host's clock gets into an image; its time is `SOURCE_DATE_EPOCH`, or 1970.

use std::fmt;

use crate::error::RequestError;

/// Seconds since 1970, written as RFC 3339 in configurations and annotations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Epoch(pub u64);

impl Epoch {
    /// `SOURCE_DATE_EPOCH`, or 0 if it is not set.
    ///
    /// # Errors
    /// [`RequestError::Epoch`] if it is no number of seconds.
    pub fn from_environment() -> Result<Self, RequestError> {
        match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(text) if !text.is_empty() => {
                let seconds = text.trim().parse().ok().filter(|&seconds| seconds < YEAR_10000);
                seconds.map(Self).ok_or(RequestError::Epoch { text })
            }
            _ => Ok(Self::default()),
        }
    }
}

const YEAR_10000: u64 = 253_402_300_800;
const DAY: u64 = 86_400;

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / DAY);
        let second = self.0 % DAY;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// The date of a day since 1970. Counts from 1 March of the year 0, so that the leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::Epoch;

    #[test]
    fn dates_are_written_as_rfc_3339() {
        let written = [0, 951_782_400, 1_700_000_000, 253_402_300_799].map(|at| Epoch(at).to_string());
        assert_eq!(
            written,
            ["1970-01-01T00:00:00Z", "2000-02-29T00:00:00Z", "2023-11-14T22:13:20Z", "9999-12-31T23:59:59Z"]
        );
    }
}
