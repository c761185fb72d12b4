//! Single values: what is taken for a text, a number, a boolean.
//! One rule: `"3"` is a number and `1.0` is true exactly where the reference thinks so.

use super::node::{Data, Node};
use super::yaml11;

/// The forms a text may have to have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pattern {
    /// `0.4`, or `0.4.` and a number.
    ContractVersion,
    /// `1.2.3`
    ThreeNumbers,
}

impl Pattern {
    pub(crate) fn matches(self, text: &str) -> bool {
        match self {
            Self::ContractVersion => text == "0.4" || text.strip_prefix("0.4.").is_some_and(is_digits),
            Self::ThreeNumbers => text.split('.').count() == 3 && text.split('.').all(is_digits),
        }
    }

    pub(crate) fn wanted(self) -> &'static str {
        match self {
            Self::ContractVersion => "the version of the contract, `\"0.4\"` or `\"0.4.1\"`",
            Self::ThreeNumbers => "three numbers with points between, such as `1.2.3`",
        }
    }
}

/// A text; binary data is one if it is UTF-8.
pub(crate) fn text(node: &Node) -> Option<String> {
    match &node.data {
        Data::Str(text) => Some(text.clone()),
        Data::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    }
}

pub(crate) fn bool(node: &Node) -> Option<bool> {
    match &node.data {
        Data::Bool(value) => Some(*value),
        Data::Int(0) => Some(false),
        Data::Int(1) => Some(true),
        Data::Float(value) if *value == 0.0 => Some(false),
        Data::Float(value) if (*value - 1.0).abs() == 0.0 => Some(true),
        _ => match text(node)?.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" | "y" | "yes" | "on" => Some(true),
            "0" | "f" | "false" | "n" | "no" | "off" => Some(false),
            _ => None,
        },
    }
}

pub(crate) fn int(node: &Node) -> Option<i128> {
    match &node.data {
        Data::Bool(value) => Some(i128::from(*value)),
        Data::Int(value) => Some(*value),
        Data::Float(value) => int_of_float(*value),
        _ => int_of_text(text(node)?.trim()),
    }
}

fn int_of_float(value: f64) -> Option<i128> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let whole = value.fract() == 0.0 && -LIMIT < value && value < LIMIT;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within 64 bits")]
    whole.then_some(value as i128)
}

/// A sign, digits with single `_` between them, and a fraction if it is all zeros.
fn int_of_text(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = match digits.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        Some(_) => return None,
        None => digits,
    };
    if digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    let value = yaml11::radix(&digits.replace('_', ""), 10)?;
    Some(if negative { -value } else { value })
}

pub(crate) fn float(node: &Node) -> Option<f64> {
    match &node.data {
        Data::Bool(value) => Some(f64::from(u8::from(*value))),
        #[expect(clippy::cast_precision_loss, reason = "the nearest float is what the reference takes")]
        Data::Int(value) => Some(*value as f64),
        Data::Float(value) => Some(*value),
        _ => float_of_text(text(node)?.trim()),
    }
}

fn float_of_text(text: &str) -> Option<f64> {
    if text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return None;
    }
    text.replace('_', "").parse().ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_digit)
}

/// A decimal digit of any script, as the reference's patterns have it.
fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
        || (!c.is_ascii() && ZEROS.iter().any(|zero| (*zero..*zero + 10).contains(&(c as u32))))
}

/// The zero of every script; its other nine digits follow it.
const ZEROS: &[u32] = &[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
    0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x1_04a0, 0x1_0d30, 0x1_0d40, 0x1_1066,
    0x1_10f0, 0x1_1136, 0x1_11d0, 0x1_12f0, 0x1_1450, 0x1_14d0, 0x1_1650, 0x1_16c0, 0x1_16d0, 0x1_16da,
    0x1_1730, 0x1_18e0, 0x1_1950, 0x1_1bf0, 0x1_1c50, 0x1_1d50, 0x1_1da0, 0x1_1f50, 0x1_6130, 0x1_6a60,
    0x1_6ac0, 0x1_6b50, 0x1_6d70, 0x1_ccf0, 0x1_d7ce, 0x1_d7d8, 0x1_d7e2, 0x1_d7ec, 0x1_d7f6, 0x1_e140,
    0x1_e2f0, 0x1_e4f0, 0x1_e5f1, 0x1_e950, 0x1_fbf0,
];
