//! Writes one tar that is an OCI layout and a Docker archive at once.
//!
//! Rule: the same image makes the same bytes; the blobs are stored once and both formats point at them.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{OCI_LAYOUT, index, layout};
use crate::blobs::BlobCache;
use crate::digest::Digest;
use crate::error::{ImageError, OutputError};
use crate::image::Image;
use crate::partial::{PartialFile, persist_all};
use crate::reference::Reference;

/// Writes the archive, and what belongs `beside` it: a file and its bytes.
pub(crate) fn write(
    image: &Image,
    tags: &[Reference],
    path: &Path,
    beside: Option<(&Path, &[u8])>,
    cache: &BlobCache<'_>,
) -> Result<(), ImageError> {
    refuse_others(path)?;
    let parent = layout::parent(path);
    std::fs::create_dir_all(&parent).map_err(OutputError::writing(&parent))?;
    let mut archive = PartialFile::new_in(&parent).map_err(OutputError::writing(path))?;
    append(image, tags, archive.as_file(), cache, path)?;
    archive.make_readable().map_err(OutputError::writing(path))?;
    let beside = match beside {
        Some((path, bytes)) => Some((list(&parent, path, bytes)?, path)),
        None => None,
    };
    Ok(place((archive, path), beside)?)
}

fn list(parent: &Path, path: &Path, bytes: &[u8]) -> Result<PartialFile, OutputError> {
    let mut list = PartialFile::new_in(parent).map_err(OutputError::writing(path))?;
    let written = list.as_file().write_all(bytes).and_then(|()| list.make_readable());
    written.map_err(OutputError::writing(path)).map(|()| list)
}

/// The archive goes last: if the other has no place, an older archive is still there.
fn place(archive: (PartialFile, &Path), beside: Option<(PartialFile, &Path)>) -> Result<(), OutputError> {
    persist_all(beside.into_iter().chain([archive]).collect())
}

/// Where the list of contents of an archive goes: `image.tar` -> `image.cdx.json`. Another ending is part of the name, as
/// in `image-1.2`.
pub(crate) fn beside(archive: &Path) -> PathBuf {
    let is_tar = archive.extension().is_some_and(|ending| ending == "tar");
    let mut name = if is_tar { archive.with_extension("") } else { archive.to_owned() }.into_os_string();
    name.push(".cdx.json");
    name.into()
}

/// A file is replaced; a folder, a device or a pipe is not ours to replace.
pub(super) fn refuse_others(path: &Path) -> Result<(), OutputError> {
    let Ok(metadata) = std::fs::metadata(path) else { return Ok(()) };
    let path = path.display();
    match metadata.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => {
            Err(OutputError::Occupied(format!("`{path}` is a folder; name a file, as `{path}/image.tar`")))
        }
        _ => Err(OutputError::Occupied(format!("`{path}` is no file but a device or a pipe; name a file"))),
    }
}

fn append(
    image: &Image,
    tags: &[Reference],
    file: &mut File,
    cache: &BlobCache<'_>,
    shown: &Path,
) -> Result<(), ImageError> {
    let writing = |error| OutputError::writing(shown)(error);
    let mut tar = tar::Builder::new(BufWriter::with_capacity(256 * 1024, file));
    let small = |tar: &mut tar::Builder<_>, name: &str, bytes: &[u8]| {
        entry(tar, name, bytes.len() as u64, &mut &bytes[..]).map_err(writing)
    };
    small(&mut tar, "oci-layout", OCI_LAYOUT.as_bytes())?;
    small(&mut tar, "index.json", index(image, tags).to_string().as_bytes())?;
    small(&mut tar, "manifest.json", docker_manifest(image, tags).as_bytes())?;
    small(&mut tar, &blob(&image.digest), &image.manifest)?;
    small(&mut tar, &blob(&image.config_descriptor.digest), &image.config)?;
    for layer in image.distinct_layers() {
        let mut bytes = image.open(layer, cache)?;
        entry(&mut tar, &blob(&layer.descriptor.digest), layer.descriptor.size, &mut bytes)
            .map_err(writing)?;
    }
    let mut buffer = tar.into_inner().map_err(writing)?;
    Ok(buffer.flush().map_err(writing)?)
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Docker's own list of what is in an archive.
fn docker_manifest(image: &Image, tags: &[Reference]) -> String {
    let layers: Vec<_> = image.layers.iter().map(|layer| blob(&layer.descriptor.digest)).collect();
    let tags: Vec<_> = tags.iter().map(ToString::to_string).collect();
    json!([{ "Config": blob(&image.config_descriptor.digest), "Layers": layers, "RepoTags": tags }])
        .to_string()
}

fn entry<W: io::Write>(
    tar: &mut tar::Builder<W>,
    name: &str,
    size: u64,
    bytes: &mut dyn Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    tar.append_data(&mut header, name, bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// How many entries there are after an archive and its list found no place, because one of them is a folder.
    fn left(archive: &Path, other: &Path) -> usize {
        let folder = archive.parent().unwrap();
        let new = |text: &str| list(folder, other, text.as_bytes()).unwrap();
        assert!(place((new("new archive"), archive), Some((new("new list"), other))).is_err());
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn an_older_archive_stays_if_the_list_beside_it_has_no_place() {
        let folder = tempfile::tempdir().unwrap();
        let (archive, other) = (folder.path().join("image.tar"), folder.path().join("image.cdx.json"));
        fs::write(&archive, "old archive").unwrap();
        fs::create_dir(&other).unwrap();
        assert_eq!(left(&archive, &other), 2, "nothing half-written");
        assert_eq!(fs::read_to_string(&archive).unwrap(), "old archive");
    }

    #[test]
    fn a_list_without_its_archive_is_not_left() {
        let folder = tempfile::tempdir().unwrap();
        let (archive, other) = (folder.path().join("image.tar"), folder.path().join("image.cdx.json"));
        fs::create_dir(&archive).unwrap();
        assert_eq!(left(&archive, &other), 1, "the folder alone");
    }
}
