//! The agent's pipes, read without waiting.
//! The one rule: one turn reads a bounded amount from each, so that no stream can starve another or the timers.

use std::io::PipeReader;

use rustix::io::Errno;

use super::lines::{LineAssembler, LineCounts, LineLimits};
use super::sink::CaptureSink;

/// What one read takes: the whole of a pipe as systems make them.
const READ_BYTES: usize = 64 << 10;

/// How many full reads one pipe has in one turn.
const READS_A_TURN: usize = 16;

/// The three pipes, and the lines that have begun.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdout: Option<PipeReader>,
    pub(super) stderr: Option<PipeReader>,
    pub(super) bridge: Option<PipeReader>,
    stdout_lines: LineAssembler,
    stderr_lines: LineAssembler,
    pub(super) bridge_bytes: u64,
    buffer: Vec<u8>,
}

impl Pipes {
    pub(super) fn new(
        stdout: PipeReader,
        stderr: PipeReader,
        bridge: Option<PipeReader>,
        limits: LineLimits,
    ) -> Self {
        Self {
            stdout: Some(stdout),
            stderr: Some(stderr),
            bridge,
            stdout_lines: LineAssembler::new(limits),
            stderr_lines: LineAssembler::new(limits),
            bridge_bytes: 0,
            buffer: vec![0; READ_BYTES],
        }
    }

    pub(super) fn all_closed(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none() && self.bridge.is_none()
    }

    pub(super) fn counts(&self) -> (LineCounts, LineCounts) {
        (self.stdout_lines.counts(), self.stderr_lines.counts())
    }

    pub(super) fn read_bridge(&mut self, sink: &mut dyn CaptureSink) {
        read_turn(&mut self.bridge, &mut self.buffer, |bytes| {
            self.bridge_bytes += bytes.len() as u64;
            sink.bridge_bytes(bytes);
            !sink.is_full()
        });
    }

    pub(super) fn read_stdout(&mut self, sink: &mut dyn CaptureSink) {
        read_turn(&mut self.stdout, &mut self.buffer, |bytes| {
            sink.stdout_bytes(bytes);
            self.stdout_lines.feed(bytes, |line| sink.stdout_line(line));
            !sink.is_full()
        });
    }

    /// Hands on all that stdout holds: a pipe as systems make them is emptied by one read.
    pub(super) fn empty_stdout(&mut self, sink: &mut dyn CaptureSink) {
        self.read_stdout(sink);
        self.stdout_lines.finish(|line| sink.stdout_line(line));
    }

    pub(super) fn read_stderr(&mut self, sink: &mut dyn CaptureSink) {
        read_turn(&mut self.stderr, &mut self.buffer, |bytes| {
            self.stderr_lines.feed(bytes, |line| sink.stderr_line(line));
            true
        });
    }

    /// Hands on the last lines that no newline ended.
    pub(super) fn finish(&mut self, sink: &mut dyn CaptureSink) {
        self.stdout_lines.finish(|line| sink.stdout_line(line));
        self.stderr_lines.finish(|line| sink.stderr_line(line));
    }
}

/// Reads until nothing is there, the turn is over or `take` has enough; forgets the pipe at its end.
fn read_turn(pipe: &mut Option<PipeReader>, buffer: &mut [u8], mut take: impl FnMut(&[u8]) -> bool) {
    let Some(reader) = pipe else { return };
    for _ in 0..READS_A_TURN {
        match rustix::io::read(&*reader, &mut *buffer) {
            Ok(0) => {
                *pipe = None;
                return;
            }
            Ok(length) => {
                // A read that did not fill the buffer emptied the pipe: no second one to be told so.
                if !take(&buffer[..length]) || length < buffer.len() {
                    return;
                }
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return,
            // No error of a pipe gets better: what was read so far is all there will be.
            Err(_) => {
                *pipe = None;
                return;
            }
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Write;

    use super::super::lines::CapturedLine;
    use super::*;

    struct Counter {
        lines: usize,
        full: bool,
    }

    impl CaptureSink for Counter {
        fn stdout_line(&mut self, _: CapturedLine<'_>) {
            self.lines += 1;
        }

        fn stderr_line(&mut self, _: CapturedLine<'_>) {}

        fn is_full(&self) -> bool {
            self.full
        }
    }

    /// A pipe that holds four reads, full of empty lines.
    fn full_pipe() -> (PipeReader, std::io::PipeWriter) {
        let (reader, mut writer) = std::io::pipe().unwrap();
        rustix::pipe::fcntl_setpipe_size(&writer, 4 * READ_BYTES).unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        writer.write_all(&vec![b'\n'; 4 * READ_BYTES]).unwrap();
        (reader, writer)
    }

    #[test]
    fn a_sink_that_gets_full_is_handed_no_more_than_one_read() {
        for (full, lines) in [(true, READ_BYTES), (false, 4 * READ_BYTES)] {
            let (stdout, _writer) = full_pipe();
            let stderr = std::io::pipe().unwrap().0;
            let mut pipes = Pipes::new(stdout, stderr, None, LineLimits::default());
            let mut sink = Counter { lines: 0, full };
            pipes.read_stdout(&mut sink);
            assert_eq!(sink.lines, lines);
            assert!(pipes.stdout.is_some(), "the writer is still there");
        }
    }

    #[test]
    fn a_pipe_whose_writers_are_gone_is_forgotten() {
        let (stdout, writer) = full_pipe();
        drop(writer);
        let mut pipes = Pipes::new(stdout, std::io::pipe().unwrap().0, None, LineLimits::default());
        pipes.read_stdout(&mut Counter { lines: 0, full: false });
        pipes.read_stdout(&mut Counter { lines: 0, full: false });
        assert!(pipes.stdout.is_none());
    }
}
