//! Writes an OCI layout.
//!
//! Rule: a folder that holds something else is left alone.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{OCI_LAYOUT, index};
use crate::blobs::BlobCache;
use crate::error::{ImageError, OutputError};
use crate::image::Image;
use crate::partial::PartialFolder;
use crate::reference::Reference;

pub(crate) fn write(
    image: &Image,
    tags: &[Reference],
    folder: &Path,
    cache: &BlobCache<'_>,
) -> Result<(), ImageError> {
    let replaced = occupant(folder, tags)?;
    let parent = parent(folder);
    fs::create_dir_all(&parent).map_err(OutputError::writing(&parent))?;
    let partial = PartialFolder::new_in(&parent).map_err(OutputError::writing(folder))?;
    fill(image, tags, partial.path(), folder, cache)?;
    let moved = partial.persist(|partial| move_into_place(partial, folder, replaced));
    Ok(moved.map_err(OutputError::writing(folder))?)
}

fn fill(
    image: &Image,
    tags: &[Reference],
    partial: &Path,
    shown: &Path,
    cache: &BlobCache<'_>,
) -> Result<(), ImageError> {
    let writing = |error| OutputError::writing(shown)(error);
    let blobs = partial.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(writing)?;
    for layer in image.distinct_layers() {
        let mut bytes = image.open(layer, cache)?;
        copy(&mut bytes, &blobs.join(layer.descriptor.digest.hex())).map_err(writing)?;
    }
    let put = |path: PathBuf, bytes: &[u8]| fs::write(path, bytes).map_err(writing);
    put(blobs.join(image.config_descriptor.digest.hex()), &image.config)?;
    put(blobs.join(image.digest.hex()), &image.manifest)?;
    put(partial.join("oci-layout"), OCI_LAYOUT.as_bytes())?;
    put(partial.join("index.json"), index(image, tags).to_string().as_bytes())?;
    Ok(())
}

fn copy(bytes: &mut dyn Read, path: &Path) -> io::Result<()> {
    io::copy(bytes, &mut fs::File::create(path)?).map(drop)
}

/// What a folder is before we write to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occupant {
    Nothing,
    Replaceable,
}

/// An empty folder, or a layout with no image but an older one of ours, may be replaced.
pub(super) fn occupant(folder: &Path, tags: &[Reference]) -> Result<Occupant, OutputError> {
    let Ok(mut entries) = fs::read_dir(folder) else {
        return match fs::symlink_metadata(folder) {
            Ok(_) => Err(occupied(folder, "is not a folder that can be read")),
            Err(_) => Ok(Occupant::Nothing),
        };
    };
    if entries.next().is_none() {
        return Ok(Occupant::Replaceable);
    }
    let index = fs::read(folder.join("index.json")).ok();
    let index = index.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    let Some(index) = index.filter(|_| folder.join("oci-layout").is_file()) else {
        return Err(occupied(folder, "holds something that is no OCI layout"));
    };
    let images = index["manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |image: &Value| {
        let name = image.pointer("/annotations/io.containerd.image.name").and_then(Value::as_str);
        name.map(str::to_owned)
    };
    let foreign = images.iter().find(|image| match name(image) {
        Some(name) => !tags.iter().any(|tag| tag.to_string() == name),
        None => images.len() > 1,
    });
    match foreign {
        Some(image) => {
            let name = name(image).unwrap_or_else(|| "several images".to_owned());
            Err(occupied(folder, &format!("holds another image, `{name}`")))
        }
        None => Ok(Occupant::Replaceable),
    }
}

fn occupied(folder: &Path, what: &str) -> OutputError {
    OutputError::Occupied(format!("`{}` {what}; choose a new folder or remove it", folder.display()))
}

fn move_into_place(partial: &Path, folder: &Path, replaced: Occupant) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(partial, fs::Permissions::from_mode(0o755))?;
    if replaced == Occupant::Nothing {
        return fs::rename(partial, folder);
    }
    let old = tempfile::Builder::new().prefix(".charm-image-old-").tempdir_in(parent(folder))?;
    let aside = old.path().join("old");
    fs::rename(folder, &aside)?;
    let Err(error) = fs::rename(partial, folder) else { return Ok(()) };
    if fs::rename(&aside, folder).is_ok() {
        return Err(error);
    }
    // Better in an odd place than gone.
    let kept = old.keep().join("old");
    Err(io::Error::new(error.kind(), format!("{error}; what was there is in `{}`", kept.display())))
}

/// The folder above; of a bare name, the current one.
pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
