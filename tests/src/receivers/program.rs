//! A program that listens while a test runs.
//!
//! Rule: it and all that it started are gone when the guard is, also when the test panics.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process_group};

/// The guard.
#[derive(Debug)]
pub struct Program(Child);

impl Program {
    /// Starts it in a process group of its own, its output going nowhere.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::null());
        Self::spawn(command)
    }

    /// Starts it; its output comes by line.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start_read(mut command: Command) -> (Self, mpsc::Receiver<String>) {
        command.stdout(Stdio::piped());
        let mut program = Self::spawn(command);
        let output = program.0.stdout.take().expect("its output is a pipe");
        let (sender, lines) = mpsc::channel();
        // Ends with the program.
        std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        (program, lines)
    }

    fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Self(command.spawn().unwrap_or_else(|error| panic!("can't start {command:?}: {error}")))
    }

    /// Says whether it still runs.
    ///
    /// # Panics
    /// It has ended.
    pub fn must_run(&mut self) {
        let ended = self.0.try_wait().expect("the child is ours");
        assert!(ended.is_none(), "the receiver has ended: {ended:?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}
