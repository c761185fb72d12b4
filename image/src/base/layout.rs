//! A base in an OCI layout on disk.
//!
//! Rule: a blob of a folder is compared with its digest too: files are changed by hand more often than registries lie.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Base, Source, select};
use crate::descriptor::Descriptor;
use crate::digest::{Digest, Hashing};
use crate::error::{RegistryError, plain};
use crate::media::Document;
use crate::platform::Platform;

pub(super) fn open(folder: &Path, platform: &Platform) -> Result<Base, RegistryError> {
    let name = format!("oci:{}", folder.display());
    if !folder.join("oci-layout").is_file() {
        return Err(RegistryError::Malformed(format!(
            "`{}` is no OCI layout (it has no file `oci-layout`); write one with `skopeo copy docker://IMAGE oci:DIR`",
            folder.display()
        )));
    }
    let index = read(&folder.join("index.json"))?;
    let (digest, family, manifest) = manifest(folder, &index, platform, &name)?;
    let (config, layers) = select::parts(&manifest, &name)?;
    let config = select::config(&checked(folder, &config.digest)?, &layers, platform, &name)?;
    // The path is of this machine; the digest says all that counts.
    let source = Source::Layout(folder.to_owned());
    Ok(Base { name: None, digest: Some(digest), family, config, layers, source })
}

/// Follows indexes, as a layout that holds a multi-platform image has one in another.
fn manifest(
    folder: &Path,
    index: &Value,
    platform: &Platform,
    name: &str,
) -> Result<(Digest, crate::media::Family, Value), RegistryError> {
    select::refuse_choice(index, platform, name)?;
    let mut index = index.clone();
    for _ in 0..4 {
        let digest = select::from_index(&index, platform, name)?;
        let json: Value = serde_json::from_slice(&checked(folder, &digest)?)
            .map_err(|error| RegistryError::Malformed(format!("`{name}`: {digest} is no JSON ({error})")))?;
        match Document::of(&json, None) {
            Some(Document::Manifest(family)) => return Ok((digest, family, json)),
            Some(Document::Index) => index = json,
            None => break,
        }
    }
    Err(RegistryError::Malformed(format!("`{name}` leads to no image manifest; choose another base")))
}

fn read(path: &Path) -> Result<Value, RegistryError> {
    let bad =
        |reason: String| RegistryError::Malformed(format!("cannot read `{}`: {reason}", path.display()));
    let text = std::fs::read(path).map_err(|error| bad(plain(&error)))?;
    serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))
}

fn blob_path(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join("blobs/sha256").join(digest.hex())
}

fn checked(folder: &Path, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
    let path = blob_path(folder, digest);
    let bytes = std::fs::read(&path).map_err(|error| missing(&path, &plain(&error)))?;
    if Digest::of(&bytes) == *digest {
        Ok(bytes)
    } else {
        Err(missing(&path, "its bytes are others than its name"))
    }
}

/// The path of a blob, after its bytes were compared with its digest.
pub(super) fn checked_blob(folder: &Path, blob: &Descriptor) -> Result<PathBuf, RegistryError> {
    let path = blob_path(folder, &blob.digest);
    let failed = |error: std::io::Error| missing(&path, &plain(&error));
    let mut hashing = Hashing::new(std::fs::File::open(&path).map_err(failed)?);
    let mut buffer = vec![0; 256 * 1024];
    while hashing.read(&mut buffer).map_err(failed)? > 0 {}
    let (_, digest, size) = hashing.finish();
    if digest != blob.digest || size != blob.size {
        return Err(missing(&path, "its bytes are others than its name"));
    }
    Ok(path)
}

fn missing(path: &Path, reason: &str) -> RegistryError {
    RegistryError::Malformed(format!(
        "the base is not whole: `{}`: {reason}; write the layout again",
        path.display()
    ))
}
