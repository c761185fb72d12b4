//! Event lines into a pipe, a file or a terminal.
//!
//! Rule: never blocks for good: a pipe is asked whether it has room before it is written to.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::{EventWriter, lines};
use crate::event::Event;

/// A pipe that says it has room takes this many bytes without blocking (`PIPE_BUF`).
const SAFE_WRITE: usize = 4096;

/// More than this and the agent has to wait.
const FULL: usize = 1024 * 1024;

/// The moment that [`PipeWriter::flush`] waits for room. A reader that takes a little now and then gets no more than this, too:
/// whoever has a deadline looks at it in between.
const MOMENT: Duration = Duration::from_millis(50);

const AS_TIMESPEC: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Writes the lines of the Charm protocol.
///
/// ```
/// # use std::io::Read as _;
/// # use std::time::Duration;
/// # use charm_telemetry_core::{Manager, PipeWriter};
/// let (mut end, pipe) = std::io::pipe()?;
/// let manager = Manager::builder().stdout(PipeWriter::new(pipe)).start()?;
/// manager.start_run(&"hi").finish("hello");
/// manager.shutdown(Duration::from_secs(5));
///
/// let mut text = String::new();
/// end.read_to_string(&mut text)?;
/// assert!(text.lines().all(|line| line.starts_with("__CHARM_EVENT__{")));
/// # assert_eq!(text.lines().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PipeWriter<W> {
    target: W,
    held: Vec<u8>,
    written: usize,
}

/// The stdout of this process, without the buffer that the standard library puts before it.
#[derive(Debug)]
pub(crate) struct Unbuffered;

impl Write for Unbuffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Unbuffered {
    fn as_fd(&self) -> BorrowedFd<'_> {
        rustix::stdio::stdout()
    }
}

impl<W: Write + AsFd + Send + 'static> PipeWriter<W> {
    /// Writes to `target`, which must not buffer by itself.
    pub fn new(target: W) -> Self {
        Self { target, held: Vec::new(), written: 0 }
    }

    fn has_room(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.target, PollFlags::OUT)];
        match rustix::event::poll(&mut fds, Some(&AS_TIMESPEC)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A reader that is always a little behind must not make us keep all that was ever written.
    fn forget_written(&mut self) {
        if self.written > FULL {
            self.held.drain(..self.written);
            self.written = 0;
        }
    }

    fn write_some(&mut self) -> io::Result<()> {
        let end = self.held.len().min(self.written + SAFE_WRITE);
        match self.target.write(&self.held[self.written..end]) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                self.written += count;
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl<W: Write + AsFd + Send + 'static> EventWriter for PipeWriter<W> {
    fn event(&mut self, event: &Event) {
        lines::encode(event, &mut self.held);
    }

    fn flush(&mut self) -> io::Result<bool> {
        let started = Instant::now();
        while self.written < self.held.len() {
            if started.elapsed() > MOMENT || !self.has_room()? {
                self.forget_written();
                return Ok(false);
            }
            self.write_some()?;
        }
        self.held.clear();
        self.held.shrink_to(FULL);
        self.written = 0;
        Ok(true)
    }

    fn is_full(&self) -> bool {
        self.held.len() - self.written > FULL
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;
    use crate::event::{Event, EventTime};
    use crate::id::RunId;

    /// Takes a little at a time, and takes its time.
    struct Slow(io::PipeWriter);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            std::thread::sleep(MOMENT / 10);
            Ok(bytes.len().min(100))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl AsFd for Slow {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    #[test]
    fn a_flush_to_a_reader_that_takes_a_little_now_and_then_ends_after_a_moment() {
        let (_reader, pipe) = io::pipe().expect("there is room for a pipe");
        let mut writer = PipeWriter::new(Slow(pipe));
        let time = EventTime { wall: std::time::SystemTime::UNIX_EPOCH, monotonic: Duration::ZERO };
        let kind = EventKind::ToolError { tool_name: "t".into(), error: "x".repeat(100_000).into() };
        writer.event(&Event { run: RunId::new(), sequence: 0, time, call: None, parent: None, kind });
        // All of it would be a thousand writes.
        assert!(!writer.flush().expect("nothing fails"));
        assert!(writer.written <= 20 * 100, "{} bytes were written", writer.written);
    }
}
