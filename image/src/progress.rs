//! What a person sees while it works, on standard error.
//!
//! Rule: a step says what it does before it does it; on a terminal bytes are counted in place, elsewhere nothing moves.

use std::cell::Cell;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::time::{Duration, Instant};

/// Where progress goes.
#[derive(Debug)]
pub struct Progress {
    loud: bool,
    terminal: bool,
}

impl Progress {
    /// On standard error.
    pub fn on_stderr() -> Self {
        Self { loud: true, terminal: io::stderr().is_terminal() }
    }

    /// Nowhere.
    pub fn silent() -> Self {
        Self { loud: false, terminal: false }
    }

    /// Whether anything is shown.
    pub fn is_loud(&self) -> bool {
        self.loud
    }

    /// A step that takes a while.
    pub(crate) fn step(&self, what: &str) -> Step<'_> {
        self.say(&format!("   {what} ..."));
        Step { progress: self, what: what.to_owned(), started: Instant::now() }
    }

    /// Something worth knowing that stops nothing.
    pub(crate) fn note(&self, text: &str) {
        self.say(&format!("   note: {text}"));
    }

    /// A line of a program that works for us.
    pub(crate) fn relay(&self, line: &str) {
        self.say(&format!("   | {line}"));
    }

    /// Bytes that move.
    pub(crate) fn transfer(&self, what: &str, size: u64) -> Transfer<'_> {
        let transfer = Transfer {
            progress: self,
            what: what.to_owned(),
            size,
            moved: Cell::new(0),
            shown: Cell::new(Instant::now()),
            started: Instant::now(),
        };
        if !self.terminal {
            self.say(&format!("   {what} ({}) ...", humane_size(size)));
        }
        transfer
    }

    fn say(&self, line: &str) {
        if self.loud {
            // A closed standard error is no reason to stop.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    fn rewrite(&self, line: &str) {
        if self.loud && self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
        }
    }
}

/// A step under way.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    progress: &'a Progress,
    what: String,
    started: Instant,
}

impl Step<'_> {
    /// Ends the step with what came of it; answers how long it took.
    pub(crate) fn done(self, result: &str) -> Duration {
        let time = self.started.elapsed();
        self.progress.say(&format!("   {}: {result} ({})", self.what, humane_time(time)));
        time
    }
}

/// A blob under way.
#[derive(Debug)]
pub(crate) struct Transfer<'a> {
    progress: &'a Progress,
    what: String,
    size: u64,
    moved: Cell<u64>,
    shown: Cell<Instant>,
    started: Instant,
}

impl Transfer<'_> {
    /// Counts what is read, from the beginning.
    pub(crate) fn reader<R: Read>(&self, inner: R) -> impl Read {
        self.moved.set(0);
        Counting { transfer: self, inner }
    }

    pub(crate) fn done(&self) {
        self.progress.rewrite("");
        let (size, time) = (humane_size(self.size), humane_time(self.started.elapsed()));
        self.progress.say(&format!("   {}: {size} ({time})", self.what));
    }

    fn add(&self, bytes: usize) {
        self.moved.set(self.moved.get() + bytes as u64);
        if self.shown.get().elapsed() > Duration::from_millis(100) {
            self.shown.set(Instant::now());
            let (moved, size) = (humane_size(self.moved.get()), humane_size(self.size));
            self.progress.rewrite(&format!("   {}: {moved} of {size}", self.what));
        }
    }
}

struct Counting<'a, R> {
    transfer: &'a Transfer<'a>,
    inner: R,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.transfer.add(read);
        Ok(read)
    }
}

/// A size to read, not to calculate with.
pub(crate) fn humane_size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=999_999 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

/// A duration to read, not to calculate with.
pub(crate) fn humane_time(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        1..=119 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}
