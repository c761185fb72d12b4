//! The signals that are sent to us.
//! The one rule: from the moment this is installed no signal is lost, and the handler itself only writes a byte.

use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// A signal that asks us to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM: the container stops.
    Term,
    /// SIGINT: Ctrl-C.
    Int,
    /// SIGHUP: the terminal is gone.
    Hup,
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
            Self::Pipe => SIGPIPE,
        }
    }

    /// What the agent is sent.
    pub(super) fn to_signal(self) -> Signal {
        match self {
            // Python and Node ignore SIGPIPE.
            Self::Term | Self::Pipe => Signal::TERM,
            Self::Int => Signal::INT,
            Self::Hup => Signal::HUP,
        }
    }
}

/// Catches SIGTERM, SIGINT and SIGHUP, and learns of children that end.
///
/// Install it first thing in `main` and keep it to the end: [`supervise`](super::supervise()) takes the signals while
/// the agent runs, [`Signals::asked_to_stop`] tells of later ones. Once dropped, these signals do nothing at all.
/// SIGINT and SIGHUP stay ignored if they were when we started (`nohup`, background jobs of a shell).
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
        let caught = [SIGTERM, SIGINT, SIGHUP, SIGCHLD]
            .into_iter()
            .filter(|signal| !(matches!(*signal, SIGINT | SIGHUP) && ignored >> (signal - 1) & 1 == 1));
        Ok(Self { delivery: SignalDelivery::with_pipe(read, write, SignalOnly, caught)?, stopper })
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
        for signal in self.delivery.pending() {
            match signal {
                SIGTERM => arrived.stop = Some(StopSignal::Term),
                SIGINT => arrived.stop = arrived.stop.or(Some(StopSignal::Int)),
                SIGHUP => arrived.stop = arrived.stop.or(Some(StopSignal::Hup)),
                _ => arrived.child = true,
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

/// What came since the last look. Several that ask us to end count as one: SIGTERM before the others.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrived {
    pub(super) stop: Option<StopSignal>,
    pub(super) child: bool,
}

/// The set of ignored signals, bit n - 1 for signal n; empty where the system does not tell.
fn ignored_at_start() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
