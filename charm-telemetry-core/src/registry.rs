//! Every exporter that is compiled in, found without a list that someone must edit.
//!
//! Rule: nothing runs at registration; entries are constants, and the linker gathers them.

use std::fmt;

use crate::descriptor::Registration;

/// Where `#[charm_exporter]` puts its entries. The linker decides their order; [`Registry`] sorts by name.
///
/// ```
/// # use charm_telemetry_core::{EXPORTERS, TelemetryExporter, charm_exporter};
/// #[charm_exporter("lamp")]
/// struct Lamp;
/// # impl TelemetryExporter for Lamp {}
///
/// assert!(EXPORTERS.iter().any(|entry| entry.descriptor.name == "lamp"));
/// ```
#[linkme::distributed_slice]
#[linkme(crate = linkme)]
pub static EXPORTERS: [Registration];

/// The exporters that can be named in `charm.yaml`.
///
/// An exporter crate that nothing in the binary refers to is dropped by the linker and is not here: the binary's
/// source says `use my_exporter as _;` for each.
///
/// ```
/// # use charm_telemetry_core::{Registry, TelemetryExporter, charm_exporter};
/// #[charm_exporter("console")]
/// struct Console;
/// # impl TelemetryExporter for Console {}
///
/// let registry = Registry::linked()?;
/// assert!(registry.names().any(|name| name == "console"));
/// assert!(registry.get("consol").is_none());
/// # Ok::<(), charm_telemetry_core::RegistryError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Registry {
    entries: Vec<&'static Registration>,
}

impl Registry {
    /// The exporters that are compiled into this binary.
    ///
    /// # Errors
    /// [`RegistryError`] if two of them have one name.
    pub fn linked() -> Result<Self, RegistryError> {
        Self::from_slice(&EXPORTERS)
    }

    /// The exporters of any slice, for tests and for programs that keep their own list.
    ///
    /// # Errors
    /// [`RegistryError`] if two of them have one name.
    pub fn from_slice(registrations: &'static [Registration]) -> Result<Self, RegistryError> {
        let mut entries: Vec<_> = registrations.iter().collect();
        entries.sort_by_key(|entry| (entry.descriptor.name, entry.descriptor.type_name));
        let twins: Vec<_> = entries.windows(2).filter_map(Duplicate::of).collect();
        if twins.is_empty() { Ok(Self { entries }) } else { Err(RegistryError { twins }) }
    }

    /// The exporter of that name.
    pub fn get(&self, name: &str) -> Option<&'static Registration> {
        self.iter().find(|entry| entry.descriptor.name == name)
    }

    /// Every exporter, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &'static Registration> + '_ {
        self.entries.iter().copied()
    }

    /// Every name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.iter().map(|entry| entry.descriptor.name)
    }
}

/// Exporters that share a name. Rename one of each pair: `#[charm_exporter("other-name")]`.
///
/// ```
/// # use charm_telemetry_core::{ExporterDescriptor, Factory, Registration, Registry};
/// # const fn console(type_name: &'static str) -> ExporterDescriptor {
/// #     let (name, crate_name, crate_version) = ("console", "mine", "1.0.0");
/// #     ExporterDescriptor { name, type_name, crate_name, crate_version, doc: "", variables: &[] }
/// # }
/// # static MINE: ExporterDescriptor = console("mine::Console");
/// # static YOURS: ExporterDescriptor = console("yours::Console");
/// # const BUILD: Factory = |_| None;
/// # static TWINS: [Registration; 2] = [
/// #     Registration { descriptor: &MINE, build: BUILD },
/// #     Registration { descriptor: &YOURS, build: BUILD },
/// # ];
/// // TWINS: both say `#[charm_exporter("console")]`
/// let error = Registry::from_slice(&TWINS).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "two exporters are registered as `console`: mine::Console and yours::Console; rename one of them",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryError {
    twins: Vec<Duplicate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Duplicate {
    name: &'static str,
    types: [&'static str; 2],
}

impl Duplicate {
    fn of(pair: &[&'static Registration]) -> Option<Self> {
        let [first, second] = [pair[0].descriptor, pair[1].descriptor];
        (first.name == second.name)
            .then_some(Self { name: first.name, types: [first.type_name, second.type_name] })
    }
}

impl std::error::Error for RegistryError {}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Duplicate { name, types: [first, second] }) in self.twins.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(
                f,
                "{line}two exporters are registered as `{name}`: {first} and {second}; rename one of them"
            )?;
        }
        Ok(())
    }
}
