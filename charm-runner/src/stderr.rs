//! What is said to a person on stderr.
//!
//! Rule: one prefix, so that our words can be told from the agent's; secrets are taken out before they come here; and
//! whoever does not read stderr delays nobody for long: what he misses is counted.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal as _};
use std::sync::{LazyLock, Mutex, PoisonError};

use rustix::event::Timespec;
use rustix::io::Errno;
use rustix::stdio::stderr;

use crate::{cursor, plain, room};

/// So long its reader may pause. From then on everything is dropped until there is room again.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };

/// Do not wait.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

static LISTENER: Mutex<Listener> = Mutex::new(Listener { has_stalled: false, missed: 0 });

/// Whoever reads our stderr.
struct Listener {
    has_stalled: bool,
    missed: u64,
}

/// Says something on stderr.
pub(crate) fn say(what: impl Display) {
    let mut text = String::new();
    for line in what.to_string().lines() {
        text.extend(["charm: ", line, "\n"]);
    }
    pass_on(&text);
}

/// Writes a text to stderr: to a terminal without what would move its cursor, else as it is. A closed stderr is nobody's
/// problem.
pub(crate) fn pass_on(text: &str) {
    static IS_TERMINAL: LazyLock<bool> = LazyLock::new(|| io::stderr().is_terminal());
    let text = if *IS_TERMINAL { Cow::Owned(plain::lines(text)) } else { Cow::Borrowed(text) };
    // Both are held over the whole text, so that lines of several threads do not mix.
    let mut listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
    let mut cursor = cursor::shared();
    let before = cursor.as_mut().map_or("", |cursor| cursor.before_stderr());
    let patience = if listener.has_stalled { &AT_ONCE } else { &PATIENCE };
    let was_heard = write(before.as_bytes(), patience) && write(text.as_bytes(), patience);
    listener.has_stalled = !was_heard;
    listener.missed += u64::from(!was_heard);
}

/// How many texts nobody heard, because stderr was not read.
pub(crate) fn missed() -> u64 {
    LISTENER.lock().unwrap_or_else(PoisonError::into_inner).missed
}

/// `false` if there was no room.
fn write(mut bytes: &[u8], patience: &Timespec) -> bool {
    while !bytes.is_empty() {
        match room::write_some(stderr(), bytes, patience) {
            Ok(0) | Err(Errno::AGAIN) => return false,
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // It is closed.
            Err(_) => return true,
        }
    }
    true
}
