//! The agent's own process, which leads its group.
//! The one rule: it stays unreaped, and so keeps its group's number, until nobody signals that group any more.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Child;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, WaitOptions, WaitStatus};
use rustix::process::{kill_process_group, test_kill_process_group, waitid, waitpid};

use super::outcome::Exit;

/// The agent's process. Dropped before its end was seen (a panic in the sink), it is killed with its group.
#[derive(Debug)]
pub(super) struct Leader {
    pid: Pid,
    /// Readable once it has ended, where the system has such a thing.
    ended: Option<OwnedFd>,
    exit: Option<Exit>,
    is_reaped: bool,
    /// Whether the group may still have members, so that its number is surely its own.
    group_is_ours: bool,
}

impl Leader {
    pub(super) fn new(child: &Child) -> Self {
        let pid = Pid::from_child(child);
        Self { pid, ended: watch(pid), exit: None, is_reaped: false, group_is_ours: true }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// What to poll until it has ended; `None` where only SIGCHLD tells.
    pub(super) fn ended_fd(&self) -> Option<BorrowedFd<'_>> {
        if self.exit.is_some() { None } else { self.ended.as_ref().map(AsFd::as_fd) }
    }

    /// Looks whether it has ended, without reaping it.
    pub(super) fn look(&mut self) -> Option<Exit> {
        if self.exit.is_none() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            self.exit = if let Ok(status) = retry(|| waitid(WaitId::Pid(self.pid), options)) {
                status.map(|status| exit_of_id(&status))
            } else {
                // Somebody else in this process waits for any child.
                self.reaped();
                Some(Exit::Unknown)
            };
        }
        self.exit
    }

    /// Takes note that a wait for any child happened to return this one.
    pub(super) fn was_reaped(&mut self, status: WaitStatus) {
        self.exit = self.exit.or(Some(exit_of(status)));
        self.reaped();
    }

    /// Signals the whole group.
    pub(super) fn signal_group(&self, signal: Signal) {
        if self.group_is_ours {
            // Fails only when nobody is left, which is what is wanted in the end.
            let _ = kill_process_group(self.pid, signal);
        }
    }

    /// Reaps it once it has ended.
    pub(super) fn reap(&mut self) {
        if !self.is_reaped {
            let _ = retry(|| waitpid(Some(self.pid), WaitOptions::empty()));
            self.reaped();
        }
    }

    /// Whether its group has other members, after it was reaped itself.
    pub(super) fn leaves_others(&mut self) -> bool {
        self.group_is_ours = self.group_is_ours && test_kill_process_group(self.pid).is_ok();
        self.group_is_ours
    }

    /// Nobody signals the group from now on.
    pub(super) fn release(&mut self) {
        self.group_is_ours = false;
    }

    fn reaped(&mut self) {
        self.is_reaped = true;
        // From here on the number is the group's only as long as it has members.
        self.leaves_others();
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.signal_group(Signal::KILL);
            self.reap();
        }
    }
}

#[cfg(target_os = "linux")]
fn watch(pid: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn watch(_: Pid) -> Option<OwnedFd> {
    None
}

fn retry<T>(call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    rustix::io::retry_on_intr(call).map_err(io::Error::from)
}

fn exit_of_id(status: &WaitIdStatus) -> Exit {
    let code = status.exit_status().map(Exit::Code);
    code.or_else(|| status.terminating_signal().map(Exit::Signal)).unwrap_or(Exit::Unknown)
}

fn exit_of(status: WaitStatus) -> Exit {
    let code = status.exit_status().map(Exit::Code);
    code.or_else(|| status.terminating_signal().map(Exit::Signal)).unwrap_or(Exit::Unknown)
}
