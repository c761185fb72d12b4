//! Puts the image into a registry.
//!
//! Rule: the manifest goes last: until then the registry has no image, and after it the image is whole.

use serde::Serialize;

use crate::blobs::{BlobCache, short};
use crate::error::{ImageError, RegistryError};
use crate::image::Image;
use crate::progress::{Progress, humane_size};
use crate::reference::Reference;
use crate::registry::{Registry, Transfer};

/// What one push did.
#[derive(Debug, Clone, Serialize)]
pub struct Pushed {
    /// Where the image is now.
    pub reference: String,
    /// Layers and configuration that the repository had.
    pub exists: usize,
    /// Layers that the registry took from the base's repository.
    pub mounted: usize,
    /// Layers and configuration that were sent.
    pub uploaded: usize,
    /// How much was sent, without the manifest.
    pub uploaded_bytes: u64,
}

impl Pushed {
    fn note(&mut self, transfer: Transfer, size: u64) {
        match transfer {
            Transfer::Exists => self.exists += 1,
            Transfer::Mounted => self.mounted += 1,
            Transfer::Uploaded => {
                self.uploaded += 1;
                self.uploaded_bytes += size;
            }
        }
    }
}

/// Where an image is to be pushed, and that it may be looked into.
#[derive(Debug)]
pub(crate) struct PushTarget {
    tag: Reference,
    registry: Registry,
}

impl PushTarget {
    /// Knocks, because a wrong password or a name that nobody has should not cost the minutes of a compiler.
    pub(crate) fn open(tag: &Reference) -> Result<Self, RegistryError> {
        let registry = Registry::of(tag)?;
        registry.knock(&tag.repository)?;
        Ok(Self { tag: tag.clone(), registry })
    }
}

pub(crate) fn push(
    image: &Image,
    PushTarget { tag, registry }: &PushTarget,
    cache: &BlobCache<'_>,
    progress: &Progress,
) -> Result<Pushed, ImageError> {
    let step = progress.step(&format!("push {tag}"));
    let mut pushed = Pushed {
        reference: format!("{}@{}", tag.name(), image.digest),
        exists: 0,
        mounted: 0,
        uploaded: 0,
        uploaded_bytes: 0,
    };
    for layer in image.distinct_layers() {
        let from = image.base.remote().filter(|_| layer.is_of_base());
        let from = from.and_then(|base| base.repository_in(registry.name()));
        let transfer =
            progress.transfer(&format!("push {}", short(&layer.descriptor)), layer.descriptor.size);
        let open = || Ok(transfer.reader(image.open(layer, cache)?));
        let how = registry.ensure_blob(&tag.repository, &layer.descriptor, from, open)?;
        pushed.note(how, layer.descriptor.size);
        if how == Transfer::Uploaded {
            transfer.done();
        }
    }
    let config = &image.config_descriptor;
    let how = registry.ensure_blob(&tag.repository, config, None, || Ok(image.config.as_slice()))?;
    pushed.note(how, config.size);
    let label = tag.tag.as_deref().unwrap_or("latest");
    registry.put_manifest(&tag.repository, label, image.family.manifest(), &image.manifest)?;
    step.done(&format!(
        "{} there already, {} mounted, {} sent ({})",
        pushed.exists,
        pushed.mounted,
        pushed.uploaded,
        humane_size(pushed.uploaded_bytes)
    ));
    Ok(pushed)
}
