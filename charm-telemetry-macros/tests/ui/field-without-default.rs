use charm_telemetry_core::{charm_exporter, TelemetryExporter};

struct Connection(u8);

#[charm_exporter("webhook")]
struct Webhook {
    connection: Connection,
}

impl TelemetryExporter for Webhook {}

fn main() {}
