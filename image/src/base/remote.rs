//! A base in a registry.
//!
//! Rule: manifest and configuration are fetched; a layer only if someone needs its bytes.

use std::io::Read;

use super::{Base, Source, select};
use crate::digest::Digest;
use crate::error::RegistryError;
use crate::media::Document;
use crate::platform::Platform;
use crate::reference::Reference;
use crate::registry::{RawManifest, Registry};

/// Where the layers of a base are.
#[derive(Debug)]
pub(crate) struct RemoteBase {
    registry: Registry,
    reference: Reference,
}

impl RemoteBase {
    /// The bytes of a blob, not yet compared with its digest.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<impl Read + use<>, RegistryError> {
        self.registry.blob(&self.reference.repository, digest)
    }

    /// The repository, if it is in this registry: then its layers can be mounted.
    pub(crate) fn repository_in(&self, registry: &str) -> Option<&str> {
        (self.reference.registry == registry).then_some(self.reference.repository.as_str())
    }
}

pub(super) fn open(reference: &Reference, platform: &Platform) -> Result<Base, RegistryError> {
    let registry = Registry::of(reference)?;
    let name = reference.to_string();
    let (family, manifest) = manifest(&registry, reference, platform, &name)?;
    let (config, layers) = select::parts(&manifest.json, &name)?;
    let bytes = fetch_small(&registry, reference, &config.digest)?;
    let config = select::config(&bytes, &layers, platform, &name)?;
    let remote = RemoteBase { registry, reference: reference.clone() };
    Ok(Base {
        name: Some(Reference { digest: None, ..reference.clone() }.to_string()),
        digest: Some(manifest.digest),
        family,
        config,
        layers,
        source: Source::Registry(Box::new(remote)),
    })
}

fn manifest(
    registry: &Registry,
    reference: &Reference,
    platform: &Platform,
    name: &str,
) -> Result<(crate::media::Family, RawManifest), RegistryError> {
    let mut raw = registry.manifest(reference, reference.selector())?;
    for _ in 0..4 {
        match Document::of(&raw.json, raw.media_type.as_deref()) {
            Some(Document::Manifest(family)) => return Ok((family, raw)),
            Some(Document::Index) => {
                let digest = select::from_index(&raw.json, platform, name)?;
                raw = registry.manifest(reference, digest.as_str())?;
            }
            None => break,
        }
    }
    Err(RegistryError::Malformed(format!(
        "`{name}` is no image that can be a base (its type is `{}`); choose another",
        raw.media_type.unwrap_or_default()
    )))
}

/// A configuration, which is small.
fn fetch_small(
    registry: &Registry,
    reference: &Reference,
    digest: &Digest,
) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    let reader = registry.blob(&reference.repository, digest)?;
    let broken = |reason: &str| {
        RegistryError::Malformed(format!(
            "the configuration {digest} of `{reference}` came {reason}; try again"
        ))
    };
    reader.take(MAX_CONFIG_BYTES).read_to_end(&mut bytes).map_err(|_| broken("only in part"))?;
    if Digest::of(&bytes) == *digest {
        Ok(bytes)
    } else {
        Err(broken("with other bytes than its digest says"))
    }
}

const MAX_CONFIG_BYTES: u64 = 8 * 1024 * 1024;
