//! The output of a command, which is its result.
//!
//! Rule: all that it writes, without its event lines, up to a bound; over it the end is missing and nothing else.

use std::borrow::Cow;

use charm_telemetry_core::Redactor;
use charm_telemetry_core::protocol::{EVENT_MARKER, strip_marker};

use super::cut;

/// So much is kept.
pub(super) const MOST: usize = 16 << 20;

/// Puts the output together from pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Collected {
    kept: Vec<u8>,
    /// What was written after what is kept.
    missing: u64,
    /// The beginning of a line of which it is not known yet whether it is an event.
    start: Vec<u8>,
    place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// At the first bytes of a line.
    #[default]
    Start,
    InText,
    /// In a line that is an event or was to be one, and is no part of the output.
    InEvent,
}

impl Collected {
    /// The next bytes of stdout.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let rest = if self.place == Place::Start { self.take_start(piece) } else { piece };
            if self.place == Place::InText {
                self.keep(rest);
            }
            if piece.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    /// All of it as it is, or, if its end is missing, the beginning without secrets; and how many bytes are missing.
    pub(super) fn into_text(mut self, redactor: &Redactor) -> (String, u64) {
        self.settle_start();
        if self.missing == 0 {
            return (text(self.kept), 0);
        }
        let (text, left_out) = cut::beginning(&self.kept, redactor);
        (text.into_owned(), self.missing + left_out)
    }

    /// Takes as much of the beginning of a line as is needed to know what it is. Gives back the rest.
    fn take_start<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let needed = EVENT_MARKER.len() - self.start.len();
        let (start, rest) = piece.split_at(needed.min(piece.len()));
        self.start.extend_from_slice(start);
        if strip_marker(&self.start).is_some() {
            self.start.clear();
            self.place = Place::InEvent;
        } else if self.start.len() == EVENT_MARKER.len() || piece.ends_with(b"\n") {
            self.settle_start();
        }
        rest
    }

    fn settle_start(&mut self) {
        let start = std::mem::take(&mut self.start);
        self.keep(&start);
        self.place = Place::InText;
    }

    /// A line ends at its line feed, and one carriage return before it belongs to the end.
    fn end_line(&mut self) {
        if self.place == Place::InText && self.missing == 0 && self.kept.ends_with(b"\r\n") {
            self.kept.truncate(self.kept.len() - 2);
            self.kept.push(b'\n');
        }
        self.place = Place::Start;
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = if self.missing > 0 { 0 } else { MOST - self.kept.len() };
        let (kept, missing) = bytes.split_at(room.min(bytes.len()));
        self.kept.extend_from_slice(kept);
        self.missing += missing.len() as u64;
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| match String::from_utf8_lossy(error.as_bytes()) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, u64) {
        let mut collected = Collected::default();
        pieces.into_iter().for_each(|piece| collected.take(piece));
        collected.into_text(&Redactor::new([("API_KEY", "sk-12345")]))
    }

    #[test]
    fn the_output_is_what_was_written_without_event_lines_however_it_was_split() {
        let input = b"one\r\n\n__CHARM_EVENT__{}\r\n__CHARM_EVENT_\n a ::CHARM_EVENT::x\n::CHARM_EVENT::\n\r\r\n\xff_";
        let expected = "one\n\n__CHARM_EVENT_\n a ::CHARM_EVENT::x\n\r\n\u{fffd}_";
        for size in 1..=input.len() {
            assert_eq!(collect(input.chunks(size)), (expected.to_owned(), 0), "pieces of {size}");
        }
    }

    #[test]
    fn of_too_much_the_end_is_missing_and_nothing_in_the_middle() {
        let line = [&[b'x'; 999][..], b"\n"].concat();
        let event = b"__CHARM_EVENT__ is not counted\n";
        let pieces = (0..MOST / 1000).map(|_| &line[..]).chain([&line[..], event, b"short\n"]);
        let (text, missing) = collect(pieces);
        let written = (MOST / 1000 + 1) * 1000 + 6;
        assert_eq!((text.len(), missing), (MOST, (written - MOST) as u64));
        assert!(!text.contains("short"));
    }

    #[test]
    fn a_secret_at_the_end_of_what_is_kept_is_left_out_with_its_beginning() {
        for before in 1..8 {
            let filler = vec![b'x'; MOST - before];
            let (text, missing) = collect([&filler[..], b"sk-12345"]);
            assert_eq!((text.len(), missing), (MOST - before, 8), "{before} bytes of it are before the cut");
        }
    }
}
