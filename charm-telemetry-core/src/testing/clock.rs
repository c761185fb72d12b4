//! Time that only passes when a test says so.
//!
//! Rule: both clocks of an event move together.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::event::EventTime;

/// A clock that stands still until it is told to advance. Clones show the same time.
///
/// ```
/// use std::time::Duration;
/// use charm_telemetry_core::testing::ManualClock;
///
/// let clock = ManualClock::new();
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(clock.now().monotonic, Duration::from_secs(2));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    passed: Rc<Cell<Duration>>,
}

impl ManualClock {
    /// The calendar time at which every manual clock starts: 2025-01-01T00:00:00Z.
    pub const START: Duration = Duration::from_hours(482_136);

    /// A clock at its start.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.passed.set(self.passed.get() + by);
    }

    /// The time.
    pub fn now(&self) -> EventTime {
        let passed = self.passed.get();
        EventTime { wall: SystemTime::UNIX_EPOCH + Self::START + passed, monotonic: passed }
    }
}
