//! What is in a folder that a layout is to be written to.
//!
//! Rule: only what is known to be ours is replaced: nobody else's image, and no file that a layout does not have.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::config;
use crate::digest::Digest;
use crate::error::OutputError;
use crate::partial;
use crate::reference::Reference;

/// What a folder is before we write to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occupant {
    /// It is not there.
    Nothing,
    /// It is empty, or holds an older image of ours.
    Replaceable,
}

/// An empty folder, or a layout with no image but an older one of ours, may be replaced.
pub(super) fn occupant(folder: &Path, tags: &[Reference]) -> Result<Occupant, OutputError> {
    let Ok(entries) = fs::read_dir(folder) else {
        return match fs::symlink_metadata(folder) {
            Ok(_) => Err(occupied(folder, "is not a folder that can be read")),
            Err(_) => Ok(Occupant::Nothing),
        };
    };
    let names: Vec<_> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let mut names = names.iter().filter(|name| !is_nobodys(name)).peekable();
    if names.peek().is_none() {
        return Ok(Occupant::Replaceable);
    }
    let Some(index) = read(&folder.join("index.json")).filter(|_| folder.join("oci-layout").is_file()) else {
        return Err(occupied(folder, "holds something that is no OCI layout"));
    };
    if let Some(foreign) = names.find(|name| !PARTS.contains(&name.as_str())) {
        return Err(occupied(folder, &format!("holds `{foreign}`, which is no part of an OCI layout")));
    }
    let Some(images) = index["manifests"].as_array() else {
        return Err(occupied(folder, "holds an `index.json` that lists no images"));
    };
    match images.iter().find_map(|image| foreign(folder, image, images.len(), tags)) {
        Some(whose) => Err(occupied(folder, &format!("holds another image, {whose}"))),
        None => Ok(Occupant::Replaceable),
    }
}

const PARTS: [&str; 3] = ["oci-layout", "index.json", "blobs"];

/// What a build that was killed left, and the folder that a disk of its own has from the beginning.
fn is_nobodys(name: &str) -> bool {
    name.starts_with(partial::PREFIX) || name == "lost+found"
}

/// The blobs that the images of a layout are made of. A folder may hold more: that is of somebody else.
pub(super) fn blobs_of_images(folder: &Path) -> BTreeSet<OsString> {
    let index = read(&folder.join("index.json")).unwrap_or_default();
    let mut reached = BTreeSet::new();
    for image in index["manifests"].as_array().into_iter().flatten() {
        let manifest = blob(folder, image).unwrap_or_default();
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let named = [image, &manifest["config"]].into_iter().chain(layers).filter_map(digest);
        reached.extend(named.map(|digest| OsString::from(digest.hex())));
    }
    reached
}

/// How to call an image that is not to be replaced.
fn foreign(folder: &Path, image: &Value, count: usize, tags: &[Reference]) -> Option<String> {
    match name(image) {
        Some(name) if !tags.iter().any(|tag| is_called(tag, name)) => Some(format!("`{name}`")),
        None if count > 1 => Some("several without a name".to_owned()),
        name if !is_ours(folder, image) => Some(format!(
            "{} that was not built here",
            name.map_or("one".to_owned(), |name| format!("`{name}`"))
        )),
        _ => None,
    }
}

/// The whole name as we write it; what copied the image may have left only OCI's own, which is often the tag alone.
fn name(image: &Value) -> Option<&str> {
    let annotation = |key: &str| image.get("annotations")?.get(key)?.as_str();
    annotation("io.containerd.image.name").or_else(|| annotation("org.opencontainers.image.ref.name"))
}

fn is_called(tag: &Reference, name: &str) -> bool {
    tag.to_string() == name || tag.tag.as_deref().unwrap_or("latest") == name
}

/// Its last layer tells who made it: an image that somebody built upon ours is theirs.
fn is_ours(folder: &Path, image: &Value) -> bool {
    let config = blob(folder, image).and_then(|manifest| blob(folder, manifest.get("config")?));
    config.is_some_and(|config| {
        let last = config["history"].as_array().and_then(|history| history.last());
        last.and_then(|entry| entry["created_by"].as_str())
            .is_some_and(|made| made.starts_with(config::MAKER))
    })
}

fn blob(folder: &Path, descriptor: &Value) -> Option<Value> {
    read(&folder.join("blobs/sha256").join(digest(descriptor)?.hex()))
}

fn digest(descriptor: &Value) -> Option<Digest> {
    Digest::parse(descriptor.get("digest")?.as_str()?)
}

fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn occupied(folder: &Path, what: &str) -> OutputError {
    OutputError::Occupied(format!("`{}` {what}; choose a new folder or remove it", folder.display()))
}

#[cfg(test)]
mod tests;
