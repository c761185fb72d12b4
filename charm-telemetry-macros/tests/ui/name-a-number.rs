use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter(42)]
struct Webhook;

impl TelemetryExporter for Webhook {}

fn main() {}
