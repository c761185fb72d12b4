//! The parser's words about broken YAML, put into ours.
//! One rule: a message names the mistake people make, not the state the parser was in.

use super::events::SyntaxError;
use super::fault::Fault;
use super::node::Position;

/// The fault behind a parser's error.
pub(crate) fn explain(error: &SyntaxError, text: &str) -> Fault {
    if error.unprintable {
        return unprintable(text);
    }
    let (at, opened) = (error.at, error.context_at);
    let (problem, context) = (error.problem.as_str(), error.context.as_str());
    let found = at.and_then(|at| character(text, at));
    let (place, message) = match problem {
        "found character that cannot start any token" if found == Some('\t') => (at, TAB.into()),
        "found character that cannot start any token" => (at, unstartable(found)),
        p if p.contains("tab character") => (at, TAB.into()),
        "mapping values are not allowed in this context" => (at, SECOND_COLON.into()),
        "found unexpected ':'" => (at, COLON_AT_THE_END.into()),
        "block sequence entries are not allowed in this context" => (at, LIST_ON_KEY_LINE.into()),
        p if context.contains("quoted scalar") && p.contains("end of stream") => {
            (opened.or(at), "the quote that opens here is never closed; add one of the same kind".into())
        }
        p if context.contains("quoted scalar") && p.contains("document indicator") => {
            (opened.or(at), "the quote that opens here is not closed before a line of `---` or `...`".into())
        }
        "found unknown escape character" => (at, UNKNOWN_ESCAPE.into()),
        p if p.contains("Unicode character escape") || p.contains("hexdecimal") => (at, BAD_CODE.into()),
        "did not find expected ',' or ']'" => (at, unclosed("list", ']', opened)),
        "did not find expected ',' or '}'" => (at, unclosed("mapping", '}', opened)),
        "did not find expected key" | "did not find expected '-' indicator" => (at, misaligned(opened)),
        "could not find expected ':'" => {
            (opened.or(at), "no `: ` follows this key; add one, or put the text in quotes".into())
        }
        "did not find expected <document start>" => {
            (at, "the document has ended above this line; remove `...`".into())
        }
        "found incompatible YAML document" => {
            (at, "only YAML 1.1 and 1.2 are read; remove the `%YAML` line".into())
        }
        "found undefined tag handle" => {
            (at, "a value may not start with `!` but for a tag of YAML's own; put it in quotes".into())
        }
        "did not find expected node content" => (at, empty_place(found)),
        other => (at, format!("{other} {context}; correct the YAML here").replace("  ", " ")),
    };
    Fault { position: place, message, fatal: true }
}

pub(crate) const TAB: &str = "a tab; YAML wants spaces outside of quotes, so replace it";
const SECOND_COLON: &str = "a second `: ` for one key; put a value that has one in quotes, or indent the line to match its neighbours";
const COLON_AT_THE_END: &str =
    "a `:` right before a bracket or comma; put a value or a space after it, or use quotes";
const LIST_ON_KEY_LINE: &str = "a list cannot start on the line of its key; move `- ` to the next line";
const UNKNOWN_ESCAPE: &str = "not an escape of YAML; write `\\\\` for a backslash, or use single quotes";
const BAD_CODE: &str = "not the code of a character; write the character itself";

fn unstartable(found: Option<char>) -> String {
    match found {
        Some(c) => format!("a value may not start with `{c}`; put it in quotes"),
        None => "a value is missing here".into(),
    }
}

fn unclosed(what: &str, bracket: char, opened: Option<Position>) -> String {
    let opened = opened.map_or_else(String::new, |p| format!(" that opens at {}:{}", p.line, p.column));
    format!("the {what}{opened} needs a `,` or its `{bracket}` before this")
}

fn misaligned(opened: Option<Position>) -> String {
    let opened = opened.map_or_else(String::new, |p| format!(" of line {}, column {}", p.line, p.column));
    format!(
        "this does not fit the block{opened}; indent it as its neighbours are, and put a text with quotes inside in quotes"
    )
}

fn empty_place(found: Option<char>) -> String {
    match found {
        Some(c @ (',' | ']' | '}')) => {
            format!("a value is missing before this `{c}`; remove the extra comma")
        }
        _ => "a value is missing here".into(),
    }
}

/// The character at a position, if there is one.
fn character(text: &str, at: Position) -> Option<char> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.split('\n').nth(at.line - 1)?.chars().nth(at.column - 1)
}

/// YAML has no place for control characters; the parser says at which byte, we say where that is.
fn unprintable(text: &str) -> Fault {
    let mut place = Position { line: 1, column: 1 };
    for c in text.chars() {
        if !printable(c) {
            let message = format!(
                "the control character U+{:04X}; remove it, or write it as an escape in double quotes",
                c as u32
            );
            return Fault::fatal(place, message);
        }
        place = if c == '\n' {
            Position { line: place.line + 1, column: 1 }
        } else {
            Position { column: place.column + 1, ..place }
        };
    }
    Fault { position: None, message: "a character that YAML does not allow; remove it".into(), fatal: true }
}

fn printable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
