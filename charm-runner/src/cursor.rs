//! The cursor of a terminal on which both stdout and stderr are shown.
//!
//! Rule: what goes to stderr begins on a line of its own, and the line that it broke is not ended a second time.

use std::io::{IsTerminal as _, stderr, stdout};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::fstat;

static CURSOR: Mutex<Cursor> = Mutex::new(Cursor { is_shared: false, in_line: false, is_line_broken: false });

/// Where the next byte will stand.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// The live view and stderr write to the same terminal.
    is_shared: bool,
    /// Behind something that the live view has written.
    in_line: bool,
    /// At the beginning of a line, because a line of the live view was ended for stderr.
    is_line_broken: bool,
}

/// The cursor, if there is one for both, for as long as something is written. Whoever holds it is alone on the terminal.
pub(crate) fn shared() -> Option<MutexGuard<'static, Cursor>> {
    Some(CURSOR.lock().unwrap_or_else(PoisonError::into_inner)).filter(|cursor| cursor.is_shared)
}

/// From now on stdout is a live view.
pub(crate) fn show_live() {
    let device = |fd: rustix::io::Result<rustix::fs::Stat>| fd.ok().map(|stat| stat.st_rdev);
    let is_same = device(fstat(stdout())) == device(fstat(stderr()));
    CURSOR.lock().unwrap_or_else(PoisonError::into_inner).is_shared =
        stdout().is_terminal() && stderr().is_terminal() && is_same;
}

impl Cursor {
    /// What has to be written before a text for stderr.
    pub(crate) fn before_stderr(&mut self) -> &'static str {
        if !self.in_line {
            return "";
        }
        self.in_line = false;
        self.is_line_broken = true;
        "\n"
    }

    /// How much of what the live view wants to write next is there already.
    pub(crate) fn is_there(&self, next: &[u8]) -> usize {
        usize::from(self.is_line_broken && next.first() == Some(&b'\n'))
    }

    /// The live view has written this, or it was there already.
    pub(crate) fn moved(&mut self, written: &[u8]) {
        if let Some(last) = written.last() {
            self.in_line = *last != b'\n';
            self.is_line_broken = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_stderr_broke_is_not_ended_twice() {
        let mut cursor = Cursor { is_shared: true, in_line: false, is_line_broken: false };
        assert_eq!(cursor.before_stderr(), "");
        cursor.moved(b"token");
        assert_eq!((cursor.before_stderr(), cursor.before_stderr()), ("\n", ""));
        assert_eq!((cursor.is_there(b"more"), cursor.is_there(b"\n")), (0, 1));
        cursor.moved(b"\n");
        assert_eq!((cursor.is_there(b"\n"), cursor.before_stderr()), (0, ""));
    }
}
