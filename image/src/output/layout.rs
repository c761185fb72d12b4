//! Writes an OCI layout.
//!
//! Rule: a folder that holds something else is left alone, and what names an image is written after all that it names.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::occupant::{Occupant, blobs_of_images, occupant};
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
    // Held to the end: another build may have the same folder for its output.
    let _turn = turn(folder);
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

/// Waits until nobody else writes into this folder. Some file systems know no such turns: there, as without one.
fn turn(folder: &Path) -> Option<fs::File> {
    let folder = folder.is_dir().then(|| fs::File::open(folder).ok()).flatten()?;
    folder.lock().is_ok().then_some(folder)
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
/// whole until the index says otherwise. Blobs that it did not have stay.
fn merge(partial: &Path, folder: &Path) -> io::Result<()> {
    let (there, new) = (names(&folder.join(BLOBS))?, names(&partial.join(BLOBS))?);
    let old = blobs_of_images(folder);
    let was_empty = !folder.join("index.json").exists();
    let moved = move_all(partial, folder, &new);
    let superfluous = if moved.is_ok() { old.difference(&new) } else { new.difference(&there) };
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::digest::Digest;

    /// Writes a layout of one image without a configuration; the names of its blobs, the manifest's first.
    fn write_layout(folder: &Path, layer: &str) -> [OsString; 2] {
        fs::create_dir_all(folder.join(BLOBS)).unwrap();
        let blob = |text: &str| {
            let digest = Digest::of(text.as_bytes());
            fs::write(folder.join(BLOBS).join(digest.hex()), text).unwrap();
            digest
        };
        let layer = blob(layer);
        let manifest = blob(&json!({ "layers": [{ "digest": layer }] }).to_string());
        fs::write(folder.join("oci-layout"), OCI_LAYOUT).unwrap();
        let index = json!({ "manifests": [{ "digest": manifest }] });
        fs::write(folder.join("index.json"), index.to_string()).unwrap();
        [manifest, layer].map(|digest| digest.hex().into())
    }

    #[test]
    fn of_an_older_image_nothing_is_left_and_of_anybody_else_everything() {
        let home = tempfile::tempdir().unwrap();
        let (folder, partial) = (home.path().join("image"), home.path().join("partial"));
        write_layout(&folder, "old");
        fs::write(folder.join(BLOBS).join("theirs"), "stays").unwrap();
        let new = write_layout(&partial, "new");
        merge(&partial, &folder).unwrap();
        let expected = new.into_iter().chain(["theirs".into()]).collect();
        assert_eq!(names(&folder.join(BLOBS)).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_merged_leaves_the_older_image_and_everybody_elses_blobs() {
        let home = tempfile::tempdir().unwrap();
        let (folder, partial) = (home.path().join("image"), home.path().join("partial"));
        let old = write_layout(&folder, "old");
        let [_, layer] = write_layout(&partial, "new");
        // A blob of nobody's image that the new one has, too.
        fs::copy(partial.join(BLOBS).join(&layer), folder.join(BLOBS).join(&layer)).unwrap();
        fs::remove_file(partial.join("index.json")).unwrap();
        merge(&partial, &folder).unwrap_err();
        assert_eq!(names(&folder.join(BLOBS)).unwrap(), old.into_iter().chain([layer]).collect());
        assert_eq!(blobs_of_images(&folder).len(), 2, "its index is the older one");
    }
}
