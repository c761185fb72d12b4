//! The runner with two exporters of one name.
//!
//! Rule: it must refuse to start, whatever it is asked.

use charm_telemetry_core::{TelemetryExporter, charm_exporter};

/// The first.
#[derive(Debug)]
#[charm_exporter("twin")]
pub struct Castor {}

impl TelemetryExporter for Castor {}

/// The second.
#[derive(Debug)]
#[charm_exporter("twin")]
pub struct Pollux {}

impl TelemetryExporter for Pollux {}

fn main() -> std::process::ExitCode {
    charm_runner::main()
}
