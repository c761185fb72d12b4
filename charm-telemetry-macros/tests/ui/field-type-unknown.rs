use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter("webhook")]
struct Webhook {
    #[env("WEBHOOK_URL")]
    url: Urll,
}

impl TelemetryExporter for Webhook {}

fn main() {}
