//! Times commands.
//!
//! Rule: the commands take turns, so that whatever else the machine does falls on all of them alike.

use std::process::{Child, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::subjects::{Name, Subject};

/// How often a command runs while its memory is watched.
const LOOKS: usize = 10;

/// What one command took.
pub(super) struct Measured {
    pub(super) name: Name,
    /// In milliseconds, one for each round.
    pub(super) times: Vec<f64>,
    /// The most memory that the command's own process had resident; 0 if it ended before anyone could look.
    pub(super) peak_kb: u64,
}

impl Measured {
    /// The median, the least and the most.
    pub(super) fn spread(&self) -> [f64; 3] {
        let sorted = sorted(self.times.clone());
        [middle(&sorted), sorted[0], sorted[sorted.len() - 1]]
    }

    /// The median over the rounds of what `compare` says of this command's time and the other's. A round is a moment in
    /// which the machine did the same for both.
    pub(super) fn beside(&self, other: &Self, compare: impl Fn(f64, f64) -> f64) -> f64 {
        let rounds = self.times.iter().zip(&other.times);
        middle(&sorted(rounds.map(|(ours, theirs)| compare(*ours, *theirs)).collect()))
    }
}

fn sorted(mut figures: Vec<f64>) -> Vec<f64> {
    figures.sort_by(f64::total_cmp);
    figures
}

fn middle(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
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
    Ok(table)
}

fn time(subject: &Subject) -> Result<f64> {
    let started = Instant::now();
    let status = start(subject)?.wait()?;
    let time = started.elapsed().as_secs_f64() * 1e3;
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
