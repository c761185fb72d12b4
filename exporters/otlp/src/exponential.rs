//! Buckets that grow with the values: a base-2 exponential histogram, for values that are not below zero.
//!
//! Rule: at most 160 buckets, as fine as the values allow. When they no longer suffice, two become one.
//!
//! <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>

/// Buckets, at most; and the finest scale. Both are the defaults of the specification.
const MOST: i32 = 160;
const FINEST: i32 = 20;

/// Bucket `i` counts what is above `base^i`, up to and with `base^(i + 1)`, where base is `2^(2^-scale)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exponential {
    pub(crate) scale: i32,
    /// How often it was zero.
    pub(crate) zeros: u64,
    /// Which bucket the first count is of.
    pub(crate) offset: i32,
    pub(crate) counts: Vec<u64>,
}

impl Exponential {
    /// Nothing counted yet.
    pub(crate) fn new() -> Self {
        Self { scale: FINEST, zeros: 0, offset: 0, counts: Vec::new() }
    }

    /// Counts a value so many times.
    pub(crate) fn add(&mut self, value: f64, times: u64) {
        if value <= 0.0 {
            self.zeros += times;
            return;
        }
        let mut index = index(value) >> (FINEST - self.scale);
        while !self.reaches(index) {
            self.halve();
            index >>= 1;
        }
        let position = index.abs_diff(self.offset) as usize;
        self.counts[position] += times;
    }

    /// Makes room for a bucket, if that is not one too many.
    fn reaches(&mut self, index: i32) -> bool {
        let Ok(length) = i32::try_from(self.counts.len()) else { return false };
        let (first, end) = match length {
            0 => (index, index + 1),
            _ => (self.offset.min(index), (self.offset + length).max(index + 1)),
        };
        let needed = end.saturating_sub(first);
        if needed > MOST {
            return false;
        }
        if needed == length {
            return true;
        }
        let mut counts = vec![0; needed.unsigned_abs() as usize];
        if length > 0 {
            let before = self.offset.abs_diff(first) as usize;
            counts[before..before + self.counts.len()].copy_from_slice(&self.counts);
        }
        (self.offset, self.counts) = (first, counts);
        true
    }

    /// Half as fine: each bucket is merged with its neighbour.
    fn halve(&mut self) {
        let old = std::mem::take(&mut self.counts);
        let offset = self.offset >> 1;
        for (index, count) in (self.offset..).zip(old) {
            let position = ((index >> 1) - offset).unsigned_abs() as usize;
            self.counts.resize(position + 1, 0);
            self.counts[position] += count;
        }
        (self.scale, self.offset) = (self.scale - 1, offset);
    }
}

/// The bucket of a value at the finest scale: the whole part of its logarithm, and as many binary digits after the point as
/// the scale says, one for each time that it is squared. No function of the system's library of mathematics is needed.
fn index(value: f64) -> i32 {
    const MANTISSA_BITS: u32 = 52;
    const ONE: u64 = 1.0_f64.to_bits();
    const TWO_TO_54: f64 = 18_014_398_509_481_984.0;
    // The smallest numbers have no exponent of their own.
    let (value, less) = if value < f64::MIN_POSITIVE { (value * TWO_TO_54, 54) } else { (value, 0) };
    let exponent = (value.to_bits() >> MANTISSA_BITS) as i32 - 1023 - less;
    let mut rest = f64::from_bits(value.to_bits() & ((1 << MANTISSA_BITS) - 1) | ONE);
    // A power of two is the upper bound of its bucket; no other number is on a bound.
    let mut index = if rest.to_bits() == ONE { -1 } else { 0 };
    for digit in (0..FINEST).rev() {
        rest *= rest;
        if rest >= 2.0 {
            rest /= 2.0;
            index += 1 << digit;
        }
    }
    (exponent << FINEST) + index
}
