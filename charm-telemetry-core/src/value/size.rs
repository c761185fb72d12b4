//! Sizes as people write them: `64KiB`, `10MB`, `512`.
//!
//! Rule: whole numbers only, computed exactly; a size that does not fit is refused, not capped.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Decimal and binary units, largest first, so that [`ByteSize`] is shown in the largest that divides it.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// A number of bytes.
///
/// Read from `512` or `512B`, from decimal units (`10kB`, `10MB`, `1GB`, `1TB`) and from binary ones (`64KiB`, `4MiB`,
/// `1GiB`, `1TiB`). The case of the letters does not matter, nor a space before the unit.
///
/// ```
/// use charm_telemetry_core::ByteSize;
///
/// let size: ByteSize = "64KiB".parse().unwrap();
/// assert_eq!(size.bytes(), 65_536);
/// assert_eq!(size.to_string(), "64KiB");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// A text that is not a size. Write a whole number and a unit, for example `64KiB`.
///
/// ```
/// use charm_telemetry_core::{ByteSize, ByteSizeError};
///
/// assert_eq!("1.5MB".parse::<ByteSize>(), Err(ByteSizeError::NotASize));
/// assert_eq!("10 potatoes".parse::<ByteSize>(), Err(ByteSizeError::UnknownUnit("potatoes".into())));
/// assert_eq!("16777216TiB".parse::<ByteSize>(), Err(ByteSizeError::TooLarge));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ByteSizeError {
    /// Not a whole number followed by a unit.
    #[error("not a size; write a whole number and a unit, for example `512`, `64KiB` or `10MB`")]
    NotASize,
    /// A number, followed by something that is not a unit.
    #[error("unknown unit `{0}`; use `B`, `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB` or `TiB`")]
    UnknownUnit(String),
    /// More than 64 bits can count.
    #[error("the size is too large: at most {} bytes", u64::MAX)]
    TooLarge,
}

impl ByteSize {
    /// That many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        if number.is_empty() || unit.starts_with(['.', ',']) {
            return Err(ByteSizeError::NotASize);
        }
        let number: u64 = number.parse().map_err(|_| ByteSizeError::TooLarge)?;
        let factor = factor(unit.trim_start())?;
        number.checked_mul(factor).map(Self).ok_or(ByteSizeError::TooLarge)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let divides = |factor: u64| self.0 != 0 && self.0.is_multiple_of(factor);
        let (unit, factor) = UNITS.into_iter().find(|(_, factor)| divides(*factor)).unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

fn factor(unit: &str) -> Result<u64, ByteSizeError> {
    if unit.is_empty() {
        return Ok(1);
    }
    let known = UNITS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    known.map(|(_, factor)| factor).ok_or_else(|| ByteSizeError::UnknownUnit(unit.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<u64, ByteSizeError> {
        text.parse().map(ByteSize::bytes)
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse("512"), Ok(512));
        assert_eq!(parse("512B"), Ok(512));
        assert_eq!(parse("64KiB"), Ok(65_536));
        assert_eq!(parse(" 10 MB "), Ok(10_000_000));
        assert_eq!(parse("1gib"), Ok(1 << 30));
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn a_size_that_does_not_fit_is_refused_and_not_capped() {
        assert_eq!(parse("18446744073709551616"), Err(ByteSizeError::TooLarge));
        assert_eq!(parse("16777216TiB"), Err(ByteSizeError::TooLarge));
        assert_eq!(parse("16777215TiB"), Ok(16_777_215 << 40));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "MB", "-1", "1.5MB", "1,5MB", "+1"] {
            assert_eq!(parse(text), Err(ByteSizeError::NotASize), "{text}");
        }
        assert_eq!(parse("10 potatoes"), Err(ByteSizeError::UnknownUnit("potatoes".to_owned())));
        assert_eq!(parse("10M"), Err(ByteSizeError::UnknownUnit("M".to_owned())));
        assert_eq!(parse("10 0"), Err(ByteSizeError::UnknownUnit("0".to_owned())));
    }

    #[test]
    fn a_size_is_shown_exactly_and_reads_back() {
        for (bytes, shown) in [(0, "0B"), (1, "1B"), (1000, "1kB"), (1024, "1KiB"), (1_048_577, "1048577B")] {
            assert_eq!(ByteSize::new(bytes).to_string(), shown);
            assert_eq!(parse(shown), Ok(bytes));
        }
    }
}
