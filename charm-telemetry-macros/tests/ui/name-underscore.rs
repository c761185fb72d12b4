use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter("web_hook")]
struct Webhook;

impl TelemetryExporter for Webhook {}

fn main() {}
