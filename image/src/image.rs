//! A whole image, before it is written anywhere.
//!
//! Rule: everything is known and named by its digest here; writing adds nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};

use serde_json::{Value, json};

use crate::base::Base;
use crate::blobs::BlobCache;
use crate::config::Config;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::error::{ImageError, OutputError, RequestError};
use crate::layer::Layer;
use crate::media::Family;
use crate::platform::Platform;

/// An image: its manifest, its configuration, the base's layers and ours.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) family: Family,
    pub(crate) platform: Platform,
    pub(crate) manifest: Vec<u8>,
    pub(crate) digest: Digest,
    pub(crate) config: Vec<u8>,
    pub(crate) config_descriptor: Descriptor,
    pub(crate) layers: Vec<ImageLayer>,
    pub(crate) base: Base,
}

/// Refuses what a manifest of the wanted family cannot say: it is known as soon as the base is.
pub(crate) fn refuse_unfit(
    base: &Base,
    family: Option<Family>,
    annotations: &BTreeMap<String, String>,
) -> Result<(), RequestError> {
    let family = family.unwrap_or(base.family);
    if let (Family::Docker, Some(name)) = (family, annotations.keys().next()) {
        return Err(RequestError::Argument(format!(
            "`--annotation {name}=..`: a Docker manifest has no annotations; use `--format oci`, or `--label`"
        )));
    }
    base.layers.iter().try_for_each(|layer| ImageLayer::of_base(layer, family).map(drop))
}

/// One layer, from below.
#[derive(Debug)]
pub(crate) struct ImageLayer {
    pub(crate) descriptor: Descriptor,
    /// What it is, for people.
    pub(crate) what: Cow<'static, str>,
    /// Its bytes, if it is ours; the base has those of its own.
    own: Option<Vec<u8>>,
}

/// Collects an image.
#[derive(Debug)]
pub(crate) struct Assembly {
    base: Base,
    family: Family,
    platform: Platform,
    layers: Vec<ImageLayer>,
    pub(crate) config: Config,
    time: Epoch,
}

impl Assembly {
    /// Begins with the base's layers, in the base's family unless another is wanted.
    pub(crate) fn on(
        base: Base,
        family: Option<Family>,
        platform: &Platform,
        time: Epoch,
    ) -> Result<Self, RequestError> {
        let family = family.unwrap_or(base.family);
        let layers = base.layers.iter().map(|layer| ImageLayer::of_base(layer, family));
        let layers = layers.collect::<Result<Vec<_>, _>>()?;
        let config = Config::of_base(&base.config);
        Ok(Self { base, family, platform: platform.clone(), layers, config, time })
    }

    /// Puts a layer of ours on top.
    pub(crate) fn add(&mut self, layer: Layer, what: &'static str) {
        self.config.add_layer(&layer.diff_id, what, self.time);
        let descriptor = Descriptor::of(self.family.gzip_layer(), &layer.gzip);
        self.layers.push(ImageLayer { descriptor, what: what.into(), own: Some(layer.gzip) });
    }

    /// Closes the configuration and writes the manifest.
    pub(crate) fn finish(self, annotations: &BTreeMap<String, String>) -> Image {
        let config = self.config.into_bytes();
        let config_descriptor = Descriptor::of(self.family.config(), &config);
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": self.family.manifest(),
            "config": config_descriptor.to_json(),
            "layers": self.layers.iter().map(|layer| layer.descriptor.to_json()).collect::<Vec<Value>>(),
        });
        // Docker's manifests have no annotations: the labels say what ours say, and the user's were refused.
        if self.family == Family::Oci && !annotations.is_empty() {
            manifest["annotations"] = json!(annotations);
        }
        let manifest = serde_json::to_vec(&manifest).expect("a JSON value can be written");
        Image {
            family: self.family,
            platform: self.platform,
            digest: Digest::of(&manifest),
            manifest,
            config,
            config_descriptor,
            layers: self.layers,
            base: self.base,
        }
    }
}

impl ImageLayer {
    fn of_base(layer: &Descriptor, family: Family) -> Result<Self, RequestError> {
        let media_type = family.layer(&layer.media_type).ok_or_else(|| {
            let found = &layer.media_type;
            RequestError::Argument(format!(
                "a Docker manifest cannot hold the base's layer of type `{found}`; use `--format oci`"
            ))
        })?;
        let descriptor = Descriptor { media_type: media_type.to_owned(), ..layer.clone() };
        Ok(Self { descriptor, what: "base".into(), own: None })
    }

    /// Whether the base brought it.
    pub(crate) fn is_of_base(&self) -> bool {
        self.own.is_none()
    }

    /// A layer with addresses of its own is not distributed with the image.
    pub(crate) fn is_foreign(&self) -> bool {
        !self.descriptor.urls.is_empty()
    }
}

impl Image {
    pub(crate) fn manifest_descriptor(&self) -> Descriptor {
        Descriptor::of(self.family.manifest(), &self.manifest)
    }

    /// The bytes of a layer, for a place that has to hold them.
    pub(crate) fn open<'a>(
        &'a self,
        layer: &'a ImageLayer,
        cache: &BlobCache<'_>,
    ) -> Result<Box<dyn Read + 'a>, ImageError> {
        if let Some(bytes) = &layer.own {
            return Ok(Box::new(Cursor::new(bytes)));
        }
        let path = self.base.layer_file(&layer.descriptor, cache)?;
        let file = File::open(&path).map_err(OutputError::writing(&path))?;
        Ok(Box::new(file))
    }

    /// The layers that are distributed with the image, each digest once.
    pub(crate) fn distinct_layers(&self) -> Vec<&ImageLayer> {
        let mut layers: Vec<&ImageLayer> = Vec::new();
        for layer in self.layers.iter().filter(|layer| !layer.is_foreign()) {
            if !layers.iter().any(|other| other.descriptor.digest == layer.descriptor.digest) {
                layers.push(layer);
            }
        }
        layers
    }

    /// What a registry would store for it.
    pub(crate) fn size(&self) -> u64 {
        let layers: u64 = self.layers.iter().map(|layer| layer.descriptor.size).sum();
        layers + self.config_descriptor.size + self.manifest.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BaseName;

    /// A base with one layer of this type.
    fn base(media_type: &str) -> Base {
        let mut base = Base::open(&BaseName::Scratch, &Platform::host()).unwrap();
        base.layers = vec![Descriptor::of(media_type, b"layer")];
        base
    }

    #[test]
    fn what_a_docker_manifest_cannot_say_is_refused() {
        let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
        let none = BTreeMap::new();
        let note = BTreeMap::from([("note".to_owned(), "x".to_owned())]);
        let said = |media_type, family, annotations| {
            let said = refuse_unfit(&base(media_type), family, annotations);
            said.err().map(|error| error.to_string()).unwrap_or_default()
        };
        let expected =
            format!("a Docker manifest cannot hold the base's layer of type `{zstd}`; use `--format oci`");
        assert_eq!(said(zstd, Some(Family::Docker), &none), expected);
        assert_eq!(said(zstd, None, &note), "");
        let expected =
            "`--annotation note=..`: a Docker manifest has no annotations; use `--format oci`, or `--label`";
        assert_eq!(said(Family::Oci.gzip_layer(), Some(Family::Docker), &note), expected);
        assert_eq!(said(Family::Oci.gzip_layer(), Some(Family::Docker), &none), "");
    }
}
