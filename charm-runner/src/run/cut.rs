//! What is cut from an agent's output, because it is too long.
//!
//! Rule: of a secret that lies across a cut nothing is shown, and every cut is counted and told.

use std::borrow::Cow;

use charm_telemetry_core::Redactor;
use serde::Serialize;

use crate::child::{CapturedLine, LineLimits};
use crate::plural::counted;

/// How much of the traceback of a failed call is told.
const LONGEST_TRACEBACK: usize = 16 << 10;

/// The account of what was cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct CutOutput {
    /// Lines that were cut.
    lines: u64,
    /// What they lost.
    line_bytes: u64,
    /// Event lines that were dropped: the beginning of an event is none.
    events: u64,
    /// How long these were.
    event_bytes: u64,
    /// What the results of commands lost.
    result_bytes: u64,
}

impl CutOutput {
    /// Counts an event line that is over its limit.
    pub(super) fn event(&mut self, line: &CapturedLine<'_>) {
        self.events += 1;
        self.event_bytes += line.total_len;
    }

    /// Counts what the result of a command lost.
    pub(super) fn result(&mut self, bytes: u64) {
        self.result_bytes += bytes;
    }

    /// A line as it is shown: without secrets and, if it was cut, with a mark.
    pub(super) fn shown<'a>(&mut self, line: &CapturedLine<'a>, redactor: &Redactor) -> Cow<'a, str> {
        let (text, missing) = text_of(line, redactor);
        if missing == 0 {
            return text;
        }
        self.lines += 1;
        self.line_bytes += missing;
        Cow::Owned(format!("{text}... ({} cut)", counted(missing, "byte")))
    }

    pub(super) fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.line_bytes += other.line_bytes;
        self.events += other.events;
        self.event_bytes += other.event_bytes;
        self.result_bytes += other.result_bytes;
    }

    /// What a person is told, where anything was cut.
    pub(crate) fn sentences(&self, limits: LineLimits) -> Vec<String> {
        let (line, event) = (size(limits.log()), size(limits.event()));
        let (cut, dropped) = (counted(self.lines, "line"), counted(self.events, "event line"));
        let told = [
            (self.lines, format!("{cut} longer than {line}, cut: {} are missing", bytes(self.line_bytes))),
            (self.events, format!("{dropped} longer than {event}, dropped: {}", bytes(self.event_bytes))),
            (self.result_bytes, left_out_of_result(self.result_bytes)),
        ];
        told.into_iter().filter(|(count, _)| *count > 0).map(|(_, sentence)| sentence).collect()
    }
}

/// What is said of a result that is not all of the output.
pub(super) fn left_out_of_result(missing: u64) -> String {
    let most = size(super::collected::MOST);
    format!("the output is longer than {most}: the last {} of it are not in the result", bytes(missing))
}

/// Leaves the end of a traceback, from where no part of a secret can be any more.
pub(super) fn shorten(traceback: &mut String, redactor: &Redactor) {
    if traceback.len() > LONGEST_TRACEBACK {
        let clean = redactor.text(traceback);
        let start = clean.ceil_char_boundary(clean.len().saturating_sub(LONGEST_TRACEBACK));
        *traceback = clean[start..].to_owned();
    }
}

/// The beginning of a text, which was cut anywhere, without secrets; and how many bytes of it were left out besides.
pub(super) fn beginning<'a>(cut: &'a [u8], redactor: &Redactor) -> (Cow<'a, str>, u64) {
    let whole = whole_characters(cut);
    let text = String::from_utf8_lossy(whole);
    let (clean, taken) = redactor.cut_text(&text);
    let left_out = (cut.len() - whole.len() + text.len() - taken) as u64;
    if taken == text.len() && matches!(clean, Cow::Borrowed(_)) {
        return (text, left_out);
    }
    (Cow::Owned(clean.into_owned()), left_out)
}

/// The text of a line without secrets, and how many bytes of the line it lacks.
fn text_of<'a>(line: &CapturedLine<'a>, redactor: &Redactor) -> (Cow<'a, str>, u64) {
    if line.is_cut() {
        let (text, left_out) = beginning(line.bytes, redactor);
        return (text, line.total_len - line.bytes.len() as u64 + left_out);
    }
    let text = String::from_utf8_lossy(line.bytes);
    match redactor.text(&text) {
        Cow::Owned(clean) => (Cow::Owned(clean), 0),
        Cow::Borrowed(_) => (text, 0),
    }
}

/// Without a last character that was cut in two.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    }
}

fn bytes(count: u64) -> String {
    counted(count, "byte")
}

fn size(bytes: usize) -> String {
    if bytes.is_multiple_of(1 << 20) {
        format!("{} MiB", bytes >> 20)
    } else {
        format!("{} KiB", bytes >> 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_says_how_many_bytes_are_missing_and_ends_before_a_secret_and_between_characters() {
        let redactor = Redactor::new([("API_KEY", "sk-12345")]);
        let shown = |bytes: &[u8], total_len| {
            let mut cut = CutOutput::default();
            let line = CapturedLine { bytes, total_len, has_newline: true };
            (cut.shown(&line, &redactor).into_owned(), cut.line_bytes)
        };
        assert_eq!(shown(b"whole sk-12345", 14), ("whole [API_KEY_REDACTED]".to_owned(), 0));
        assert_eq!(shown(b"whole sk-1", 10), ("whole sk-1".to_owned(), 0));
        assert_eq!(shown(b"cut sk-1", 12), ("cut ... (8 bytes cut)".to_owned(), 8));
        assert_eq!(
            shown("cut ü".as_bytes().split_last().unwrap().1, 6),
            ("cut ... (2 bytes cut)".to_owned(), 2)
        );
        assert_eq!(shown(b"bad \xff", 6), ("bad \u{fffd}... (1 byte cut)".to_owned(), 1));
    }

    #[test]
    fn a_traceback_that_is_cut_within_a_secret_shows_no_end_of_it() {
        let redactor = Redactor::new([("API_KEY", "sk-12345")]);
        for behind in LONGEST_TRACEBACK - 8..LONGEST_TRACEBACK {
            let mut traceback = format!("{}sk-12345{}", "ü".repeat(20), "x".repeat(behind));
            shorten(&mut traceback, &redactor);
            assert!(traceback.len() <= LONGEST_TRACEBACK);
            assert!(!traceback.contains("45"), "{}", &traceback[..30]);
        }
    }

    #[test]
    fn what_was_not_cut_is_not_told() {
        let mut cut = CutOutput::default();
        assert!(cut.sentences(LineLimits::default()).is_empty());
        cut.event(&CapturedLine { bytes: b"", total_len: 2_000_000, has_newline: true });
        let told = cut.sentences(LineLimits::default());
        assert_eq!(told, ["1 event line longer than 1 MiB, dropped: 2000000 bytes"]);
    }
}
