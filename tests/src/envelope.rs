//! An envelope of Sentry's, taken apart.
//!
//! Rule: what cannot be read fails the test that reads it.

use serde_json::Value;

/// The headers of an envelope, and its items: their headers and payloads.
///
/// # Panics
/// It is none.
pub fn read(body: &[u8]) -> (Value, Vec<(Value, Value)>) {
    let (mut rest, mut items) = (body, Vec::new());
    let headers = line(&mut rest);
    while !rest.is_empty() {
        let header = line(&mut rest);
        let length = header["length"].as_u64().expect("an item has a length");
        let length = usize::try_from(length).expect("it fits");
        let payload: Value = serde_json::from_slice(&rest[..length]).expect("a payload is JSON");
        if let Some(count) = header["item_count"].as_u64() {
            let items = payload["items"].as_array().map_or(0, Vec::len);
            assert_eq!(usize::try_from(count), Ok(items), "`item_count` is right: {header}");
        }
        assert!(matches!(rest.get(length), None | Some(b'\n')), "`length` is right: {header}");
        items.push((header, payload));
        rest = &rest[(length + 1).min(rest.len())..];
    }
    (headers, items)
}

fn line(rest: &mut &[u8]) -> Value {
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    let line = serde_json::from_slice(&rest[..end]).expect("a header is JSON");
    *rest = &rest[(end + 1).min(rest.len())..];
    line
}

/// Every payload of these envelopes that is of this type.
///
/// # Panics
/// One is no envelope.
pub fn payloads<'a>(bodies: impl IntoIterator<Item = &'a [u8]>, kind: &str) -> Vec<Value> {
    let items = bodies.into_iter().flat_map(|body| read(body).1);
    items.filter(|(header, _)| header["type"] == kind).map(|(_, payload)| payload).collect()
}
