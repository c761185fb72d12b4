//! Where the agent's output goes.
//! The one rule: the supervisor calls, the sink never waits for the supervisor.

use super::lines::CapturedLine;
use super::outcome::Exit;
use super::signals::StopSignal;

/// Something that happened to the agent besides output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// It runs, under this process id, which is also its group.
    Started(u32),
    /// We were sent this signal and passed it on to the group.
    Forwarded(StopSignal),
    /// Its time is up: the group was sent SIGTERM.
    TimedOut,
    /// The grace is over, or we were told a second time: the group was sent SIGKILL.
    Killed,
    /// It ended. More output may follow, from its pipes or from processes that it left behind.
    Exited(Exit),
}

/// Takes what the agent says, in the order in which it came by each pipe.
///
/// All calls come from the thread that runs [`supervise`](super::supervise()). A call that blocks stalls the agent,
/// once its pipes are full, and also the handling of signals and of the time limit: a sink with bounded room says
/// [`is_full`](Self::is_full) instead of blocking.
pub trait CaptureSink {
    /// The next bytes of stdout, split wherever the reads were, before the lines that they complete.
    fn stdout_bytes(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// One line of stdout.
    fn stdout_line(&mut self, line: CapturedLine<'_>);

    /// One line of stderr.
    fn stderr_line(&mut self, line: CapturedLine<'_>);

    /// The next bytes from the bridge pipe, split wherever the reads were.
    fn bridge_bytes(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// Everything that could be read just now was handed over: the place to wake a consumer.
    fn burst_end(&mut self) {}

    /// Whether there is no room for more of stdout and the bridge. While so, neither is read, and the agent stalls
    /// as at any full pipe; stderr, signals and timers go on. Asked between reads, so room for the lines of one read
    /// (64 KiB) must be left; asked again every few milliseconds while full.
    fn is_full(&self) -> bool {
        false
    }

    /// Whether all that stdout holds just now is wanted, before anything else is: the order between the pipes matters here.
    fn awaits_stdout(&self) -> bool {
        false
    }

    /// That is handed over, a line without its end too. Called once for as long as it is wanted.
    fn stdout_given(&mut self) {}

    /// Something else happened.
    fn notice(&mut self, notice: Notice) {
        let _ = notice;
    }
}
