//! The outer form of everything that is sent: a line of headers, then items of a line and a payload.
//!
//! Rule: `length` counts bytes, and each payload is followed by a line break; what is short is thrown away whole.

use serde::Serialize;

/// The `Content-Type` of an envelope.
pub(crate) const CONTENT_TYPE: &str = "application/x-sentry-envelope";

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemType {
    Event,
    Transaction,
    /// So many spans of the second version.
    Spans(usize),
    ClientReport,
}

#[derive(Serialize)]
struct ItemHeader {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_count: Option<usize>,
    content_type: &'static str,
    length: usize,
}

/// An envelope of one item.
pub(crate) fn envelope(header: &impl Serialize, item: ItemType, payload: &[u8]) -> Vec<u8> {
    let header = serde_json::to_vec(header).expect("a header is texts");
    let item = serde_json::to_vec(&item.header(payload.len())).expect("a header is texts");
    let mut bytes = Vec::with_capacity(header.len() + item.len() + payload.len() + 3);
    for part in [&header[..], &item[..], payload] {
        bytes.extend_from_slice(part);
        bytes.push(b'\n');
    }
    bytes
}

impl ItemType {
    fn header(self, length: usize) -> ItemHeader {
        let (r#type, item_count, content_type) = match self {
            Self::Event => ("event", None, "application/json"),
            Self::Transaction => ("transaction", None, "application/json"),
            Self::Spans(count) => ("span", Some(count), "application/vnd.sentry.items.span.v2+json"),
            Self::ClientReport => ("client_report", None, "application/json"),
        };
        ItemHeader { r#type, item_count, content_type, length }
    }
}
