//! A blob as a manifest names it: type, digest, size.
//!
//! Rule: a descriptor is read once, into this type; a malformed one goes no further.

use serde_json::{Value, json};

use crate::digest::Digest;

/// One blob of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What kind of blob it is.
    pub media_type: String,
    /// What it contains.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where else it can be had. Such a layer is not distributed with the image.
    pub urls: Vec<String>,
}

impl Descriptor {
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            urls: Vec::new(),
        }
    }

    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let urls = value.get("urls").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            media_type: value.get("mediaType")?.as_str()?.to_owned(),
            digest: Digest::parse(value.get("digest")?.as_str()?)?,
            size: value.get("size")?.as_u64()?,
            urls: urls.filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut value = json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.size });
        if !self.urls.is_empty() {
            value["urls"] = json!(self.urls);
        }
        value
    }
}
