use charm_telemetry_core::{charm_exporter, TelemetryExporter};

#[charm_exporter("webhook")]
struct Webhook {
    #[cfg_attr(unix, env("WEBHOOK_URL"))]
    url: String,
}

impl TelemetryExporter for Webhook {}

fn main() {}
