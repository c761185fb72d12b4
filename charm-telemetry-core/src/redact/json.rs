//! JSON without its secrets.
//!
//! Rule: what was JSON stays JSON, and is read once, however long it is. A secret is found within one string or one number,
//! never across them.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::layers::Layers;
use super::patterns::Patterns;
use super::{Clean, take_out};

/// Takes the secrets out of all strings, keys too, and out of numbers, which become strings then.
pub(super) fn clean<'a>(json: &'a str, patterns: &Patterns) -> Cow<'a, str> {
    let has_escapes = memchr(b'\\', json.as_bytes()).is_some();
    if !has_escapes && patterns.first(json).is_none() {
        return Cow::Borrowed(json);
    }
    let mut clean = Clean::of(json);
    let mut at = 0;
    while at < json.len() {
        let quote = find_from(json, at, |rest| memchr(b'"', rest));
        numbers(json, at, quote, patterns, &mut clean);
        let inner = (quote + 1).min(json.len());
        let end = end_of_string(json, inner);
        let layers = Layers::of_json(&json[inner..end]);
        take_out(&patterns.find(&layers, true).secrets, inner, &mut clean);
        at = end + 1;
    }
    clean.finish()
}

/// Where the string ends that begins at `from`: at its quote.
fn end_of_string(json: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        at = find_from(json, at, |rest| memchr2(b'"', b'\\', rest));
        if json.as_bytes().get(at) != Some(&b'\\') {
            return at;
        }
        at += 2;
    }
}

/// The next place that `find` finds, or the end.
fn find_from(json: &str, from: usize, find: impl Fn(&[u8]) -> Option<usize>) -> usize {
    json.as_bytes().get(from..).and_then(find).map_or(json.len(), |found| from + found)
}

/// What is between two strings: a number that holds a secret becomes the name of it.
fn numbers(json: &str, from: usize, to: usize, patterns: &Patterns, clean: &mut Clean<'_>) {
    let in_number = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let bytes = &json.as_bytes()[..to];
    let mut at = from;
    while let Some(start) = bytes[at..].iter().position(in_number).map(|start| at + start) {
        let end = bytes[start..].iter().position(|byte| !in_number(byte)).map_or(to, |end| start + end);
        if let Some(replacement) = patterns.first(&json[start..end]) {
            clean.replace(start..end, &["\"", replacement, "\""]);
        }
        at = end;
    }
}
