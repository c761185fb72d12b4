//! Tabs between tokens, which the reference refuses and `serde_yaml` lets pass.
//! One rule: a tab is harmless in quotes, in a block of text and in a comment, and nowhere else.

use super::events::Style;
use super::fault::Fault;
use super::marks::{Marks, Span};
use super::node::Position;
use super::syntax::TAB;

/// The first harmful tab of each line.
pub(crate) fn faults(text: &str, marks: &Marks) -> Vec<Fault> {
    if !text.contains('\t') {
        return Vec::new();
    }
    let covers = covers(text, &marks.scalars);
    let mut faults = Vec::new();
    let mut place = Position { line: 1, column: 1 };
    let (mut in_comment, mut told) = (false, false);
    for (index, c) in text.char_indices() {
        in_comment |= c == '#' && covers[index] == Cover::None;
        if c == '\t' && covers[index] != Cover::Text && !in_comment && !told {
            faults.push(Fault::new(place, TAB));
            told = true;
        }
        if ends_line(c, text.as_bytes().get(index + 1)) {
            (in_comment, told) = (false, false);
            place = Position { line: place.line + 1, column: 1 };
        } else {
            place.column += 1;
        }
    }
    faults
}

/// What a byte belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cover {
    None,
    Plain,
    /// Quoted, or in a block of text.
    Text,
}

fn covers(text: &str, scalars: &[Span]) -> Vec<Cover> {
    let mut covers = vec![Cover::None; text.len()];
    for span in scalars {
        let (cover, start) = match span.style {
            Style::Block => (Cover::Text, after_line(text, span)),
            Style::Quoted => (Cover::Text, span.start),
            Style::Plain => (Cover::Plain, span.start),
        };
        if let Some(covered) = covers.get_mut(start..span.end) {
            covered.fill(cover);
        }
    }
    covers
}

/// Where a block of text begins: after the line of its `|` or `>`.
fn after_line(text: &str, span: &Span) -> usize {
    let block = text.get(span.start..span.end).unwrap_or_default();
    let header = block.find(|c| ends_line(c, None)).unwrap_or(block.len());
    span.start + header
}

fn ends_line(c: char, next: Option<&u8>) -> bool {
    matches!(c, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}') || (c == '\r' && next != Some(&b'\n'))
}
