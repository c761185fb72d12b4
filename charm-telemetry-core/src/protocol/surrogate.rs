//! Escapes in JSON text that name half of a UTF-16 pair.
//! The one rule: text without such an escape is not copied.
//!
//! Python's `json.dumps("\ud83d")` writes `"\ud83d"`: grammatical JSON that no UTF-8 string can hold. A browser
//! accepts it, a strict decoder refuses the whole document for it.

use std::borrow::Cow;

/// `json` with every lone surrogate escape replaced by `\ufffd`; pairs and everything else stay.
///
/// The text is expected to be grammatical; other text comes back unharmed or with replaced escapes, never longer.
pub(super) fn replace_lone_surrogates(json: &str) -> Cow<'_, str> {
    let mut fixed = String::new();
    let mut copied = 0;
    let mut at = 0;
    let bytes = json.as_bytes();
    while let Some(found) = memchr::memchr(b'\\', &bytes[at..]) {
        let escape = at + found;
        at = match unit(bytes, escape) {
            Some(0xD800..=0xDBFF) if matches!(unit(bytes, escape + UNIT), Some(0xDC00..=0xDFFF)) => {
                escape + 2 * UNIT
            }
            Some(0xD800..=0xDFFF) => {
                fixed.push_str(&json[copied..escape]);
                fixed.push_str(r"\ufffd");
                copied = escape + UNIT;
                copied
            }
            // The escaped character may itself be a backslash: step over both.
            _ => (escape + 2).min(bytes.len()),
        };
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    fixed.push_str(&json[copied..]);
    Cow::Owned(fixed)
}

/// The length of `\uXXXX`.
const UNIT: usize = 6;

/// The UTF-16 unit that the escape at `at` names, if there is such an escape.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + UNIT)?.strip_prefix(br"\u")?;
    digits
        .iter()
        .try_fold(0, |unit, digit| Some(unit << 4 | u16::try_from(char::from(*digit).to_digit(16)?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_lone_surrogates_is_borrowed() {
        for json in [r#""plain""#, r#""😀""#, r#""\\ud800""#, r#""\n\\""#, "", r"\", r#""\ud83d\ude00""#] {
            assert!(matches!(replace_lone_surrogates(json), Cow::Borrowed(same) if same == json), "{json}");
        }
    }

    #[test]
    fn each_half_alone_becomes_a_replacement_character() {
        assert_eq!(replace_lone_surrogates(r#""a\ud800b""#), r#""a\ufffdb""#);
        assert_eq!(replace_lone_surrogates(r#""\udc00\ud800""#), r#""\ufffd\ufffd""#);
        assert_eq!(
            replace_lone_surrogates(r#""\ud800\ud83d\ude00\\\ud800""#),
            r#""\ufffd\ud83d\ude00\\\ufffd""#
        );
    }
}
