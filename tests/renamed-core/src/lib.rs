//! An exporter crate that depends on core alone, under another name.
//!
//! Rule: the crate has no dependency that is called `charm_telemetry_core` or `linkme`, so that generated code which
//! names either does not compile.

use telemetry::{TelemetryExporter, charm_exporter};

/// Knows core as `telemetry`.
#[derive(Debug)]
#[charm_exporter("renamed", crate = telemetry)]
pub struct Renamed {
    /// Any text.
    #[env("RENAMED_TEXT", default = "text")]
    pub text: String,
}

impl TelemetryExporter for Renamed {}

/// A house that hands core on under a path of its own.
pub mod sdk {
    pub use telemetry as events;

    /// Knows core by that path.
    #[derive(Debug)]
    #[events::charm_exporter("handed-on", crate = crate::sdk::events)]
    pub struct HandedOn;

    impl events::TelemetryExporter for HandedOn {}
}

#[cfg(test)]
mod tests {
    use telemetry::{Environment, EnvironmentReader, Registry};

    #[test]
    fn exporters_are_registered_and_built_under_any_name_of_core() {
        let registry = Registry::linked().unwrap();
        assert_eq!(registry.names().collect::<Vec<_>>(), ["handed-on", "renamed"]);
        let environment = Environment::default();
        for registration in registry.iter() {
            assert!((registration.build)(&mut EnvironmentReader::new(&environment)).is_some());
        }
    }
}
