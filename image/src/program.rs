//! Programs that work for us: cargo, the runner that was built, an engine, a credential helper.
//!
//! Rule: while one runs it is listed, so that it ends when a signal ends us.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, kill_process, kill_process_group, test_kill_process, test_kill_process_group,
};

use crate::interrupt;

/// Who is ended with a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The program alone: it may want to ask something on our terminal.
    Alone,
    /// All that it started as well: it is the first of a group of its own.
    Group,
}

impl Reach {
    pub(crate) fn send(self, pid: Pid, signal: Signal) {
        // Who is gone needs no signal.
        let _ = match self {
            Self::Alone => kill_process(pid, signal),
            Self::Group => kill_process_group(pid, signal),
        };
    }

    pub(crate) fn is_gone(self, pid: Pid) -> bool {
        let found = match self {
            Self::Alone => test_kill_process(pid),
            Self::Group => test_kill_process_group(pid),
        };
        found == Err(Errno::SRCH)
    }
}

/// A program that works for us.
#[derive(Debug)]
pub(crate) struct Program {
    child: Option<Child>,
    pid: Pid,
}

impl Program {
    pub(crate) fn start(command: &mut Command, reach: Reach) -> io::Result<Self> {
        if reach == Reach::Group {
            command.process_group(0);
        }
        let mut list = interrupt::hold();
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        list.add_program(pid, reach);
        Ok(Self { child: Some(child), pid })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("only who consumes it takes it")
    }

    pub(crate) fn wait(mut self) -> io::Result<ExitStatus> {
        self.child().wait()
    }

    /// Reads what it says, to its end.
    pub(crate) fn output(mut self) -> io::Result<Output> {
        self.child.take().expect("only who consumes it takes it").wait_with_output()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        interrupt::hold().remove_program(self.pid);
    }
}

/// Runs a program that reads nothing, to its end.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Program::start(command, Reach::Alone)?.output()
}
