//! Whoever reads our stdout, at the end of a run.
//!
//! Rule: a slow reader gets everything, however long it takes him; he is given up when he has gone, or when we are told to
//! stop.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use charm_telemetry_core::Manager;
use rustix::event::Timespec;
use rustix::io::Errno;
use rustix::stdio::stdout;

use crate::child::{Signals, StopSignal};
use crate::room;

/// The first look comes so soon that a reader who keeps up costs nothing; each wait is twice the last one.
const FIRST_LOOK: Duration = Duration::from_micros(50);

/// The longest wait between two looks.
const SLOW_LOOK: Duration = Duration::from_millis(20);

/// The moment that a write waits for room before signals are looked at.
const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Waits until every event is written. Answers with the signal that ended the wait, if one did.
pub(super) fn wait_until_written(manager: &Manager, signals: &mut Signals) -> Option<StopSignal> {
    let mut wait = FIRST_LOOK;
    while !manager.is_written() {
        if let Some(stop) = signals.asked_to_stop() {
            return Some(stop);
        }
        thread::sleep(wait);
        wait = (2 * wait).min(SLOW_LOOK);
    }
    None
}

/// Why a line was not written whole.
pub(super) enum Unwritten {
    Stopped(StopSignal),
    Failed(io::Error),
    /// The deadline has passed.
    TooSlow,
}

/// Writes a line, before `deadline` if there is one.
pub(super) fn write_line(
    line: &str,
    signals: &mut Signals,
    deadline: Option<Instant>,
) -> Result<(), Unwritten> {
    let line = format!("{line}\n");
    let mut left = line.as_bytes();
    while !left.is_empty() {
        if let Some(stop) = signals.asked_to_stop() {
            return Err(Unwritten::Stopped(stop));
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(Unwritten::TooSlow);
        }
        match room::write_some(stdout(), left, &MOMENT) {
            Ok(count) => left = &left[count..],
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(Unwritten::Failed(error.into())),
        }
    }
    Ok(())
}
