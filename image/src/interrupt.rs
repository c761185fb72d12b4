//! What must not outlive us when a signal ends us: files that are not whole, and programs that work for us.
//!
//! Rule: whoever makes one, names it or takes it away holds the list meanwhile, and who ends us never lets go of it.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::program::Reach;

/// What exists only while we do.
#[derive(Debug)]
pub(crate) struct List {
    partial: BTreeSet<PathBuf>,
    programs: Vec<(Pid, Reach)>,
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

    pub(crate) fn add_program(&mut self, pid: Pid, reach: Reach) {
        self.programs.push((pid, reach));
    }

    pub(crate) fn remove_program(&mut self, pid: Pid) {
        self.programs.retain(|(listed, _)| *listed != pid);
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
            reach.send(pid, signal);
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
