//! Writes an OCI layout.
//!
//! Rule: a folder that holds something else is left alone, and what names an image is written after all that it names.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::occupant::{Occupant, occupant};
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
    let is_new = occupant(folder, tags)? == Occupant::Nothing;
    // A folder that is there may be a mount, or all that we may write to: it stays, and what is in it changes.
    let beside = if is_new { parent(folder) } else { folder.to_owned() };
    fs::create_dir_all(&beside).map_err(OutputError::writing(&beside))?;
    let partial = PartialFolder::new_in(&beside).map_err(OutputError::writing(folder))?;
    fill(image, tags, partial.path(), folder, cache)?;
    let placed = if is_new {
        partial.persist(|partial| {
            fs::set_permissions(partial, fs::Permissions::from_mode(0o755))?;
            fs::rename(partial, folder)
        })
    } else {
        partial.empty(|partial| merge(partial, folder))
    };
    Ok(placed.map_err(OutputError::writing(folder))?)
}

fn fill(
    image: &Image,
    tags: &[Reference],
    partial: &Path,
    shown: &Path,
    cache: &BlobCache<'_>,
) -> Result<(), ImageError> {
    let writing = |error| OutputError::writing(shown)(error);
    let blobs = partial.join(BLOBS);
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

const BLOBS: &str = "blobs/sha256";

/// Moves a whole layout into a folder that is empty or has an older one. Blobs go by their digests, so the older image is
/// whole until the index says otherwise.
fn merge(partial: &Path, folder: &Path) -> io::Result<()> {
    let (old, new) = (names(&folder.join(BLOBS))?, names(&partial.join(BLOBS))?);
    let was_empty = !folder.join("index.json").exists();
    let moved = move_all(partial, folder, &new);
    let superfluous = if moved.is_ok() { old.difference(&new) } else { new.difference(&old) };
    for name in superfluous {
        // What is in the way of nobody is no reason to fail.
        let _ = fs::remove_file(folder.join(BLOBS).join(name));
    }
    if moved.is_err() && was_empty {
        let _ = fs::remove_file(folder.join("oci-layout"));
        let _ = fs::remove_dir_all(folder.join("blobs"));
    }
    moved
}

fn move_all(partial: &Path, folder: &Path, blobs: &BTreeSet<OsString>) -> io::Result<()> {
    fs::create_dir_all(folder.join(BLOBS))?;
    let go = |path: &Path| fs::rename(partial.join(path), folder.join(path));
    blobs.iter().try_for_each(|name| go(&Path::new(BLOBS).join(name)))?;
    go(Path::new("oci-layout"))?;
    go(Path::new("index.json"))
}

fn names(folder: &Path) -> io::Result<BTreeSet<OsString>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

/// The folder above; of a bare name, the current one.
pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
