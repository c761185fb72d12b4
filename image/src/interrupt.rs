//! What must not outlive us when a signal ends us: files that are not whole, and programs that work for us.
//!
//! Rule: whoever makes one, names it or takes it away holds the list meanwhile, and who ends us never lets go of it.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, kill_process, kill_process_group, test_kill_process, test_kill_process_group,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What exists only while we do.
#[derive(Debug)]
pub(crate) struct List {
    partial: BTreeSet<PathBuf>,
    programs: Vec<(Pid, Reach)>,
}

/// Who is ended with a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The program alone: it may want to ask something on our terminal.
    Alone,
    /// All that it started as well: it is the first of a group of its own.
    Group,
}

static LIST: Mutex<List> = Mutex::new(List { partial: BTreeSet::new(), programs: Vec::new() });

/// The list, until the guard is dropped. Once a signal is being answered, for ever.
pub(crate) fn hold() -> MutexGuard<'static, List> {
    LIST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on SIGINT, SIGTERM and SIGHUP end us properly. This is for a program: a library's signals are not ours.
///
/// # Errors
/// When the process is out of descriptors or threads.
pub(crate) fn watch() -> io::Result<()> {
    let ignored = ignored_at_start();
    // What `nohup` and shells in the background have us ignore stays ignored.
    let counts = |signal: &i32| *signal == SIGTERM || ignored >> (signal - 1) & 1 == 0;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP].into_iter().filter(counts))?;
    let wait = move || signals.forever().next().map_or((), |signal| end(signal));
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop)
}

/// A bit for each signal, from SIGHUP on.
fn ignored_at_start() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

fn end(signal: i32) -> ! {
    let list = hold();
    list.end_programs();
    list.remove_partial();
    let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
    // A terminal that has gone needs no words.
    let _ = writeln!(io::stderr(), "\nerror: stopped by {name}; nothing half-written was left");
    std::process::exit(128 + signal)
}

/// How long a program may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(5);

impl List {
    pub(crate) fn add(&mut self, path: &Path) {
        self.partial.insert(path.to_owned());
    }

    pub(crate) fn remove(&mut self, path: &Path) {
        self.partial.remove(path);
    }

    fn end_programs(&self) {
        self.send(Signal::TERM);
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if self.programs.iter().all(|(pid, reach)| reach.is_gone(*pid)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.send(Signal::KILL);
    }

    fn send(&self, signal: Signal) {
        for &(pid, reach) in &self.programs {
            // Who is gone needs no signal.
            let _ = match reach {
                Reach::Alone => kill_process(pid, signal),
                Reach::Group => kill_process_group(pid, signal),
            };
        }
    }

    fn remove_partial(&self) {
        for path in &self.partial {
            let started = Instant::now();
            // Whoever writes into a folder may add to it while it is being emptied.
            while remove(path).is_err() && started.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
    }
}

impl Reach {
    fn is_gone(self, pid: Pid) -> bool {
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
        let mut list = hold();
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        list.programs.push((pid, reach));
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
        hold().programs.retain(|(pid, _)| *pid != self.pid);
    }
}

/// Runs a program that reads nothing, to its end.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Program::start(command, Reach::Alone)?.output()
}
