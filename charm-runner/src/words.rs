//! What is said to a person on stderr.
//!
//! Rule: one prefix, so that our words can be told from the agent's; secrets are taken out before they come here; and
//! whoever does not read stderr delays nobody for long: what he misses is counted.

use std::fmt::Display;
use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::stdio::stderr;

use crate::exit::Exit;

/// A pipe that says it has room takes this many bytes without blocking (`PIPE_BUF`).
const SAFE_WRITE: usize = 4096;

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

/// How a command ends whose result was written to stdout, or was not.
pub(crate) fn exit_of_printing(printed: io::Result<()>) -> Exit {
    match printed {
        Ok(()) => Exit::Success,
        // `| head` is no failure of ours.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => {
            say(format_args!("stdout cannot be written: {error}"));
            Exit::Internal
        }
    }
}

/// `1 line`, `2 lines`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Writes a text to stderr as it is. A closed stderr is nobody's problem.
pub(crate) fn pass_on(text: &str) {
    // Held over the whole text, so that lines of several threads do not mix.
    let mut listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
    let patience = if listener.has_stalled { AT_ONCE } else { PATIENCE };
    let was_heard = write(text.as_bytes(), patience);
    listener.has_stalled = !was_heard;
    listener.missed += u64::from(!was_heard);
}

/// How many texts nobody heard, because stderr was not read.
pub(crate) fn missed() -> u64 {
    LISTENER.lock().unwrap_or_else(PoisonError::into_inner).missed
}

/// `false` if there was no room.
fn write(mut bytes: &[u8], patience: Timespec) -> bool {
    while !bytes.is_empty() {
        match poll(&mut [PollFd::from_borrowed_fd(stderr(), PollFlags::OUT)], Some(&patience)) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return true,
        }
        match rustix::io::write(stderr(), &bytes[..bytes.len().min(SAFE_WRITE)]) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if io::Error::from(error).kind() == io::ErrorKind::WouldBlock => return false,
            Err(Errno::INTR) => {}
            // It is closed.
            Err(_) => return true,
        }
    }
    true
}
