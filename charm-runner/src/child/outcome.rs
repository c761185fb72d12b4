//! What became of the agent process.
//! The one rule: exactly what the kernel said, before anybody interprets it.

use std::time::Duration;

use super::lines::LineCounts;
use super::signals::StopSignal;

/// How the agent's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It ended, and another part of this process took its status before us.
    Unknown,
}

/// What became of one supervised agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildOutcome {
    /// How the process ended.
    pub exit: Exit,
    /// Whether it ran into its time limit; true even if it then ended in good order.
    pub timed_out: bool,
    /// The first signal that we were sent and passed on.
    pub stopped_by: Option<StopSignal>,
    /// Whether we sent SIGKILL to its group before it ended.
    pub killed: bool,
    /// How many processes it left behind that we killed. Where the system cannot list processes, 1 stands for some.
    pub orphans_killed: u64,
    /// How many ended processes we reaped that it had left behind.
    pub orphans_reaped: u64,
    /// From start to exit.
    pub duration: Duration,
    /// The lines of its stdout.
    pub stdout: LineCounts,
    /// The lines of its stderr.
    pub stderr: LineCounts,
    /// How much came by the bridge pipe.
    pub bridge_bytes: u64,
    /// Whether we stopped listening while a pipe was still open: something that could not be killed held it, or the
    /// sink stayed full after we were told to stop.
    pub gave_up_listening: bool,
}

impl ChildOutcome {
    /// The exit code by the shell's conventions: 124 for a time-out, 128 + n for signal n, else the agent's own;
    /// 70 if the status is not known.
    pub fn exit_code(&self) -> u8 {
        match self.exit {
            _ if self.timed_out => 124,
            // The kernel keeps eight bits of a code, and signals end at 64.
            Exit::Code(code) => code.to_le_bytes()[0],
            Exit::Signal(signal) => 128 | (signal.to_le_bytes()[0] & 0x7F),
            Exit::Unknown => 70,
        }
    }
}
