//! The loop: waits for whatever happens next, and does what is due.
//! The one rule: it waits in one place, and never longer than to the next deadline.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;

use super::leader::Leader;
use super::orphans::Orphans;
use super::outcome::ChildOutcome;
use super::pipes::Pipes;
use super::plan::{Action, Plan};
use super::signals::Signals;
use super::sink::{CaptureSink, Notice};
use super::spawn::{SpawnError, spawn};
use super::spec::ChildSpec;

/// How soon a full sink is asked again.
const FULL_SINK: Duration = Duration::from_millis(5);

/// How often to look for the end of the agent where nothing but a signal tells of it, which a parent may have blocked.
const NO_EXIT_FD: Duration = Duration::from_secs(1);

/// Why supervision failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuperviseError {
    /// The agent could not be started: see the message.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The system would not let us wait for it; the agent was killed.
    #[error("cannot wait for the agent: {0}")]
    Wait(#[source] io::Error),
}

/// Runs the agent to its end and hands all it says to `sink`.
///
/// Returns when its process has ended and its pipes are closed, or 2 s after it has ended if something that it left
/// behind holds them; what it left behind is killed. The end is the end of the process: an agent that closes its
/// stdout and goes on is waited for. Output that waits for a full sink is waited for without bound, until a signal
/// asks us to end.
///
/// Signals that ask us to end are passed on to its group; after the grace, or on a second signal, the group is
/// killed. SIGUSR1 and SIGUSR2 are passed on and mean nothing to us. A signal that came after [`Signals::install`] and before this call counts.
///
/// The calling thread must not be one that ends before the process: on Linux the agent is killed with the thread that
/// started it. Killed with us is the agent's own process alone; what it started itself is not.
///
/// # Errors
///
/// When the agent cannot be started, or the system cannot poll.
pub fn supervise(
    spec: ChildSpec,
    signals: &mut Signals,
    sink: &mut dyn CaptureSink,
) -> Result<ChildOutcome, SuperviseError> {
    let (limits, timeout, grace) = (spec.limits, spec.timeout, spec.grace);
    let orphans = Orphans::new(spec.orphans);
    let started = Instant::now();
    let spawned = spawn(spec)?;
    let leader = Leader::new(&spawned.child);
    let pipes = Pipes::new(spawned.stdout, spawned.stderr, spawned.bridge, limits);
    let plan = Plan::new(started, timeout, grace);
    sink.notice(Notice::Started(spawned.child.id()));
    let run = Run { leader, pipes, plan, orphans, signals, sink, started, ended: None };
    run.run_out().map_err(SuperviseError::Wait)
}

/// One agent on its way. Dropped on the way (a panic in the sink), it takes the agent with it.
struct Run<'a> {
    leader: Leader,
    pipes: Pipes,
    plan: Plan,
    orphans: Orphans,
    signals: &'a mut Signals,
    sink: &'a mut dyn CaptureSink,
    started: Instant,
    ended: Option<Instant>,
}

impl Run<'_> {
    fn run_out(mut self) -> io::Result<ChildOutcome> {
        self.until_quiet()?;
        self.orphans.sweep(&mut self.leader);
        if !self.pipes.all_closed() {
            // What the processes that were just killed had written is still in the pipes.
            self.plan.on_swept(Instant::now());
            self.until_quiet()?;
        }
        self.pipes.finish(self.sink);
        self.sink.burst_end();
        Ok(self.outcome())
    }

    /// Until the agent has ended, and its pipes are closed or it is time to give up on them.
    fn until_quiet(&mut self) -> io::Result<()> {
        loop {
            let now = Instant::now();
            self.note_the_end(now);
            if self.sink.awaits_stdout() && !self.sink.is_full() {
                self.pipes.empty_stdout(self.sink);
                self.sink.stdout_given();
            }
            if self.ended.is_some() && self.pipes.all_closed() {
                return Ok(());
            }
            let full = self.sink.is_full();
            match self.plan.due(now, full) {
                Some(Action::GiveUp) => return Ok(()),
                Some(action) => self.act(action),
                None => {
                    let ready = self.wait(now, full)?;
                    self.serve(ready);
                }
            }
        }
    }

    fn note_the_end(&mut self, now: Instant) {
        if self.ended.is_none()
            && let Some(exit) = self.leader.exit()
        {
            self.ended = Some(now);
            self.plan.on_exit(now);
            self.sink.notice(Notice::Exited(exit));
        }
    }

    fn wait(&self, now: Instant, full: bool) -> io::Result<Ready> {
        let bridge = self.pipes.bridge.as_ref().filter(|_| !full);
        let stdout = self.pipes.stdout.as_ref().filter(|_| !full);
        let sources = [
            (Source::Bridge, bridge.map(AsFd::as_fd)),
            (Source::Stdout, stdout.map(AsFd::as_fd)),
            (Source::Stderr, self.pipes.stderr.as_ref().map(AsFd::as_fd)),
            (Source::Signals, Some(self.signals.as_fd())),
            (Source::Exit, self.leader.ended_fd()),
        ];
        let open = || sources.iter().filter_map(|(source, fd)| Some((*source, (*fd)?)));
        let mut fds: Vec<_> = open().map(|(_, fd)| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match poll(&mut fds, self.time_left(now, full).as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(error.into()),
        }
        let spoke = open().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(spoke.fold(Ready::default(), |ready, ((source, _), _)| ready.with(source)))
    }

    fn time_left(&self, now: Instant, full: bool) -> Option<Timespec> {
        let blind = self.ended.is_none() && self.leader.ended_fd().is_none();
        let deadline = self.plan.next().map(|at| at.saturating_duration_since(now));
        let left = [deadline, full.then_some(FULL_SINK), blind.then_some(NO_EXIT_FD)];
        let left = left.into_iter().flatten().min()?;
        // Longer than the system can wait is as good as for ever.
        Timespec::try_from(left).ok()
    }

    fn serve(&mut self, ready: Ready) {
        if ready.has(Source::Bridge) {
            self.pipes.read_bridge(self.sink);
        }
        if ready.has(Source::Stdout) {
            self.pipes.read_stdout(self.sink);
        }
        if ready.has(Source::Stderr) {
            self.pipes.read_stderr(self.sink);
        }
        if ready.has(Source::Bridge) || ready.has(Source::Stdout) || ready.has(Source::Stderr) {
            self.sink.burst_end();
        }
        if ready.has(Source::Signals) {
            self.take_signals();
        }
        if ready.has(Source::Exit) || self.leader.ended_fd().is_none() {
            self.leader.look();
        }
    }

    fn take_signals(&mut self) {
        let arrived = self.signals.take();
        if arrived.child {
            self.orphans.reap(&mut self.leader);
        }
        for signal in arrived.passed {
            self.leader.signal_group(signal);
        }
        if let Some(signal) = arrived.stop {
            let action = self.plan.on_signal(signal, Instant::now());
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        let (signal, notice) = match action {
            Action::Forward(signal) => (signal.to_signal(), Notice::Forwarded(signal)),
            Action::TimeOut => (Signal::TERM, Notice::TimedOut),
            Action::Kill => (Signal::KILL, Notice::Killed),
            Action::GiveUp => return,
        };
        self.leader.signal_group(signal);
        self.sink.notice(notice);
    }

    fn outcome(&self) -> ChildOutcome {
        let (stdout, stderr) = self.pipes.counts();
        ChildOutcome {
            exit: self.leader.exit().expect("the loop ends after the agent"),
            timed_out: self.plan.timed_out,
            stopped_by: self.plan.stopped_by,
            killed: self.plan.killed,
            orphans_killed: self.orphans.killed,
            orphans_reaped: self.orphans.reaped,
            duration: self.ended.unwrap_or(self.started).duration_since(self.started),
            stdout,
            stderr,
            bridge_bytes: self.pipes.bridge_bytes,
            gave_up_listening: !self.pipes.all_closed(),
        }
    }
}

/// What a wait can end for.
#[derive(Debug, Clone, Copy)]
enum Source {
    Bridge,
    Stdout,
    Stderr,
    Signals,
    Exit,
}

/// The set of sources that have something.
#[derive(Debug, Clone, Copy, Default)]
struct Ready(u8);

impl Ready {
    fn with(self, source: Source) -> Self {
        Self(self.0 | 1 << source as u8)
    }

    fn has(self, source: Source) -> bool {
        self.0 & 1 << source as u8 != 0
    }
}
