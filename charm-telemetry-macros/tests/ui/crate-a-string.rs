use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter("webhook", crate = "charm_telemetry_core")]
struct Webhook;

impl TelemetryExporter for Webhook {}

fn main() {}
