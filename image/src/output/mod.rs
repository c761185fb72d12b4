//! Where an image goes.
//!
//! Rule: an output is whole or not there: everything is written beside its place and moved into it at the end.

mod archive;
mod layout;
mod load;
mod occupant;
mod places;
mod push;

pub(crate) use archive::{beside, write as write_archive};
pub(crate) use layout::write as write_layout;
pub(crate) use load::{Engine, load};
use occupant::{Occupant, occupant};
pub(crate) use places::refuse_shared;
pub use push::Pushed;
pub(crate) use push::{PushTarget, push};

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Value, json};

use crate::error::{OutputError, RequestError};
use crate::image::Image;
use crate::reference::Reference;

/// A file or a folder to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// An OCI layout.
    Layout(PathBuf),
    /// One file that Docker, Podman and skopeo read.
    Archive(PathBuf),
}

impl Output {
    /// Refuses a place that cannot be written to or holds something else, and leaves nothing there.
    pub(crate) fn check(&self, tags: &[Reference]) -> Result<(), OutputError> {
        let path = match self {
            Self::Layout(folder) if occupant(folder, tags)? == Occupant::Replaceable => {
                return tempfile::tempfile_in(folder).map(drop).map_err(OutputError::writing(folder));
            }
            Self::Layout(folder) => folder,
            Self::Archive(file) => {
                archive::refuse_others(file)?;
                archive::refuse_others(&archive::beside(file)).map(|()| file)?
            }
        };
        let parent = layout::parent(path);
        let shown = if parent.is_dir() { path } else { &parent };
        // Folders that are missing are made when there is something to put into them.
        let there = parent.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        tempfile::tempfile_in(there).map(drop).map_err(OutputError::writing(shown))
    }
}

/// As it is typed.
impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout(folder) => write!(f, "oci:{}", folder.display()),
            Self::Archive(file) => write!(f, "tar:{}", file.display()),
        }
    }
}

impl FromStr for Output {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        match text.split_once(':') {
            Some(("oci", path)) if !path.is_empty() => Ok(Self::Layout(path.into())),
            Some(("tar", path)) if !path.is_empty() => Ok(Self::Archive(path.into())),
            _ => Err(RequestError::Argument(format!(
                "`--output {text}` is no place; write `oci:DIR` or `tar:FILE`"
            ))),
        }
    }
}

/// The `index.json` of a layout: the image under each of its tags.
fn index(image: &Image, tags: &[Reference]) -> Value {
    let entry = |annotations: Value| {
        let mut entry = image.manifest_descriptor().to_json();
        entry["platform"] = json!({ "architecture": image.platform.architecture, "os": "linux" });
        if let Some(variant) = &image.platform.variant {
            entry["platform"]["variant"] = json!(variant);
        }
        if annotations.is_object() {
            entry["annotations"] = annotations;
        }
        entry
    };
    let mut entries: Vec<_> = tags.iter().map(|tag| entry(tag_annotations(tag))).collect();
    if entries.is_empty() {
        entries.push(entry(Value::Null));
    }
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": entries,
    })
}

/// The first is OCI's own, which some take for the tag alone; from the second engines restore the whole name.
fn tag_annotations(tag: &Reference) -> Value {
    json!({
        "org.opencontainers.image.ref.name": tag.tag.as_deref().unwrap_or("latest"),
        "io.containerd.image.name": tag.to_string(),
    })
}

const OCI_LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
