//! Writes to whoever may have stopped reading.
//!
//! Rule: asked first whether there is room, and never given more than fits then: no write here blocks for good.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// A pipe that says it has room takes this many bytes without blocking (`PIPE_BUF`).
const SAFE_WRITE: usize = 4096;

/// Writes the beginning of `bytes`: as much as surely fits. `Ok(0)`: there was no room within `patience`.
pub(crate) fn write_some(fd: BorrowedFd<'_>, bytes: &[u8], patience: &Timespec) -> Result<usize, Errno> {
    if !has_room(fd, patience)? {
        return Ok(0);
    }
    rustix::io::write(fd, &bytes[..bytes.len().min(SAFE_WRITE)])
}

/// Waits for room.
pub(crate) fn has_room(fd: BorrowedFd<'_>, patience: &Timespec) -> Result<bool, Errno> {
    Ok(poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], Some(patience))? > 0)
}
