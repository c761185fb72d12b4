use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter("webhook")]
struct Webhook {
    #[env()]
    url: String,
}

impl TelemetryExporter for Webhook {}

fn main() {}
