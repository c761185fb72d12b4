use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter("webhook", crate = 1)]
struct Webhook;

impl TelemetryExporter for Webhook {}

fn main() {}
