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
        let mut index = index(value, self.scale);
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
        let before = self.offset.abs_diff(first) as usize;
        if length > 0 && before > 0 {
            self.counts.splice(..0, std::iter::repeat_n(0, before));
        }
        self.offset = first;
        self.counts.resize(needed.unsigned_abs() as usize, 0);
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

/// The bucket of a value at a scale. At most 2^31: no logarithm of a number is above 1075.
#[expect(clippy::cast_possible_truncation, reason = "1075 * 2^20 fits")]
fn index(value: f64, scale: i32) -> i32 {
    (value.log2() * f64::from(scale).exp2()).ceil() as i32 - 1
}
