use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter("webhook")]
struct Webhook {
    #[env("WEBHOOK_URL")]
    #[env("HOOK_URL")]
    url: String,
}

impl TelemetryExporter for Webhook {}

fn main() {}
