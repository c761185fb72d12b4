use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter("Data Dog")]
struct Webhook;

impl TelemetryExporter for Webhook {}

fn main() {}
