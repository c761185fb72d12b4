//! What an exporter says of itself, before any of it is built.
//!
//! Rule: everything here is constant data; it holds names and prose, never a value from the environment.

use crate::environment::EnvironmentReader;
use crate::exporter::TelemetryExporter;

/// One exporter that is compiled in. Written by `#[charm_exporter]`.
///
/// ```
/// # use charm_telemetry_core::{Registry, TelemetryExporter, charm_exporter};
/// /// Rings when a run fails.
/// #[charm_exporter("bell")]
/// struct Bell;
/// # impl TelemetryExporter for Bell {}
///
/// let bell = Registry::linked()?.get("bell").expect("it is compiled in").descriptor;
/// assert_eq!(bell.doc, "Rings when a run fails.");
/// assert!(bell.type_name.ends_with("::Bell"));
/// # Ok::<(), charm_telemetry_core::RegistryError>(())
/// ```
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
///
/// ```
/// # use charm_telemetry_core::{Registry, Secret, TelemetryExporter, charm_exporter};
/// #[charm_exporter("pager")]
/// struct Pager {
///     #[env("PAGER_KEY")]
///     key: Secret,
/// }
/// # impl TelemetryExporter for Pager {}
///
/// let key = &Registry::linked()?.get("pager").expect("it is compiled in").descriptor.variables[0];
/// assert_eq!(key.names, ["PAGER_KEY"]);
/// assert!(key.required && key.secret);
/// # Ok::<(), charm_telemetry_core::RegistryError>(())
/// ```
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
///
/// ```
/// use charm_telemetry_core::{Environment, EnvironmentReader, Factory, TelemetryExporter};
///
/// struct Silent;
/// impl TelemetryExporter for Silent {}
///
/// let build: Factory = |_reader| Some(Box::new(Silent));
/// assert!(build(&mut EnvironmentReader::new(&Environment::default())).is_some());
/// ```
pub type Factory = fn(&mut EnvironmentReader<'_>) -> Option<Box<dyn TelemetryExporter>>;

/// An entry of the registry: what the exporter says of itself, and how to build it.
///
/// ```
/// # use charm_telemetry_core::{Environment, EnvironmentReader, Registry, TelemetryExporter, charm_exporter};
/// #[charm_exporter("quiet")]
/// struct Quiet;
/// # impl TelemetryExporter for Quiet {}
///
/// let entry = Registry::linked()?.get("quiet").expect("it is compiled in");
/// assert_eq!(entry.descriptor.name, "quiet");
/// assert!((entry.build)(&mut EnvironmentReader::new(&Environment::default())).is_some());
/// # Ok::<(), charm_telemetry_core::RegistryError>(())
/// ```
#[derive(Debug)]
pub struct Registration {
    /// What it says of itself.
    pub descriptor: &'static ExporterDescriptor,
    /// How to build it.
    pub build: Factory,
}
