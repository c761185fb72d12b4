//! The class of an error, found in its text.
//!
//! Rule: a class or nothing. What is sent as an error's type must be one of few, never a part of a message.

/// How the names of error classes end, in the languages that agents are written in.
const ENDINGS: [&str; 8] =
    ["Error", "Exception", "Warning", "Interrupt", "Exit", "Timeout", "Failure", "Violation"];

/// Longest class name, with its module.
const MAX_BYTES: usize = 120;

/// `ValueError` of `ValueError: no such city`, of `ValueError('no such city')` and of a traceback that ends so.
pub(super) fn error_type(text: &str) -> Option<&str> {
    if text.starts_with("Traceback ") {
        let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
        return leading_class(last);
    }
    leading_class(text.lines().next()?)
}

fn leading_class(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let name_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
    let end = line.bytes().position(|b| !name_byte(b)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let follows = rest.is_empty() || rest.starts_with(": ") || rest.starts_with('(') || rest == ":";
    let class = name.rsplit('.').next()?;
    let shaped = class.starts_with(|c: char| c.is_ascii_uppercase()) && name.len() <= MAX_BYTES;
    (follows && shaped && ENDINGS.iter().any(|ending| class.ends_with(ending))).then_some(name)
}
