//! What an exporter says of itself, before any of it is built.
//!
//! Rule: everything here is constant data; it holds names and prose, never a value from the environment.

use crate::environment::EnvironmentReader;
use crate::exporter::TelemetryExporter;

/// One exporter that is compiled in. Written by `#[charm_exporter]`.
#[derive(Debug)]
pub struct ExporterDescriptor {
    /// The name that `charm.yaml` uses.
    pub name: &'static str,
    /// The Rust type, with its module path.
    pub type_name: &'static str,
    /// The crate that defines it.
    pub crate_name: &'static str,
    /// That crate's version.
    pub crate_version: &'static str,
    /// The doc comment of the struct.
    pub doc: &'static str,
    /// The variables that it reads, in the order of the fields.
    pub variables: &'static [VariableDescriptor],
}

/// One field of an exporter that comes from the environment.
#[derive(Debug)]
pub struct VariableDescriptor {
    /// The names to look under; the first that is set wins.
    pub names: &'static [&'static str],
    /// The doc comment of the field.
    pub doc: &'static str,
    /// What is used if none is set, as it would be written in the environment.
    pub default: Option<&'static str>,
    /// Whether the exporter cannot be built without it.
    pub required: bool,
    /// Whether the value is a secret.
    pub secret: bool,
}

/// Builds an exporter from the environment. `None` after problems were recorded in the reader.
pub type Factory = fn(&mut EnvironmentReader<'_>) -> Option<Box<dyn TelemetryExporter>>;

/// An entry of the registry: what the exporter says of itself, and how to build it.
#[derive(Debug)]
pub struct Registration {
    /// What it says of itself.
    pub descriptor: &'static ExporterDescriptor,
    /// How to build it.
    pub build: Factory,
}
