//! Cuts a stream of bytes into lines.
//! The one rule: how the bytes were split over reads changes nothing, and no line takes more memory than its limit.
//!
//! A line ends at `\n`, and one `\r` before it belongs to the end, unless it is to be kept. A lone `\r` (a progress bar), NULs
//! and bytes that are not UTF-8 are content. Of a line over its limit as much as the limit is handed on, with its true
//! length; the rest is thrown away up to its end. What is left without a newline when the stream ends is a line too.

use charm_telemetry_core::protocol::strip_marker;

/// No limit is shorter: what a line begins with says what it is.
const SHORTEST: usize = 64;

/// How long lines may be, without their line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineLimits {
    event: usize,
    log: usize,
}

impl LineLimits {
    /// Limits in bytes for lines that start with an event marker and for all others. Neither is taken below
    /// 64.
    pub fn new(event: usize, log: usize) -> Self {
        Self { event: event.max(SHORTEST), log: log.max(SHORTEST) }
    }

    /// The limit of lines that start with an event marker.
    pub fn event(self) -> usize {
        self.event
    }

    /// The limit of all others.
    pub fn log(self) -> usize {
        self.log
    }

    fn of(self, line: &[u8]) -> usize {
        if strip_marker(line).is_some() { self.event } else { self.log }
    }

    fn longest(self) -> usize {
        self.event.max(self.log)
    }
}

impl Default for LineLimits {
    /// 1 MiB for events, 64 KiB for logs.
    fn default() -> Self {
        Self::new(1 << 20, 64 << 10)
    }
}

/// One line as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapturedLine<'a> {
    /// The line without its end, or of one over its limit as many bytes as that is.
    pub bytes: &'a [u8],
    /// How long the line was; more than `bytes` holds if it was cut.
    pub total_len: u64,
    /// Whether a newline ended it. Only the last line of a stream can be without.
    pub has_newline: bool,
}

impl CapturedLine<'_> {
    /// Whether the line was over its limit, so that `bytes` is only its beginning. A cut event line is no event.
    pub fn is_cut(&self) -> bool {
        self.total_len > self.bytes.len() as u64
    }
}

/// What became of the lines of one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Lines handed on, the cut ones included.
    pub lines: u64,
    /// Lines that were over their limit.
    pub cut: u64,
    /// Bytes of cut lines that were not handed on.
    pub bytes_discarded: u64,
}

/// Puts lines together from pieces of any size.
///
/// ```
/// use charm_runner::child::{LineAssembler, LineLimits};
///
/// let mut assembler = LineAssembler::new(LineLimits::default());
/// let mut lines = Vec::new();
/// for piece in ["Hel", "lo\r\nwor", "ld"] {
///     assembler.feed(piece.as_bytes(), |line| lines.push(line.bytes.to_vec()));
/// }
/// assembler.finish(|line| lines.push(line.bytes.to_vec()));
/// assert_eq!(lines, [b"Hello", b"world"]);
/// ```
#[derive(Debug)]
pub struct LineAssembler {
    limits: LineLimits,
    keeps_cr: bool,
    counts: LineCounts,
    /// The beginning of a line whose end has not come yet: all of it, or as much as its limit.
    carry: Vec<u8>,
    /// How long that line is so far.
    carried: u64,
    over: bool,
    ends_in_cr: bool,
}

/// With the default limits.
impl LineAssembler {
    /// An assembler at the start of a stream.
    pub fn new(limits: LineLimits) -> Self {
        Self {
            limits,
            keeps_cr: false,
            counts: LineCounts::default(),
            carry: Vec::new(),
            carried: 0,
            over: false,
            ends_in_cr: false,
        }
    }

    /// Leaves a `\r` before `\n` in the line: it is what the agent printed, not how a program ends its lines.
    #[must_use]
    pub fn keep_cr(mut self) -> Self {
        self.keeps_cr = true;
        self
    }

    /// Takes the next bytes of the stream and hands on every line that they complete.
    pub fn feed(&mut self, bytes: &[u8], mut on_line: impl FnMut(CapturedLine<'_>)) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let piece = &bytes[start..end];
            start = end + 1;
            if self.carried == 0 {
                // The common case: the whole line is here and is not copied.
                on_line(whole(without_end(piece, !self.keeps_cr), true, self.limits, &mut self.counts));
            } else {
                self.keep(piece);
                self.hand_on(true, &mut on_line);
            }
        }
        self.keep(&bytes[start..]);
    }

    /// Ends the stream: hands on the last line if no newline ended it. A new stream may follow.
    pub fn finish(&mut self, mut on_line: impl FnMut(CapturedLine<'_>)) {
        if self.carried > 0 {
            self.hand_on(false, &mut on_line);
        }
    }

    /// Whether a line has begun and not ended.
    pub fn has_begun(&self) -> bool {
        self.carried > 0
    }

    /// What became of the lines so far.
    pub fn counts(&self) -> LineCounts {
        self.counts
    }

    fn keep(&mut self, piece: &[u8]) {
        let Some(last) = piece.last() else { return };
        self.carried += piece.len() as u64;
        self.ends_in_cr = *last == b'\r';
        if self.over {
            return;
        }
        // One byte over the limit may yet turn out to be the `\r` of a line end; two can not.
        let room = self.limits.longest() + 2 - self.carry.len();
        self.carry.extend_from_slice(&piece[..piece.len().min(room)]);
        let limit = self.limits.of(&self.carry);
        if self.carry.len() > limit + 1 {
            self.over = true;
            self.carry.truncate(limit);
        }
    }

    fn hand_on(&mut self, has_newline: bool, on_line: &mut impl FnMut(CapturedLine<'_>)) {
        let line = if self.over {
            let line_end = u64::from(has_newline && self.ends_in_cr && !self.keeps_cr);
            cut(&self.carry, self.carried - line_end, has_newline, &mut self.counts)
        } else {
            whole(
                without_end(&self.carry, has_newline && !self.keeps_cr),
                has_newline,
                self.limits,
                &mut self.counts,
            )
        };
        on_line(line);
        self.carry.clear();
        self.carried = 0;
        self.over = false;
    }
}

/// A line without the `\r` of its end.
fn without_end(line: &[u8], has_cr: bool) -> &[u8] {
    if has_cr { line.strip_suffix(b"\r").unwrap_or(line) } else { line }
}

/// A line that is all there, which may still be over its limit.
fn whole<'a>(
    line: &'a [u8],
    has_newline: bool,
    limits: LineLimits,
    counts: &mut LineCounts,
) -> CapturedLine<'a> {
    let total_len = line.len() as u64;
    let limit = limits.of(line);
    if line.len() > limit {
        return cut(&line[..limit], total_len, has_newline, counts);
    }
    counts.lines += 1;
    CapturedLine { bytes: line, total_len, has_newline }
}

fn cut<'a>(head: &'a [u8], total_len: u64, has_newline: bool, counts: &mut LineCounts) -> CapturedLine<'a> {
    counts.lines += 1;
    counts.cut += 1;
    counts.bytes_discarded += total_len - head.len() as u64;
    CapturedLine { bytes: head, total_len, has_newline }
}

#[cfg(test)]
mod tests;
