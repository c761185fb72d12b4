//! The exit codes.
//!
//! Rule: each says who has to act: nobody (0), the agent's author (1), whoever typed the command (2) or wrote the
//! configuration (78), whoever runs the receivers (75), or we (70).

use std::io;
use std::process::ExitCode;

use crate::stderr::say;

/// How the program ends.
///
/// ```
/// use charm_runner::Exit;
/// use std::process::ExitCode;
///
/// assert_eq!(Exit::TimedOut.code(), 124);
/// assert_eq!(Exit::Signal(15).code(), 143);
/// assert_eq!(ExitCode::from(Exit::Success), ExitCode::SUCCESS);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: the command did its work. A run that failed has said so in an `error` event.
    Success,
    /// 1: the run failed, and `--fail-on-error` was given.
    RunFailed,
    /// 2: the command line is not right.
    Usage,
    /// 70: our own fault, or the system's.
    Internal,
    /// 75: `spool send` left something in the spool, or lost it.
    Unsent,
    /// 78: the configuration is not right.
    Configuration,
    /// 124: the run took longer than `policies.execution_timeout_seconds`.
    TimedOut,
    /// 128 + n: the agent was ended by signal n, or we were told to stop by it.
    Signal(u8),
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::RunFailed => 1,
            Self::Usage => 2,
            Self::Internal => 70,
            Self::Unsent => 75,
            Self::Configuration => 78,
            Self::TimedOut => 124,
            Self::Signal(signal) => 128 | signal,
        }
    }

    /// How a command ends whose result was written to stdout, or was not.
    pub(crate) fn of_printing(printed: io::Result<()>) -> Self {
        match printed {
            Ok(()) => Self::Success,
            // `| head` is no failure of ours.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Self::Success,
            Err(error) => {
                say(format_args!("stdout cannot be written: {error}"));
                Self::Internal
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
