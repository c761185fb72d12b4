//! Writes one tar that is an OCI layout and a Docker archive at once.
//!
//! Rule: the same image makes the same bytes; the blobs are stored once and both formats point at them.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::path::Path;

use serde_json::json;

use super::{OCI_LAYOUT, index, layout};
use crate::blobs::BlobCache;
use crate::digest::Digest;
use crate::error::{ImageError, OutputError};
use crate::image::Image;
use crate::reference::Reference;

pub(crate) fn write(
    image: &Image,
    tags: &[Reference],
    path: &Path,
    cache: &BlobCache<'_>,
) -> Result<(), ImageError> {
    let writing = |error| OutputError::writing(path)(error);
    refuse_folder(path)?;
    let parent = layout::parent(path);
    std::fs::create_dir_all(&parent).map_err(OutputError::writing(&parent))?;
    // Removed when it is dropped, so that a failure leaves nothing.
    let mut file = tempfile::Builder::new().prefix(".charm-image-").tempfile_in(&parent).map_err(writing)?;
    append(image, tags, file.as_file_mut(), cache, path)?;
    readable(file.as_file()).map_err(writing)?;
    file.persist(path).map_err(|error| writing(error.error))?;
    Ok(())
}

pub(super) fn refuse_folder(path: &Path) -> Result<(), OutputError> {
    if !path.is_dir() {
        return Ok(());
    }
    let path = path.display();
    Err(OutputError::Occupied(format!("`{path}` is a folder; name a file, as `{path}/image.tar`")))
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

/// A temporary file is for its owner alone; an image is for others too, as the mask of the user allows.
fn readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}
