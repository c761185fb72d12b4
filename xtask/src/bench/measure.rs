//! Times commands.
//!
//! Rule: the commands take turns, so that whatever else the machine does falls on all of them alike.

use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::subjects::{Name, Subject};

/// How often a command runs while its memory is watched.
const LOOKS: usize = 10;

/// What one command took.
pub(super) struct Measured {
    pub(super) name: Name,
    /// Sorted.
    times: Vec<Duration>,
    /// The most memory that the command's own process had resident.
    pub(super) peak_kb: u64,
}

impl Measured {
    pub(super) fn median(&self) -> Duration {
        self.times[self.times.len() / 2]
    }

    pub(super) fn fastest(&self) -> Duration {
        self.times[0]
    }

    pub(super) fn slowest(&self) -> Duration {
        self.times[self.times.len() - 1]
    }
}

/// Runs every command `runs` times, in turns.
pub(super) fn all(subjects: &[Subject], runs: usize) -> Result<Vec<Measured>> {
    let mut table = Vec::new();
    for subject in subjects {
        does_its_work(subject)?;
        // Not in the timed runs, because watching costs time.
        table.push(Measured { name: subject.name, times: Vec::new(), peak_kb: peak(subject)? });
    }
    for _ in 0..runs.max(1) {
        for (subject, row) in subjects.iter().zip(&mut table) {
            row.times.push(time(subject)?);
        }
    }
    for row in &mut table {
        row.times.sort();
    }
    Ok(table)
}

fn time(subject: &Subject) -> Result<Duration> {
    let started = Instant::now();
    let status = start(subject)?.wait()?;
    let time = started.elapsed();
    succeeded(subject, status)?;
    Ok(time)
}

/// Of several runs, because a process of a millisecond may end between two looks.
fn peak(subject: &Subject) -> Result<u64> {
    let peaks = (0..LOOKS).map(|_| watched(subject)).collect::<Result<Vec<_>>>()?;
    Ok(peaks.into_iter().max().unwrap_or(0))
}

/// The kernel keeps the high-water mark while the process lives: the last value that could be read is it, but for what
/// is touched in the last microseconds.
fn watched(subject: &Subject) -> Result<u64> {
    let mut child = start(subject)?;
    let file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let status = loop {
        peak = peak.max(high_water_mark(&file).unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
    };
    succeeded(subject, status)?;
    Ok(peak)
}

/// A command that does nothing is fast, and its time means nothing.
fn does_its_work(subject: &Subject) -> Result<()> {
    let output = subject.command().output().with_context(|| format!("cannot start `{}`", subject.name))?;
    succeeded(subject, output.status)?;
    if !String::from_utf8_lossy(&output.stdout).contains(subject.says) {
        bail!("`{}` didn't say `{}`", subject.name, subject.says);
    }
    Ok(())
}

fn high_water_mark(file: &str) -> Option<u64> {
    let status = std::fs::read_to_string(file).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn start(subject: &Subject) -> Result<Child> {
    let mut command = subject.command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().with_context(|| format!("cannot start `{}`", subject.name))
}

/// A command that fails is fast, and its time means nothing.
fn succeeded(subject: &Subject, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed: {status}", subject.name);
    }
    Ok(())
}
