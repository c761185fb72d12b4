//! Python's `marshal` format, which every Python reads without importing anything.
//! The one rule: only the type codes that have been the same since Python 3.0 are used.

use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// Writes one Python value.
#[derive(Debug, Default)]
pub(super) struct Marshal {
    bytes: Vec<u8>,
}

impl Marshal {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Starts a dictionary: pairs of values follow, then [`Marshal::end_dict`].
    pub(super) fn dict(&mut self) {
        self.bytes.push(b'{');
    }

    pub(super) fn end_dict(&mut self) {
        self.bytes.push(b'0');
    }

    pub(super) fn none(&mut self) {
        self.bytes.push(b'N');
    }

    pub(super) fn str(&mut self, value: &str) {
        self.bytes.push(b'u');
        self.len(value.len());
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// Writes JSON text as the value that Python's `json.loads` would give, its keys in their order.
    ///
    /// The text is to be plain: whole numbers beyond 64 bits become floats, half a surrogate pair is an error.
    pub(super) fn json(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(text);
        Json(self).deserialize(&mut reader)?;
        reader.end()
    }

    fn bool(&mut self, value: bool) {
        self.bytes.push(if value { b'T' } else { b'F' });
    }

    fn float(&mut self, value: f64) {
        self.bytes.push(b'g');
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn int(&mut self, value: i128) {
        if let Ok(small) = i32::try_from(value) {
            self.bytes.push(b'i');
            self.bytes.extend_from_slice(&small.to_le_bytes());
            return;
        }
        self.bytes.push(b'l');
        let mut digits = Vec::with_capacity(5);
        let mut rest = value.unsigned_abs();
        while rest > 0 {
            digits.push(u16::try_from(rest & 0x7fff).expect("15 bits fit in 16"));
            rest >>= 15;
        }
        let count = i32::try_from(digits.len()).expect("a 64-bit number has at most 5 digits");
        let signed = if value < 0 { -count } else { count };
        self.bytes.extend_from_slice(&signed.to_le_bytes());
        for digit in digits {
            self.bytes.extend_from_slice(&digit.to_le_bytes());
        }
    }

    fn len(&mut self, len: usize) {
        let len = u32::try_from(len).expect("inputs are far below 4 GiB");
        self.bytes.extend_from_slice(&len.to_le_bytes());
    }
}

/// Copies one JSON value into the writer.
struct Json<'a>(&'a mut Marshal);

impl<'de> DeserializeSeed<'de> for Json<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Json<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.none();
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.bool(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.int(value.into());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.int(value.into());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.float(value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.0.str(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.bytes.push(b'[');
        let at = self.0.bytes.len();
        self.0.len(0);
        let mut count = 0_u32;
        while items.next_element_seed(Json(&mut *self.0))?.is_some() {
            count += 1;
        }
        self.0.bytes[at..at + 4].copy_from_slice(&count.to_le_bytes());
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        self.0.dict();
        while pairs.next_key_seed(Json(&mut *self.0))?.is_some() {
            pairs.next_value_seed(Json(&mut *self.0))?;
        }
        self.0.end_dict();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marshalled(json: &str) -> Vec<u8> {
        let mut marshal = Marshal::default();
        marshal.json(json).expect("the test's JSON is valid");
        marshal.into_bytes()
    }

    #[test]
    fn scalars_have_pythons_codes() {
        assert_eq!(marshalled("null"), b"N");
        assert_eq!(marshalled("true"), b"T");
        assert_eq!(marshalled("-2"), b"i\xfe\xff\xff\xff");
        assert_eq!(marshalled("0.5"), b"g\0\0\0\0\0\0\xe0\x3f");
        assert_eq!(marshalled("\"\u{e9}\""), b"u\x02\0\0\0\xc3\xa9");
    }

    #[test]
    fn numbers_beyond_32_bits_are_digits_of_15_bits() {
        assert_eq!(marshalled("4294967296"), b"l\x03\0\0\0\0\0\0\0\x04\0");
        assert_eq!(marshalled("-4294967296"), b"l\xfd\xff\xff\xff\0\0\0\0\x04\0");
    }

    #[test]
    fn objects_keep_the_order_of_their_keys() {
        assert_eq!(marshalled(r#"{"b":[],"a":[null]}"#), b"{u\x01\0\0\0b[\0\0\0\0u\x01\0\0\0a[\x01\0\0\0N0");
    }

    #[test]
    fn trailing_text_is_refused() {
        assert!(Marshal::default().json("{} x").is_err());
    }
}
