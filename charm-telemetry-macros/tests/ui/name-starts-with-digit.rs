use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter("3scale")]
struct Webhook;

impl TelemetryExporter for Webhook {}

fn main() {}
