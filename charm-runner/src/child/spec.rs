//! What to run, and how to treat it.
//! The one rule: every default is the one for an agent in a container.

use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

use super::lines::LineLimits;

/// How long an agent has between being asked to end and SIGKILL, where the caller does not say.
///
/// Half of what container runtimes commonly leave (10 s), so that exporters still get to send what the agent said last.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(5);

/// What the agent reads from its stdin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stdin {
    /// Nothing: `/dev/null`. Agents take their input from arguments and the environment.
    #[default]
    Null,
    /// Ours, if it is a file or a pipe. Of a terminal it gets nothing: it is not in the terminal's foreground group,
    /// so its first read would stop it for good.
    Inherit,
}

/// What becomes of processes that lose their parent while the agent runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Orphans {
    /// They are left to init, and those in the agent's own group are killed when it ends. For a caller that has other
    /// children: none of them is touched. As process 1, where orphans come unasked, this works like `Adopt`.
    #[default]
    Leave,
    /// They become ours (Linux): reaped as they end, killed when the agent has ended, even those that left its group.
    /// For a process that has no other children: every process below it is taken for the agent's.
    Adopt,
}

/// One agent process to run.
///
/// The command comes with its program, arguments, environment and working directory; its stdin, stdout, stderr and
/// process group are set here, whatever it says of them.
#[derive(Debug)]
pub struct ChildSpec {
    pub(super) command: Command,
    pub(super) stdin: Stdin,
    pub(super) bridge: Option<OsString>,
    pub(super) timeout: Option<Duration>,
    pub(super) grace: Duration,
    pub(super) limits: LineLimits,
    pub(super) orphans: Orphans,
}

impl ChildSpec {
    /// Runs `command` without time limit, with empty stdin and no bridge pipe.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            stdin: Stdin::default(),
            bridge: None,
            timeout: None,
            grace: DEFAULT_GRACE,
            limits: LineLimits::default(),
            orphans: Orphans::default(),
        }
    }

    /// What it reads from its stdin.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdin) -> Self {
        self.stdin = stdin;
        self
    }

    /// Opens a third pipe from the agent to us, and tells it the number of the descriptor to write to in the
    /// environment variable `env_name`.
    #[must_use]
    pub fn bridge_pipe(mut self, env_name: impl Into<OsString>) -> Self {
        self.bridge = Some(env_name.into());
        self
    }

    /// How long it may run before it is asked to end.
    #[must_use]
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long it has, once asked to end, before it is killed.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long its lines may be.
    #[must_use]
    pub fn limits(mut self, limits: LineLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What becomes of the processes that it leaves behind.
    #[must_use]
    pub fn orphans(mut self, orphans: Orphans) -> Self {
        self.orphans = orphans;
        self
    }
}
