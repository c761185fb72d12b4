//! How long to wait before the next try.
//!
//! Rule: never no wait at all after a failure, and never so long that a receiver that is back stays without data.

use std::time::Duration;

use super::config::DeliveryConfig;

/// Exponential back-off with full jitter.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    random: Random,
}

impl Backoff {
    pub(super) fn new(random: Random) -> Self {
        Self { failures: 0, random }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// The pause after one more failure: the jittered back-off or what the receiver asked for, whichever is longer.
    pub(super) fn fail(&mut self, config: &DeliveryConfig, wish: Option<Duration>) -> Duration {
        let doubled = config.first_backoff.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let backoff = self.jitter(config.first_backoff / 10, doubled.min(config.max_backoff));
        match wish.map(|wish| wish.min(config.max_retry_after)) {
            // Who was told a short time is spread at least as if nothing had been said.
            Some(wish) if wish >= backoff => self.spread(wish).max(wish + backoff),
            _ => backoff,
        }
    }

    /// The pause when only a person can help: doubles as well, without regard to the receiver.
    pub(super) fn pause(&mut self, config: &DeliveryConfig) -> Duration {
        let doubled = config.pause.saturating_mul(1 << self.failures.min(16)).min(config.max_retry_after);
        self.failures = self.failures.saturating_add(1);
        self.spread(doubled)
    }

    /// Up to a tenth more, so that those who were told the same time do not all come at that time.
    fn spread(&mut self, wait: Duration) -> Duration {
        self.jitter(wait, wait + wait / 10)
    }

    fn jitter(&mut self, least: Duration, most: Duration) -> Duration {
        least + most.saturating_sub(least).mul_f64(self.random.fraction())
    }
}

/// Random numbers that nothing secret depends on (`SplitMix64`), so that a test can fix them.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    #[cfg(test)]
    #[cfg(feature = "testing")]
    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Another sequence in every process.
    pub(super) fn new() -> Self {
        let (high, low) = uuid::Uuid::now_v7().as_u64_pair();
        Self(high ^ low)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
