//! The signals that are sent to us.
//! The one rule: from the moment this is installed no signal is lost, and the handler itself only writes a byte.
//!
//! Every signal that would end us is caught, so that none leaves the agent behind: see [`ENDING`] and [`PASSING`]. What
//! stays are SIGKILL and SIGSTOP, which nobody can catch, and the faults of our own code (SIGSEGV, SIGABRT...).

use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// The signals that ask us to end. Of several that come at once the first of these counts.
const ENDING: &[Signal] = &[
    Signal::TERM,
    Signal::INT,
    Signal::HUP,
    Signal::QUIT,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::PROF,
    Signal::XCPU,
    #[cfg(target_os = "linux")]
    Signal::IO,
    #[cfg(target_os = "linux")]
    Signal::POWER,
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    Signal::STKFLT,
];

/// The signals whose meaning is the agent's own affair: they are passed on, and the run goes on if the agent does.
const PASSING: &[Signal] = &[Signal::USR1, Signal::USR2];

/// Signals without a name, which ask us to end like those above. Some of these belong to the C library.
const REAL_TIME: std::ops::Range<i32> = if cfg!(target_os = "linux") { 34..65 } else { 0..0 };

/// A signal that asks us to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM: the container stops.
    Term,
    /// SIGINT: Ctrl-C.
    Int,
    /// SIGHUP: the terminal is gone.
    Hup,
    /// SIGQUIT: Ctrl-\.
    Quit,
    /// Any other that would end a process: a timer, the limit of CPU time, the power.
    Other(i32),
    /// Nobody reads what we write any more: we end as SIGPIPE would end us. See [`Stopper`].
    Pipe,
}

impl StopSignal {
    /// Its number.
    pub fn number(self) -> i32 {
        match self {
            Self::Term => SIGTERM,
            Self::Int => SIGINT,
            Self::Hup => SIGHUP,
            Self::Quit => SIGQUIT,
            Self::Other(number) => number,
            Self::Pipe => SIGPIPE,
        }
    }

    fn of(number: i32) -> Self {
        match number {
            SIGTERM => Self::Term,
            SIGINT => Self::Int,
            SIGHUP => Self::Hup,
            SIGQUIT => Self::Quit,
            number => Self::Other(number),
        }
    }

    /// What the agent is sent.
    pub(super) fn to_signal(self) -> Signal {
        match self {
            // Python and Node ignore SIGPIPE, and nobody says goodbye on SIGALRM and its like.
            Self::Term | Self::Pipe | Self::Other(_) => Signal::TERM,
            Self::Int => Signal::INT,
            Self::Hup => Signal::HUP,
            Self::Quit => Signal::QUIT,
        }
    }
}

/// Catches the signals that would end us, and learns of children that end.
///
/// Install it first thing in `main` and keep it to the end: [`supervise`](super::supervise()) takes the signals while
/// the agent runs, [`Signals::asked_to_stop`] tells of later ones. Once dropped, these signals do nothing at all.
/// All but SIGTERM stay ignored if they were when we started (`nohup`, background jobs of a shell).
#[derive(Debug)]
pub struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
    stopper: Stopper,
}

/// Ends a run from another thread, when the reader of our stdout has gone.
#[derive(Debug, Clone)]
pub struct Stopper {
    asked: Arc<AtomicBool>,
    wake: Arc<UnixStream>,
}

impl Stopper {
    /// From now on the run is to end, as if a signal had come.
    pub fn reader_is_gone(&self) {
        self.asked.store(true, Ordering::Release);
        // If there is no room, there is enough in it to wake whoever waits.
        let _ = (&*self.wake).write(&[0]);
    }
}

impl Signals {
    /// Starts catching.
    ///
    /// # Errors
    ///
    /// When the process is out of descriptors.
    pub fn install() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        write.set_nonblocking(true)?;
        let stopper = Stopper { asked: Arc::default(), wake: Arc::new(write.try_clone()?) };
        let ignored = ignored_at_start();
        let is_ignored = |signal: i32| signal != SIGTERM && ignored >> (signal - 1) & 1 == 1;
        let named = ENDING.iter().chain(PASSING).chain([&Signal::XFSZ]).map(|signal| signal.as_raw());
        let caught = named.chain([SIGCHLD]).filter(|signal| !is_ignored(*signal));
        let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, caught)?;
        for signal in REAL_TIME.filter(|signal| !is_ignored(*signal)) {
            // The C library keeps those that it needs.
            let _: io::Result<()> = delivery.handle().add_signal(signal);
        }
        Ok(Self { delivery, stopper })
    }

    /// The signal that asked us to end since the last call, if one did; never waits.
    ///
    /// The descriptor of [`AsFd`] is readable when there may be one.
    pub fn asked_to_stop(&mut self) -> Option<StopSignal> {
        self.take().stop
    }

    /// What another thread needs to end the run.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// All that came since the last call.
    pub(super) fn take(&mut self) -> Arrived {
        let mut arrived = Arrived::default();
        for number in self.delivery.pending() {
            let signal = Signal::from_named_raw(number);
            let passed = signal.filter(|signal| PASSING.contains(signal));
            match number {
                SIGCHLD => arrived.child = true,
                // Too long a file is told by the failure of the write.
                _ if signal == Some(Signal::XFSZ) => {}
                _ if passed.is_some() => arrived.passed.extend(passed),
                _ => arrived.stop = Some(first(arrived.stop, StopSignal::of(number))),
            }
        }
        if self.stopper.asked.swap(false, Ordering::Acquire) {
            arrived.stop = arrived.stop.or(Some(StopSignal::Pipe));
        }
        arrived
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
}

/// What came since the last look. Several that ask us to end count as one.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pub(super) stop: Option<StopSignal>,
    /// What the agent is sent besides.
    pub(super) passed: Vec<Signal>,
    pub(super) child: bool,
}

/// That which comes first in [`ENDING`].
fn first(known: Option<StopSignal>, new: StopSignal) -> StopSignal {
    let place = |stop: StopSignal| ENDING.iter().position(|signal| signal.as_raw() == stop.number());
    let rank = |stop| place(stop).unwrap_or(ENDING.len());
    known.filter(|known| rank(*known) <= rank(new)).unwrap_or(new)
}

/// The set of ignored signals, bit n - 1 for signal n; empty where the system does not tell.
fn ignored_at_start() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
