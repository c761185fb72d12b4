//! What plain text means in YAML 1.1: `yes` is a boolean, `1:30` is ninety, `2001-01-01` a date.
//! One rule: whatever the reference's YAML reader does with a scalar, this does; `serde_yaml` reads YAML 1.2
//! and would take `no` for a text.

use super::node::Data;

/// The meaning of a scalar that has neither quotes nor a tag.
pub(crate) fn plain(text: &str) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Data::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Data::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Data::Bool(false),
        "=" | "<<" => return Data::Bad(format!("`{text}` has a special meaning in YAML; put it in quotes")),
        _ => {}
    }
    if looks_like_float(text) {
        return float(text);
    }
    if looks_like_int(text) {
        return int(text);
    }
    if looks_like_timestamp(text) {
        return timestamp(text);
    }
    Data::Str(text.to_owned())
}

/// The meaning of a scalar with a tag of YAML's own, such as `!!int`; `None` for any other tag.
pub(crate) fn tagged(tag: &str, text: &str) -> Option<Data> {
    Some(match tag.strip_prefix("tag:yaml.org,2002:")? {
        "str" => Data::Str(text.to_owned()),
        "null" => Data::Null,
        "bool" => match text.to_lowercase().as_str() {
            "yes" | "true" | "on" => Data::Bool(true),
            "no" | "false" | "off" => Data::Bool(false),
            _ => bad("boolean", text),
        },
        "int" => int(text),
        "float" => float(text),
        "timestamp" if looks_like_timestamp(text) => timestamp(text),
        "timestamp" => bad("date", text),
        "binary" => super::base64::decode(text).map_or_else(|| bad("base64 text", text), Data::Bytes),
        _ => return None,
    })
}

fn bad(what: &str, text: &str) -> Data {
    Data::Bad(format!("`{}` is not a {what}; correct it, or put it in quotes", super::node::shortened(text)))
}

fn int(text: &str) -> Data {
    let digits: String = text.trim().chars().filter(|c| *c != '_').collect();
    let (negative, digits) = signed(&digits);
    let value = if let Some(binary) = digits.strip_prefix("0b") {
        radix(binary, 2)
    } else if let Some(hex) = digits.strip_prefix("0x") {
        radix(hex, 16)
    } else if digits.contains(':') {
        sexagesimal(digits)
    } else if digits.len() > 1 && digits.starts_with('0') {
        radix(digits, 8)
    } else {
        radix(digits, 10)
    };
    match value {
        Some(value) => Data::Int(if negative { -value } else { value }),
        None => bad("whole number", text),
    }
}

fn float(text: &str) -> Data {
    let digits: String = text.trim().chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect();
    let (negative, digits) = signed(&digits);
    let value = match digits {
        ".inf" => Some(f64::INFINITY),
        ".nan" => Some(f64::NAN),
        _ if digits.contains(':') => sexagesimal_float(digits),
        _ => digits.parse().ok(),
    };
    match value {
        Some(value) => Data::Float(if negative { -value } else { value }),
        None => bad("number", text),
    }
}

fn signed(digits: &str) -> (bool, &str) {
    match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    }
}

/// More digits than this are refused by the reference as well.
const MOST_DIGITS: usize = 4300;

/// The number, or the largest there is when it is too large; `None` if a character is not a digit.
pub(crate) fn radix(digits: &str, radix: u32) -> Option<i128> {
    if digits.is_empty() || (radix == 10 && digits.len() > MOST_DIGITS) {
        return None;
    }
    digits.chars().try_fold(0_i128, |value, c| {
        Some(value.saturating_mul(i128::from(radix)).saturating_add(i128::from(c.to_digit(radix)?)))
    })
}

fn sexagesimal(digits: &str) -> Option<i128> {
    digits
        .split(':')
        .try_fold(0_i128, |value, part| Some(value.saturating_mul(60).saturating_add(radix(part, 10)?)))
}

fn sexagesimal_float(digits: &str) -> Option<f64> {
    digits.split(':').try_fold(0.0, |value, part| Some(value * 60.0 + part.parse::<f64>().ok()?))
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(allowed)
}

/// `[0-9][0-9_]*`
fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && all(text, |b| b.is_ascii_digit() || b == b'_')
}

/// `[0-5]?[0-9]`
fn is_sixtieth(text: &str) -> bool {
    let digits = text.as_bytes();
    match digits {
        [low] => low.is_ascii_digit(),
        [high, low] => (b'0'..=b'5').contains(high) && low.is_ascii_digit(),
        _ => false,
    }
}

fn looks_like_int(text: &str) -> bool {
    let text = unsigned(text);
    if let Some(binary) = text.strip_prefix("0b") {
        return !binary.is_empty() && all(binary, |b| matches!(b, b'0' | b'1' | b'_'));
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return !hex.is_empty() && all(hex, |b| b.is_ascii_hexdigit() || b == b'_');
    }
    if text.starts_with('0') {
        return all(text, |b| matches!(b, b'0'..=b'7' | b'_'));
    }
    let mut parts = text.split(':');
    parts.next().is_some_and(is_number) && parts.all(is_sixtieth)
}

fn looks_like_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") || matches!(unsigned(text), ".inf" | ".Inf" | ".INF") {
        return true;
    }
    // A number that starts with its point has no sign: `-.5` is a text.
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    if let Some(exponent) = exponent {
        let Some(digits) = exponent.strip_prefix(['-', '+']) else { return false };
        if digits.is_empty() || !all(digits, |b| b.is_ascii_digit()) {
            return false;
        }
    }
    if let Some(fraction) = mantissa.strip_prefix('.') {
        return is_number(fraction);
    }
    let Some((whole, fraction)) = unsigned(mantissa).split_once('.') else { return false };
    if !all(fraction, |b| b.is_ascii_digit() || b == b'_') {
        return false;
    }
    let mut parts = whole.split(':');
    let simple = !whole.contains(':');
    parts.next().is_some_and(is_number) && parts.all(is_sixtieth) && (simple || exponent.is_none())
}

fn looks_like_timestamp(text: &str) -> bool {
    Stamp::read(text).is_some()
}

fn timestamp(text: &str) -> Data {
    match Stamp::read(text) {
        Some(stamp) if stamp.exists() => Data::Timestamp,
        _ => bad("date", text),
    }
}

/// The numbers of a date, not yet looked at.
struct Stamp {
    year: u32,
    month: u32,
    day: u32,
    /// Hour, minute, second and the minutes of the offset.
    time: Option<(u32, u32, u32, u32)>,
}

impl Stamp {
    /// `YYYY-MM-DD`, or with one digit where a time follows: `YYYY-M-D h:mm:ss.fff +h:mm`.
    fn read(text: &str) -> Option<Self> {
        let (year, rest) = digits(text, 4, 4)?;
        let (month, rest) = digits(rest.strip_prefix('-')?, 1, 2)?;
        let month_digits = rest.len();
        let (day, rest) = digits(rest.strip_prefix('-')?, 1, 2)?;
        if rest.is_empty() {
            let whole = text.len() == "YYYY-MM-DD".len() && month_digits == "-DD".len();
            return whole.then_some(Self { year, month, day, time: None });
        }
        let rest = match rest.strip_prefix(['T', 't']) {
            Some(rest) => rest,
            None if rest.starts_with([' ', '\t']) => rest.trim_start_matches([' ', '\t']),
            None => return None,
        };
        let (hour, rest) = digits(rest, 1, 2)?;
        let (minute, rest) = digits(rest.strip_prefix(':')?, 2, 2)?;
        let (second, rest) = digits(rest.strip_prefix(':')?, 2, 2)?;
        let rest =
            rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        let offset = offset_minutes(rest)?;
        Some(Self { year, month, day, time: Some((hour, minute, second, offset)) })
    }

    fn exists(&self) -> bool {
        const DAY: u32 = 24 * 60;
        let leap =
            self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let last = match self.month {
            2 => 28 + u32::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let date = self.year > 0 && (1..=12).contains(&self.month) && (1..=last).contains(&self.day);
        date && self.time.is_none_or(|(hour, minute, second, offset)| {
            hour < 24 && minute < 60 && second < 60 && offset < DAY
        })
    }
}

fn offset_minutes(text: &str) -> Option<u32> {
    if text.is_empty() {
        return Some(0);
    }
    let text = text.trim_start_matches([' ', '\t']);
    if text == "Z" {
        return Some(0);
    }
    let (hours, rest) = digits(text.strip_prefix(['-', '+'])?, 1, 2)?;
    if rest.is_empty() {
        return Some(hours * 60);
    }
    let (minutes, rest) = digits(rest.strip_prefix(':')?, 2, 2)?;
    rest.is_empty().then_some(hours * 60 + minutes)
}

fn digits(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    let (number, rest) = text.split_at(count);
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
#[path = "yaml11_tests.rs"]
mod tests;
