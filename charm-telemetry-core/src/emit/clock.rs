//! When an event was emitted, for less than the price of asking the system.
//!
//! Rule: the emitting thread only reads a counter; what it means is worked out by the pump, against the system's clocks.

use std::time::{Duration, Instant, SystemTime};

use crate::event::EventTime;

/// Reads a counter that runs at a constant speed.
///
/// On `x86_64` with an invariant time stamp counter that is the counter itself (about 10 ns); elsewhere it is
/// nanoseconds of the system's monotonic clock (about 25 ns).
#[derive(Clone, Copy, Debug)]
pub(crate) struct TickSource {
    epoch: Instant,
    counter: bool,
}

impl TickSource {
    pub(crate) fn new() -> Self {
        Self { epoch: Instant::now(), counter: counter::is_reliable() }
    }

    /// The counter now.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        if self.counter { counter::read() } else { self.nanoseconds() }
    }

    #[cold]
    #[inline(never)]
    #[expect(clippy::cast_possible_truncation, reason = "584 years of nanoseconds fit")]
    fn nanoseconds(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }
}

/// Turns ticks into times. No calibration phase: the two ends of the time that has passed since the start give the
/// counter's speed, ever more exactly.
#[derive(Debug)]
pub(crate) struct Clock {
    source: TickSource,
    start: Instant,
    start_ticks: u64,
    now: Reading,
}

/// The three clocks, read together.
#[derive(Clone, Copy, Debug)]
struct Reading {
    ticks: u64,
    monotonic: Duration,
    wall: SystemTime,
}

impl Clock {
    pub(crate) fn new(source: TickSource) -> Self {
        let start = Instant::now();
        let ticks = source.now();
        let now = Reading { ticks, monotonic: Duration::ZERO, wall: SystemTime::now() };
        Self { source, start, start_ticks: ticks, now }
    }

    /// Reads the system's clocks: once for many events, after they were taken from the rings.
    pub(crate) fn refresh(&mut self) {
        let monotonic = self.start.elapsed();
        self.now = Reading { ticks: self.source.now(), monotonic, wall: SystemTime::now() };
    }

    /// When the counter stood at `ticks`.
    pub(crate) fn time_of(&self, ticks: u64) -> EventTime {
        let ago = self.duration_of(self.now.ticks.saturating_sub(ticks));
        EventTime {
            monotonic: self.now.monotonic.saturating_sub(ago),
            wall: self.now.wall.checked_sub(ago).unwrap_or(self.now.wall),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a share of the time since the start")]
    fn duration_of(&self, ticks: u64) -> Duration {
        let passed = self.now.ticks.saturating_sub(self.start_ticks).max(1);
        let nanoseconds = self.now.monotonic.as_nanos() * u128::from(ticks) / u128::from(passed);
        Duration::from_nanos(nanoseconds as u64)
    }
}

#[cfg(target_arch = "x86_64")]
mod counter {
    //! The processor's time stamp counter.

    use std::arch::x86_64::{__cpuid, _rdtsc};

    /// Whether the counter runs at one speed in all power states (CPUID `8000_0007h`, EDX bit 8).
    #[expect(unused_unsafe, reason = "`__cpuid` is safe in newer toolchains")]
    #[expect(unsafe_code, reason = "the instruction that tells is an intrinsic")]
    pub(super) fn is_reliable() -> bool {
        const HIGHEST: u32 = 0x8000_0000;
        const POWER: u32 = 0x8000_0007;
        // SAFETY: every x86_64 processor has CPUID.
        unsafe { __cpuid(HIGHEST).eax >= POWER && __cpuid(POWER).edx & (1 << 8) != 0 }
    }

    #[inline]
    #[expect(unsafe_code, reason = "the counter is read by an intrinsic")]
    pub(super) fn read() -> u64 {
        // SAFETY: every x86_64 processor has RDTSC, and Linux and macOS leave it enabled for programs.
        unsafe { _rdtsc() }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod counter {
    //! No counter is known here: the system's clock is asked instead.

    pub(super) fn is_reliable() -> bool {
        false
    }

    pub(super) fn read() -> u64 {
        unreachable!("only read where it is reliable")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_the_time_at_which_they_were_read() {
        let source = TickSource::new();
        let mut clock = Clock::new(source);
        let before = SystemTime::now();
        let ticks = source.now();
        let after = SystemTime::now();
        std::thread::sleep(Duration::from_millis(20));
        clock.refresh();
        let wall = clock.time_of(ticks).wall;
        let slack = Duration::from_millis(2);
        assert!(wall >= before - slack && wall <= after + slack, "{before:?} <= {wall:?} <= {after:?}");
    }

    #[test]
    fn later_ticks_are_later_times() {
        let source = TickSource::new();
        let mut clock = Clock::new(source);
        let ticks: Vec<u64> = (0..1000).map(|_| source.now()).collect();
        clock.refresh();
        let times: Vec<Duration> = ticks.iter().map(|&ticks| clock.time_of(ticks).monotonic).collect();
        assert!(times.is_sorted());
    }

    #[test]
    fn ticks_from_after_the_last_reading_are_now() {
        let clock = Clock::new(TickSource::new());
        assert_eq!(clock.time_of(u64::MAX).monotonic, Duration::ZERO);
    }
}
