//! The terminal, written to without ever waiting for it for long.
//!
//! Rule: a terminal that was stopped (`Ctrl-S`), or whose window hangs, keeps what it has not taken; nothing else waits
//! for it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::stdio::stdout;

use crate::{cursor, room};

/// The moment that [`Screen::flush`] waits for room, and that it takes for a terminal that is slow.
const MOMENT: Duration = Duration::from_millis(50);

const AS_TIMESPEC: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// The pause after a terminal that said it had room and then had none.
const PAUSE: Duration = Duration::from_millis(5);

/// So much at once: less than a terminal's buffer.
const PIECE: usize = 1024;

/// More than this and the agent has to wait.
const FULL: usize = 1024 * 1024;

/// A terminal, and what it has not taken yet.
pub(super) struct Screen {
    /// Opened anew, so that it never blocks: a terminal that has a little room is "ready" for a write that takes more.
    /// `None` where it cannot be opened; then it may block, but for a full buffer it is still asked first.
    terminal: Option<OwnedFd>,
    held: Vec<u8>,
    written: usize,
}

impl Screen {
    /// The terminal that is our stdout.
    pub(super) fn of_stdout() -> Self {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Self::on(open("/dev/fd/1", flags, Mode::empty()).ok())
    }

    fn on(terminal: Option<OwnedFd>) -> Self {
        Self { terminal, held: Vec::new(), written: 0 }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.held.extend_from_slice(text.as_bytes());
    }

    /// Writes what is held. `Ok(false)`: not all of it, because there is no room now.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let started = Instant::now();
        while self.written < self.held.len() {
            if started.elapsed() > MOMENT {
                self.forget_written();
                return Ok(false);
            }
            match self.write_some() {
                Ok(0) => {
                    self.forget_written();
                    return Ok(false);
                }
                Ok(count) => self.written += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.held.clear();
        self.held.shrink_to(FULL);
        self.written = 0;
        Ok(true)
    }

    /// Writes what there is room for within a moment.
    fn write_some(&self) -> Result<usize, Errno> {
        let end = self.held.len().min(self.written + PIECE);
        let next = &self.held[self.written..end];
        let terminal = self.terminal.as_ref().map_or(stdout(), AsFd::as_fd);
        if !room::has_room(terminal, &AS_TIMESPEC)? {
            return Ok(0);
        }
        // Held for this write alone, so that stderr never waits for a terminal that was stopped.
        let mut cursor = cursor::shared();
        let written = match cursor.as_ref().map_or(0, |cursor| cursor.is_there(next)) {
            // Asked again: stderr may have taken the room, and waits for the cursor as long as we hold it.
            0 => room::write_some(terminal, next, &AT_ONCE),
            count => Ok(count),
        };
        if let Some(cursor) = &mut cursor {
            cursor.moved(&next[..written.unwrap_or_default()]);
        }
        drop(cursor);
        if written == Err(Errno::AGAIN) {
            thread::sleep(PAUSE);
            return Ok(0);
        }
        written
    }

    /// Whether anything waits for room.
    pub(super) fn is_behind(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.held.len() - self.written > FULL
    }

    /// A terminal that is always a little behind must not make us keep all that was ever written.
    fn forget_written(&mut self) {
        if self.written > FULL {
            self.held.drain(..self.written);
            self.written = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::sync::mpsc;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    const BOUND: Duration = Duration::from_secs(30);

    /// The end of a window, and the screen in it.
    fn window() -> (File, Screen) {
        let window = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&window).unwrap();
        unlockpt(&window).unwrap();
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY;
        let terminal = open(ptsname(&window, Vec::new()).unwrap(), flags, Mode::empty()).unwrap();
        (window.into(), Screen::on(Some(terminal)))
    }

    #[test]
    fn a_terminal_that_takes_nothing_is_left_alone_after_a_moment_and_gets_the_rest_later() {
        let (mut window, mut screen) = window();
        let text = "word ".repeat(300_000);
        let (done, finished) = mpsc::channel();
        // On a thread of its own, because a write that blocks does so for good.
        thread::spawn(move || {
            screen.push(&text);
            let started = Instant::now();
            let first = (screen.flush().unwrap(), screen.is_full(), started.elapsed());
            done.send((first, screen)).unwrap();
        });
        let ((all, is_full, took), mut screen) = finished.recv_timeout(BOUND).expect("a flush never blocks");
        assert_eq!((all, is_full), (false, true));
        assert!(took < BOUND / 3, "{took:?}");

        let reader = thread::spawn(move || {
            let (mut seen, mut bytes) = (0, vec![0; 65_536]);
            while seen < 5 * 300_000 {
                seen += window.read(&mut bytes).unwrap();
            }
            seen
        });
        let started = Instant::now();
        while !screen.flush().unwrap() {
            assert!(started.elapsed() < BOUND, "it never ends");
        }
        assert_eq!(reader.join().unwrap(), 5 * 300_000);
        assert!(!screen.is_full());
    }
}
