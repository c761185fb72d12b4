use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter(crate = charm_telemetry_core)]
struct Webhook;

impl TelemetryExporter for Webhook {}

fn main() {}
