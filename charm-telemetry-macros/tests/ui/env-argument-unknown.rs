use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter("webhook")]
struct Webhook {
    #[env("WEBHOOK_URL", defualt = "http://localhost")]
    url: String,
}

impl TelemetryExporter for Webhook {}

fn main() {}
