//! JSON as Python reads it: the inputs of a run.
//!
//! Rule: whatever Python's `json` reads is an input, and the agent gets it to the letter, but for what is nested deeper than
//! 127 levels with the object around it: nobody behind the agent could read that. Events, which must be strict JSON for
//! everybody, say `null` for a number that is none or too large, and U+FFFD for half a surrogate pair.

use std::borrow::Cow;
use std::ops::Range;

use charm_telemetry_core::protocol::EventLine;
use serde::de::Error as _;
use serde_json::value::RawValue;

/// Python reads no longer number.
const MAX_DIGITS: usize = 4300;

/// One input: always an object.
#[derive(Debug)]
pub(crate) struct JsonInput {
    /// For the agent.
    pub(crate) exact: String,
    /// For the events.
    pub(crate) strict: Box<RawValue>,
}

impl JsonInput {
    /// Reads a text. What is no object is wrapped, and nothing becomes an empty object.
    pub(crate) fn read(text: &str) -> Result<Self, serde_json::Error> {
        let beyond = beyond(text);
        // Read as a whole: depth and escapes that nobody could read later are refused here.
        serde_json::from_str::<serde_json::Value>(&replace(text, &beyond, of_same_length))?;
        let is_whole = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let mut numbers = beyond.iter().map(|number| text[number.clone()].trim_start_matches('-'));
        if numbers.any(|digits| digits.len() > MAX_DIGITS && is_whole(digits)) {
            return Err(serde_json::Error::custom(format!("a number of more than {MAX_DIGITS} digits")));
        }
        let strict = object(&replace(text, &beyond, |_| "null".to_owned())).into_owned();
        // What is wrapped is a level deeper than it was.
        let is_wrapped = !text.trim_start().starts_with('{');
        if is_wrapped && serde_json::from_str::<serde_json::Value>(&strict).is_err() {
            return Err(serde_json::Error::custom(
                "nested deeper than 127 levels, with the object around it",
            ));
        }
        Ok(Self { exact: object(text).into_owned(), strict: RawValue::from_string(strict)? })
    }

    /// The input of a text: `{"input": text}`.
    pub(crate) fn of_text(text: &str) -> Self {
        let strict = serde_json::value::to_raw_value(&serde_json::json!({ "input": text }));
        let strict = strict.expect("an object with a string");
        Self { exact: strict.get().to_owned(), strict }
    }
}

/// Agents get an object.
pub(crate) fn object(text: &str) -> Cow<'_, str> {
    match text.trim() {
        "null" | "" => Cow::Borrowed("{}"),
        object if object.starts_with('{') => Cow::Borrowed(object),
        other => Cow::Owned(format!("{{\"input\":{other}}}")),
    }
}

/// Whether reading this strict JSON with `serde_json` gives what Python reads, to the last bit.
pub(crate) fn is_plain(text: &str) -> bool {
    let has_surrogate = matches!(decodable(text), Cow::Owned(_));
    !has_surrogate && numbers(text).all(|number| is_same(&text[number]))
}

/// The text with stand-ins for what strict JSON has no words for, in the same places: errors and parts are where they were.
pub(crate) fn strict_of_same_length(text: &str) -> Cow<'_, str> {
    replace(text, &beyond(text), of_same_length)
}

fn of_same_length(number: &str) -> String {
    format!("0.{}", "0".repeat(number.len() - 2))
}

fn replace<'a>(text: &'a str, numbers: &[Range<usize>], stand_in: impl Fn(&str) -> String) -> Cow<'a, str> {
    let decodable = decodable(text);
    if numbers.is_empty() {
        return decodable;
    }
    let mut replaced = String::with_capacity(text.len());
    let mut copied = 0;
    for number in numbers {
        replaced.push_str(&decodable[copied..number.start]);
        replaced.push_str(&stand_in(&text[number.clone()]));
        copied = number.end;
    }
    Cow::Owned(replaced + &decodable[copied..])
}

fn beyond(text: &str) -> Vec<Range<usize>> {
    numbers(text).filter(|number| is_beyond(&text[number.clone()])).collect()
}

/// Without halves of surrogate pairs.
fn decodable(text: &str) -> Cow<'_, str> {
    EventLine { kind: Cow::Borrowed("input"), json: text }.decodable()
}

/// Python's words for what is no number, and numbers too large for a float, whole ones too.
fn is_beyond(number: &str) -> bool {
    // Nearly all are told by a look: no file of a million numbers is to take longer for this.
    if number.len() <= 300 && !number.bytes().any(|byte| matches!(byte, b'e' | b'E' | b'N' | b'I')) {
        return false;
    }
    let is_json = || serde_json::from_str::<&RawValue>(number).is_ok();
    let is_infinite = number.parse::<f64>().is_ok_and(f64::is_infinite);
    matches!(number, "NaN" | "Infinity" | "-Infinity") || is_infinite && is_json()
}

fn is_same(number: &str) -> bool {
    let is_short = number.len() <= 15;
    if is_short && number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'.')) {
        // So few digits are exact in a float, and so is what they are divided by.
        return true;
    }
    if number.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        let ours = serde_json::from_str::<f64>(number).ok();
        return ours.map(f64::to_bits) == number.parse().ok().map(f64::to_bits);
    }
    number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok()
}

/// Where the numbers are, `NaN` and the like among them.
fn numbers(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            match *bytes.get(at)? {
                b'"' => at = string_end(bytes, at),
                b'-' | b'0'..=b'9' | b'N' | b'I' => {
                    let start = at;
                    let is_part =
                        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
                    at += bytes[at..].iter().take_while(|byte| is_part(byte)).count();
                    return Some(start..at);
                }
                _ => at += 1,
            }
        }
    })
}

/// Behind the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += found + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, exact: &str, strict: &str) {
        let input = JsonInput::read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((input.exact.as_str(), input.strict.get()), (exact, strict));
    }

    #[test]
    fn what_python_alone_reads_goes_to_the_agent_and_a_stand_in_to_the_events() {
        check(r#"{"a":"\ud800"}"#, r#"{"a":"\ud800"}"#, r#"{"a":"\ufffd"}"#);
        check(
            "[NaN, -Infinity,Infinity]",
            r#"{"input":[NaN, -Infinity,Infinity]}"#,
            r#"{"input":[null, null,null]}"#,
        );
        check(
            r#"{"\"NaN":-1E999,"b":"1e999"}"#,
            r#"{"\"NaN":-1E999,"b":"1e999"}"#,
            r#"{"\"NaN":null,"b":"1e999"}"#,
        );
        check(" null\n", "{}", "{}");
        let long = format!("{{\"n\":{}}}", "9".repeat(400));
        check(&long, &long, "{\"n\":null}");
    }

    #[test]
    fn what_python_refuses_too_is_refused_where_it_stands() {
        for text in
            ["01e999", "-inf", "nan", "+1e999", "1.e999", "NaNa", "--Infinity", "{\"a\":}", "\"\\ud8\"", ""]
        {
            assert!(JsonInput::read(text).is_err(), "{text}");
        }
        let error = JsonInput::read(r#"["\ud800", NaN, nope]"#).unwrap_err();
        assert_eq!(error.column(), 18, "{error}");
        assert!(JsonInput::read(&"9".repeat(4301)).unwrap_err().to_string().contains("4300 digits"));
        assert!(JsonInput::read(&format!("-{}", "9".repeat(4301))).is_err());
        assert!(JsonInput::read(&("[".repeat(127) + &"]".repeat(127))).is_err());
    }

    #[test]
    fn a_sign_is_no_digit_and_127_levels_with_the_object_are_not_too_deep() {
        for text in ["9".repeat(4300), format!("-{}", "9".repeat(4300)), "[".repeat(126) + &"]".repeat(126)] {
            let input = JsonInput::read(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(
                !is_plain(&input.exact) || serde_json::from_str::<serde_json::Value>(&input.exact).is_ok()
            );
        }
    }

    #[test]
    fn only_what_both_read_alike_is_plain() {
        for text in ["{}", "-0.00000000001", r#"["😀\ud83d\ude00", 1, -2.5, 1e5, 18446744073709551615, 0.1]"#]
        {
            assert!(is_plain(text), "{text}");
        }
        for text in [r#""\udc00""#, "NaN", "1e999", "18446744073709551616", "-9223372036854775809"] {
            assert!(!is_plain(text), "{text}");
        }
    }
}
