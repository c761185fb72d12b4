//! What was built, for people and for programs.
//!
//! Rule: both get the same facts; the keys of the JSON are a contract and only grow.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::digest::Digest;
use crate::output::Pushed;
use crate::progress::{humane_size, humane_time};
use crate::runner::Exporter;

/// A finished image.
#[derive(Debug, Clone, Serialize)]
pub struct ImageReport {
    /// The digest of the manifest: the name under which it can be pulled.
    pub digest: Digest,
    /// The digest of the configuration: the image's number in an engine.
    pub image_id: Digest,
    /// `oci` or `docker`.
    pub format: &'static str,
    /// For which machines.
    pub platform: String,
    /// Its names.
    pub tags: Vec<String>,
    /// What it stands on.
    pub base: Option<BaseReport>,
    /// What can be switched on in it.
    pub exporters: Vec<Exporter>,
    /// Its layers, from below.
    pub layers: Vec<LayerReport>,
    /// What a registry stores for it.
    pub size: u64,
    /// The runner alone.
    pub binary_size: u64,
    /// How many crates the list of contents names.
    pub crates: usize,
    /// The files and folders that were written.
    pub outputs: Vec<String>,
    /// What was pushed.
    pub pushed: Vec<Pushed>,
    /// The engine that has it.
    pub loaded: Option<&'static str>,
    /// How long it took.
    #[serde(serialize_with = "seconds")]
    pub seconds: Duration,
}

/// The base of an image.
#[derive(Debug, Clone, Serialize)]
pub struct BaseReport {
    /// Its name, if it came from a registry.
    pub name: Option<String>,
    /// Its manifest.
    pub digest: Option<Digest>,
}

/// One layer.
#[derive(Debug, Clone, Serialize)]
pub struct LayerReport {
    /// Its digest as it is stored.
    pub digest: Digest,
    /// Its size as it is stored.
    pub size: u64,
    /// What it is.
    pub what: String,
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

impl fmt::Display for ImageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |key: &str, value: &str| writeln!(f, "{key:10} {value}");
        row("digest", self.digest.as_str())?;
        row("image id", self.image_id.as_str())?;
        row("platform", &format!("{} ({} manifest)", self.platform, self.format))?;
        for tag in &self.tags {
            row("tag", tag)?;
        }
        row("base", &self.base_line())?;
        row("exporters", &self.exporter_line())?;
        row("size", &format!("{} in {} layers", humane_size(self.size), self.layers.len()))?;
        for layer in &self.layers {
            let short = &layer.digest.hex()[..12];
            row("", &format!("{short} {:>9}  {}", humane_size(layer.size), layer.what))?;
        }
        row("runner", &format!("{}, {} crates", humane_size(self.binary_size), self.crates))?;
        for output in &self.outputs {
            row("written", output)?;
        }
        if let Some(engine) = self.loaded {
            row("loaded", engine)?;
        }
        for pushed in &self.pushed {
            let sent = humane_size(pushed.uploaded_bytes);
            row("pushed", &format!("{} ({sent} sent)", pushed.reference))?;
        }
        row("time", &humane_time(self.seconds))
    }
}

impl ImageReport {
    fn base_line(&self) -> String {
        match &self.base {
            None => "scratch".to_owned(),
            Some(BaseReport { name, digest }) => {
                let digest = digest.as_ref().map(ToString::to_string).unwrap_or_default();
                name.as_ref().map_or_else(|| digest.clone(), |name| format!("{name}@{digest}"))
            }
        }
    }

    fn exporter_line(&self) -> String {
        let names = self.exporters.iter().map(|exporter| format!("{} {}", exporter.name, exporter.version));
        let names = names.collect::<Vec<_>>().join(", ");
        if names.is_empty() { "none but standard output".to_owned() } else { names }
    }
}
