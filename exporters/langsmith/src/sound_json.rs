//! JSON of agents that LangSmith would refuse, put right.
//!
//! Rule: what any reader of JSON takes stays as it was written, byte for byte; a number that is too large for it becomes a
//! string, and half a character becomes the sign for a lost one.

use std::borrow::Cow;

use memchr::memchr2;

/// What stands for half a character.
const LOST: &str = "\\ufffd";

/// Integers of fewer digits are always small enough.
const SAFE_DIGITS: usize = 19;

/// The JSON, with what is too large or half in it replaced. `json` is known to be JSON.
pub(crate) fn sound(json: &str) -> Cow<'_, str> {
    let mut repair = Repair { json, copied: 0, out: String::new() };
    let mut at = 0;
    while let Some(&byte) = json.as_bytes().get(at) {
        at = match byte {
            b'"' => repair.string(at + 1),
            b'-' | b'0'..=b'9' => repair.number(at),
            _ => at + 1,
        };
    }
    repair.finish()
}

/// What was read so far, copied only where something had to be replaced.
struct Repair<'a> {
    json: &'a str,
    copied: usize,
    out: String,
}

impl<'a> Repair<'a> {
    fn finish(mut self) -> Cow<'a, str> {
        if self.copied == 0 {
            return Cow::Borrowed(self.json);
        }
        self.out.push_str(&self.json[self.copied..]);
        Cow::Owned(self.out)
    }

    fn replace(&mut self, from: usize, to: usize, by: &str) {
        self.out.push_str(&self.json[self.copied..from]);
        self.out.push_str(by);
        self.copied = to;
    }

    /// Reads a string after its first quote; where it ends.
    fn string(&mut self, mut at: usize) -> usize {
        let bytes = self.json.as_bytes();
        while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
            at += found;
            if bytes[at] == b'"' {
                return at + 1;
            }
            at = self.escape(at);
        }
        bytes.len()
    }

    /// Reads an escape; where it ends.
    fn escape(&mut self, at: usize) -> usize {
        let Some(unit) = self.unit(at) else { return at + 2 };
        let is_low = |unit| (0xdc00..0xe000).contains(&unit);
        match unit {
            0xd800..0xdc00 if self.unit(at + 6).is_some_and(is_low) => at + 12,
            0xd800..0xe000 => {
                self.replace(at, at + 6, LOST);
                at + 6
            }
            _ => at + 6,
        }
    }

    /// The number in `\u1234`, if that is what stands there.
    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    }

    /// Reads a number; where it ends.
    fn number(&mut self, at: usize) -> usize {
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let length = self.json.as_bytes()[at..].iter().take_while(|&byte| is_part(byte)).count();
        let number = &self.json[at..at + length];
        if !is_sound(number) {
            let quoted = format!("\"{number}\"");
            self.replace(at, at + length, &quoted);
        }
        at + length
    }
}

fn is_sound(number: &str) -> bool {
    if number.contains(['.', 'e', 'E']) {
        return number.parse::<f64>().is_ok_and(f64::is_finite);
    }
    number.len() < SAFE_DIGITS || number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_others_cannot_read_is_replaced() {
        for (json, expected) in [
            (r#"{"a":123456789012345678901234567890}"#, r#"{"a":"123456789012345678901234567890"}"#),
            (r"[-9223372036854775809,1]", r#"["-9223372036854775809",1]"#),
            (r"[1e400, 2]", r#"["1e400", 2]"#),
            (r#""a\ud800b""#, r#""a\ufffdb""#),
            (r#""\udc00\ud83d\ude00\ud83d""#, r#""\ufffd\ud83d\ude00\ufffd""#),
            (r#"{"\ud800":"\\ud800"}"#, r#"{"\ufffd":"\\ud800"}"#),
        ] {
            assert_eq!(sound(json), expected);
            serde_json::from_str::<serde_json::Value>(expected).unwrap();
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for json in [
            r#"{"big":18446744073709551615,"small":-9223372036854775808,"f":1.5e10,"s":"1e400 \"\ud83d\ude00"}"#,
            "[]",
            "null",
            "-0",
            r#""123456789012345678901234567890""#,
        ] {
            assert!(matches!(sound(json), Cow::Borrowed(same) if same == json), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_text_of_json_comes_back_as_json(text in ".*", number in any::<f64>()) {
            let json = serde_json::json!({ "text": text, "number": number }).to_string();
            prop_assert_eq!(sound(&json), json.as_str());
        }

        #[test]
        fn no_bytes_make_it_panic(json in ".*") {
            let _ = sound(&json);
        }

        #[test]
        fn pieces_in_any_order_make_sound_json(pieces in prop::collection::vec(
            prop::sample::select(vec![r"\ud800", r"\udc00", r"\u0041", r"\\", r#"\""#, "x", "é", "9"]), 0..12
        )) {
            let json = format!("\"{}\"", pieces.concat());
            prop_assert!(serde_json::from_str::<String>(&sound(&json)).is_ok(), "{} {}", json, sound(&json));
        }
    }
}
