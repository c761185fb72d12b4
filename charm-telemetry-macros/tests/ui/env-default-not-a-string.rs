use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter("webhook")]
struct Webhook {
    #[env("WEBHOOK_TRIES", default = 5)]
    url: u32,
}

impl TelemetryExporter for Webhook {}

fn main() {}
