use charm_telemetry_core::{Secret, charm_exporter, TelemetryExporter};

#[charm_exporter("webhook")]
struct Webhook {
    #[env("WEBHOOK_TOKEN", default = "hunter2")]
    token: Option<Secret>,
}

impl TelemetryExporter for Webhook {}

fn main() {}
