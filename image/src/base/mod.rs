//! The image that ours stands on.
//!
//! Rule: a base is read and never changed; its layers are used byte for byte.

mod layout;
mod remote;
mod select;

use std::path::PathBuf;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::blobs::BlobCache;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{ImageError, RequestError};
use crate::media::Family;
use crate::platform::Platform;
use crate::reference::Reference;

pub(crate) use remote::RemoteBase;

/// What `--base` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseName {
    /// Nothing: the runner alone.
    Scratch,
    /// An OCI layout on disk.
    Layout(PathBuf),
    /// An image in a registry.
    Registry(Reference),
}

impl FromStr for BaseName {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        match text.strip_prefix("oci:") {
            Some(folder) => Ok(Self::Layout(folder.into())),
            None if text == "scratch" => Ok(Self::Scratch),
            None => text.parse().map(Self::Registry),
        }
    }
}

/// A base, read as far as its configuration.
#[derive(Debug)]
pub(crate) struct Base {
    /// How it calls itself in the labels of the image; nothing for scratch.
    pub(crate) name: Option<String>,
    /// The digest of its manifest (not of the index that it was chosen from).
    pub(crate) digest: Option<Digest>,
    pub(crate) family: Family,
    pub(crate) config: Value,
    pub(crate) layers: Vec<Descriptor>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Nowhere,
    Layout(PathBuf),
    Registry(Box<RemoteBase>),
}

impl Base {
    /// Reads the base for this platform.
    pub(crate) fn open(name: &BaseName, platform: &Platform) -> Result<Self, ImageError> {
        match name {
            BaseName::Scratch => Ok(Self::scratch(platform)),
            BaseName::Layout(folder) => Ok(layout::open(folder, platform)?),
            BaseName::Registry(reference) => Ok(remote::open(reference, platform)?),
        }
    }

    fn scratch(platform: &Platform) -> Self {
        let mut config = json!({
            "architecture": platform.architecture,
            "os": "linux",
            "config": { "WorkingDir": "/work" },
            "rootfs": { "type": "layers", "diff_ids": [] },
            "history": [],
        });
        if let Some(variant) = &platform.variant {
            config["variant"] = json!(variant);
        }
        Self {
            name: None,
            digest: None,
            family: Family::Oci,
            config,
            layers: Vec::new(),
            source: Source::Nowhere,
        }
    }

    pub(crate) fn is_scratch(&self) -> bool {
        matches!(self.source, Source::Nowhere)
    }

    /// A file with the bytes of one of its layers, compared with its digest.
    pub(crate) fn layer_file(
        &self,
        layer: &Descriptor,
        cache: &BlobCache<'_>,
    ) -> Result<PathBuf, ImageError> {
        match &self.source {
            Source::Nowhere => unreachable!("scratch has no layers"),
            Source::Layout(folder) => Ok(layout::checked_blob(folder, layer)?),
            Source::Registry(remote) => cache.fetch(layer, || Ok(remote.blob(&layer.digest)?)),
        }
    }

    /// Where it is, if that is a registry.
    pub(crate) fn remote(&self) -> Option<&RemoteBase> {
        match &self.source {
            Source::Registry(remote) => Some(remote),
            _ => None,
        }
    }
}
