//! Cuts what comes through the bridge's pipe into frames.
//! The one rule: bytes are copied only where a frame is split over two reads.

use std::borrow::Cow;

use thiserror::Error;

use super::parts::Parts;

/// The longest frame that is taken. The bridge keeps below it; more than this is not from the bridge.
pub const MAX_FRAME_BYTES: usize = 64 << 20;

/// Bytes of the length before each frame.
const HEADER: usize = 4;

/// One frame, borrowed from what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    /// What the agent wrote to its `sys.stdout`: raw bytes, cut anywhere.
    Stdout(&'a [u8]),
    /// What a process that the agent forked wrote to its `sys.stdout`.
    ChildStdout {
        /// Its number.
        process: u32,
        /// Raw bytes, cut anywhere.
        bytes: &'a [u8],
    },
    /// One streamed token. The call is empty when the agent did not say to which call it belongs.
    Token {
        /// The id of the LLM call.
        call: Cow<'a, str>,
        /// The token.
        token: Cow<'a, str>,
    },
    /// A JSON object: see [`Record::parse`](super::Record::parse).
    Record(&'a [u8]),
}

/// Why the pipe can't be read on. What came before stays good; the agent may run on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Something that is not the bridge wrote to the pipe.
    #[error("a frame of {0} bytes on the bridge's pipe is over the limit: something else writes to it")]
    TooLong(u64),
    /// Something that is not the bridge wrote to the pipe.
    #[error("a frame of unknown kind {0:#04x} on the bridge's pipe: something else writes to it")]
    UnknownKind(u8),
    /// The frame is shorter than its kind must be.
    #[error("an incomplete frame on the bridge's pipe: something else writes to it")]
    Incomplete,
    /// The agent was killed while it wrote.
    #[error("the bridge's pipe ended in the middle of a frame, {0} bytes in")]
    Truncated(usize),
}

/// Takes what was read, gives frames.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    /// The beginning of a frame that is not complete.
    partial: Vec<u8>,
    parts: Parts,
}

impl FrameDecoder {
    /// A decoder at the beginning of a pipe.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives each frame that `bytes` completes to `each`.
    ///
    /// # Errors
    ///
    /// When this is no frame of the bridge; feed no more then.
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame<'_>)) -> Result<(), FrameError> {
        while !self.partial.is_empty() {
            let Some(missing) = self.missing()? else {
                break;
            };
            let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
            self.partial.extend_from_slice(taken);
            bytes = rest;
            if taken.is_empty() {
                return Ok(());
            }
        }
        if !self.partial.is_empty() {
            give(&mut self.parts, &self.partial[HEADER..], &mut each)?;
            self.partial.clear();
            self.partial.shrink_to(MAX_KEPT_BYTES);
        }
        while let Some(len) = announced(bytes)? {
            let Some(frame) = bytes.get(HEADER..HEADER + len) else {
                break;
            };
            give(&mut self.parts, frame, &mut each)?;
            bytes = &bytes[HEADER + len..];
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// How many frames never got whole, because their process ended or was interrupted in the middle of them.
    pub fn lost(&self) -> u64 {
        self.parts.lost()
    }

    /// Says whether the pipe ended between two frames.
    ///
    /// # Errors
    ///
    /// [`FrameError::Truncated`] if it did not.
    pub fn finish(&self) -> Result<(), FrameError> {
        if self.partial.is_empty() { Ok(()) } else { Err(FrameError::Truncated(self.partial.len())) }
    }

    /// How many bytes are still to come before more can be said of the split frame; none when it is complete.
    fn missing(&self) -> Result<Option<usize>, FrameError> {
        let have = self.partial.len();
        Ok(match announced(&self.partial)? {
            None => Some(HEADER - have),
            Some(len) if have < HEADER + len => Some(HEADER + len - have),
            Some(_) => None,
        })
    }
}

/// What is kept of the memory that one large frame took.
const MAX_KEPT_BYTES: usize = 64 << 10;

fn announced(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let announced = u32::from_le_bytes(*header);
    match usize::try_from(announced) {
        Ok(0) => Err(FrameError::Incomplete),
        Ok(len) if len <= MAX_FRAME_BYTES => Ok(Some(len)),
        _ => Err(FrameError::TooLong(announced.into())),
    }
}

fn give(parts: &mut Parts, frame: &[u8], each: &mut impl FnMut(Frame<'_>)) -> Result<(), FrameError> {
    if let Some(part) = frame.strip_prefix(b"p") {
        if let Some(whole) = parts.take(part)? {
            each(parse(&whole)?);
        }
        return Ok(());
    }
    each(parse(frame)?);
    Ok(())
}

fn parse(frame: &[u8]) -> Result<Frame<'_>, FrameError> {
    match frame.split_first() {
        Some((b'o', payload)) => Ok(Frame::Stdout(payload)),
        Some((b'c', payload)) => of_child(payload),
        Some((b't', payload)) => token(payload),
        Some((b'j', payload)) => Ok(Frame::Record(payload)),
        Some((&kind, _)) => Err(FrameError::UnknownKind(kind)),
        None => Err(FrameError::Incomplete),
    }
}

fn of_child(payload: &[u8]) -> Result<Frame<'_>, FrameError> {
    let (process, bytes) = payload.split_first_chunk().ok_or(FrameError::Incomplete)?;
    Ok(Frame::ChildStdout { process: u32::from_le_bytes(*process), bytes })
}

fn token(payload: &[u8]) -> Result<Frame<'_>, FrameError> {
    let (&len, rest) = payload.split_first().ok_or(FrameError::Incomplete)?;
    let (call, token) = rest.split_at_checked(len.into()).ok_or(FrameError::Incomplete)?;
    Ok(Frame::Token { call: String::from_utf8_lossy(call), token: String::from_utf8_lossy(token) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"\x03\0\0\0ohi\x06\0\0\0t\x01aabc\x03\0\0\0j{}\x01\0\0\0o";

    fn told(frame: &Frame<'_>) -> String {
        format!("{frame:?}")
    }

    fn whole() -> Vec<String> {
        let mut seen = Vec::new();
        FrameDecoder::new().feed(STREAM, |frame| seen.push(told(&frame))).expect("the stream is sound");
        seen
    }

    #[test]
    fn frames_come_in_order_with_their_parts() {
        let mut seen = 0;
        let mut each = |frame: Frame<'_>| {
            match seen {
                0 => assert_eq!(frame, Frame::Stdout(b"hi")),
                1 => assert_eq!(frame, Frame::Token { call: "a".into(), token: "abc".into() }),
                2 => assert_eq!(frame, Frame::Record(b"{}")),
                _ => assert_eq!(frame, Frame::Stdout(b"")),
            }
            seen += 1;
        };
        FrameDecoder::new().feed(STREAM, &mut each).expect("the stream is sound");
        assert_eq!(seen, 4);
    }

    #[test]
    fn a_split_at_any_two_bytes_changes_nothing() {
        for first in 0..=STREAM.len() {
            for second in first..=STREAM.len() {
                let mut decoder = FrameDecoder::new();
                let mut seen = Vec::new();
                for piece in [&STREAM[..first], &STREAM[first..second], &STREAM[second..]] {
                    decoder.feed(piece, |frame| seen.push(told(&frame))).expect("the stream is sound");
                }
                assert_eq!(seen, whole(), "split at {first} and {second}");
                assert_eq!(decoder.finish(), Ok(()));
            }
        }
    }

    #[test]
    fn an_end_inside_a_frame_is_told() {
        let mut decoder = FrameDecoder::new();
        decoder.feed(&STREAM[..9], |_| ()).expect("the stream is sound");
        assert_eq!(decoder.finish(), Err(FrameError::Truncated(2)));
    }

    #[test]
    fn foreign_bytes_are_refused_before_memory_is_taken() {
        let refused =
            |bytes: &[u8]| FrameDecoder::new().feed(bytes, |_| ()).expect_err("these are no frames");
        assert_eq!(refused(b"Hello, world"), FrameError::TooLong(0x6c6c_6548));
        assert_eq!(refused(b"\x02\0\0\0xy"), FrameError::UnknownKind(b'x'));
        assert_eq!(refused(b"\0\0\0\0"), FrameError::Incomplete);
        assert_eq!(refused(b"\x03\0\0\0t\x09a"), FrameError::Incomplete);
    }

    #[test]
    fn a_broken_character_in_a_token_does_not_lose_it() {
        let mut seen = Vec::new();
        let each = |frame: Frame<'_>| seen.push(told(&frame));
        FrameDecoder::new().feed(b"\x04\0\0\0t\0a\xff", each).expect("the frame is sound");
        assert!(seen[0].contains("a\u{fffd}"), "{seen:?}");
    }
}
