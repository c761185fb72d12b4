//! Which traces are sent, when not all are.
//!
//! Rule: the answer follows from the trace id alone, so that every exporter, process and replay gives the same one.

use std::str::FromStr;

use super::ids::TraceId;

/// The bits of a trace's hash that are looked at: as many as a floating-point number can tell apart, and some more.
const HASH_BITS: u32 = 56;

/// Keeps a share of all traces.
///
/// A hash of the trace id is compared with a threshold: at a lower rate a part of the same traces is kept, never others.
/// It is a hash because ids that are made in one millisecond differ little in their own bits.
///
/// ```
/// use charm_telemetry_core::RunId;
/// use charm_telemetry_core::trace::{Sampler, TraceId};
///
/// let none: Sampler = "0".parse()?;
/// assert!(!none.keeps(TraceId::of_run(RunId::new())));
/// # Ok::<(), &'static str>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    rate: f64,
    threshold: u64,
    keep_errors: bool,
}

impl Sampler {
    /// Keeps this share, from 0 to 1. `None` for any other number.
    pub fn new(rate: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&rate) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a number from 0 to 2^56, which both types can hold"
        )]
        let threshold = ((1.0 - rate) * (1_u64 << HASH_BITS) as f64).round() as u64;
        Some(Self { rate, threshold, keep_errors: false })
    }

    /// Keeps, besides the share, every run in which something fails.
    #[must_use]
    pub fn keep_errors(mut self, keep: bool) -> Self {
        self.keep_errors = keep;
        self
    }

    /// The share, for vendors that scale counts by it.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Whether runs in which something fails are kept besides.
    pub fn keeps_errors(&self) -> bool {
        self.keep_errors
    }

    /// Whether the trace belongs to the share.
    pub fn keeps(&self, trace: TraceId) -> bool {
        trace.hash() >> (u64::BITS - HASH_BITS) >= self.threshold
    }
}

/// Keeps everything.
impl Default for Sampler {
    fn default() -> Self {
        Self { rate: 1.0, threshold: 0, keep_errors: false }
    }
}

impl FromStr for Sampler {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        text.parse().ok().and_then(Self::new).ok_or("it must be a number from 0 to 1, for example `0.1`")
    }
}
