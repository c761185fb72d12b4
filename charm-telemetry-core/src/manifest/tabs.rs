//! Tabs between tokens, which the reference refuses and `serde_yaml` lets pass.
//! One rule: a tab is harmless in quotes, in a block of text and in a comment, and nowhere else.

use libyaml_safer::ScalarStyle;

use super::fault::Fault;
use super::marks::{Marks, Span};
use super::node::Position;
use super::syntax::TAB;

/// The first harmful tab of each line.
pub(crate) fn faults(text: &str, marks: &Marks) -> Vec<Fault> {
    if !text.contains('\t') {
        return Vec::new();
    }
    let chars: Vec<char> = text.chars().collect();
    let covers = covers(&chars, &marks.scalars);
    let mut faults = Vec::new();
    let mut place = Position { line: 1, column: 1 };
    let (mut in_comment, mut told) = (false, false);
    for (index, &c) in chars.iter().enumerate() {
        in_comment |= c == '#' && covers[index] == Cover::None;
        if c == '\t' && covers[index] != Cover::Text && !in_comment && !told {
            faults.push(Fault::new(place, TAB));
            told = true;
        }
        if ends_line(c, chars.get(index + 1)) {
            (in_comment, told) = (false, false);
            place = Position { line: place.line + 1, column: 1 };
        } else {
            place.column += 1;
        }
    }
    faults
}

/// What a character belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cover {
    None,
    Plain,
    /// Quoted, or in a block of text.
    Text,
}

fn covers(chars: &[char], scalars: &[Span]) -> Vec<Cover> {
    let mut covers = vec![Cover::None; chars.len()];
    for span in scalars {
        let (cover, start) = match span.style {
            ScalarStyle::Literal | ScalarStyle::Folded => (Cover::Text, after_line(chars, span)),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => (Cover::Text, span.start),
            _ => (Cover::Plain, span.start),
        };
        if let Some(covered) = covers.get_mut(start..span.end) {
            covered.fill(cover);
        }
    }
    covers
}

/// Where a block of text begins: after the line of its `|` or `>`.
fn after_line(chars: &[char], span: &Span) -> usize {
    let header = chars.get(span.start..span.end).unwrap_or_default();
    let length = header.iter().position(|c| ends_line(*c, None)).map_or(header.len(), |last| last + 1);
    span.start + length
}

fn ends_line(c: char, next: Option<&char>) -> bool {
    matches!(c, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}') || (c == '\r' && next != Some(&'\n'))
}
