//! The real disk, for a process that kills itself at a step of its choice.
//!
//! Rule: the death is that of `kill -9`: no destructor runs, and nothing is flushed.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};

use super::simulated_disk::Step;
use crate::spool::{FileSystem, Guard, RealFileSystem};

/// When to die.
#[derive(Clone, Copy, Debug)]
pub(super) struct Death {
    step: Step,
    /// At which step of that kind, from 1.
    nth: u64,
    /// When it is done, or before it is begun; a write is half done then.
    after: bool,
}

/// The disk.
pub(super) struct DyingDisk {
    death: Death,
    steps: AtomicU64,
}

impl Death {
    /// The steps that change the disk, by the names that the environment has for them.
    pub(super) const STEPS: [(&str, Step); 6] = [
        ("create_dir", Step::CreateDir),
        ("write", Step::Write),
        ("sync", Step::Sync),
        ("rename", Step::Rename),
        ("sync_dir", Step::SyncDir),
        ("remove", Step::Remove),
    ];

    /// `rename 2 after`
    pub(super) fn read(text: &str) -> Self {
        let words: Vec<_> = text.split(' ').collect();
        let (_, step) = Self::STEPS.into_iter().find(|(name, _)| *name == words[0]).unwrap();
        Self { step, nth: words[1].parse().unwrap(), after: words[2] == "after" }
    }
}

impl DyingDisk {
    pub(super) fn new(death: Death) -> Self {
        Self { death, steps: AtomicU64::new(0) }
    }

    /// Does it, and dies before or after if this is the step.
    fn step<T>(&self, step: Step, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let is_last =
            step == self.death.step && self.steps.fetch_add(1, Ordering::SeqCst) + 1 == self.death.nth;
        if is_last && !self.death.after {
            die();
        }
        let done = act();
        if is_last {
            die();
        }
        done
    }
}

fn die() -> ! {
    kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
    loop {
        std::thread::park();
    }
}

impl FileSystem for DyingDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.step(Step::CreateDir, || RealFileSystem.create_dir(path))
    }

    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let (half, rest) = bytes.split_at(bytes.len() / 2);
        file.write_all(half)?;
        self.step(Step::Write, || file.write_all(rest))?;
        self.step(Step::Sync, || file.sync_all())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Step::Rename, || RealFileSystem.rename(from, to))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step(Step::SyncDir, || RealFileSystem.sync_dir(path))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(Step::Remove, || RealFileSystem.remove(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        RealFileSystem.remove_dir(path)
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        RealFileSystem.read(path, most)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, u64)>> {
        RealFileSystem.list(path)
    }

    fn lock(&self, path: &Path, note: &str) -> io::Result<Option<Guard>> {
        RealFileSystem.lock(path, note)
    }

    fn is_locked_by(&self, guard: &Guard, path: &Path) -> bool {
        RealFileSystem.is_locked_by(guard, path)
    }
}
