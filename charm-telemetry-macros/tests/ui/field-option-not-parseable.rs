use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter("webhook")]
struct Webhook {
    #[env("WEBHOOK_URLS")]
    url: std::option::Option<Vec<String>>,
}

impl TelemetryExporter for Webhook {}

fn main() {}
