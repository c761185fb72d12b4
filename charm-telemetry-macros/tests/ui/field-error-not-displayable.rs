use charm_telemetry_core::{charm_exporter, TelemetryExporter};

struct Url;

impl std::str::FromStr for Url {
    type Err = ();

    fn from_str(_: &str) -> Result<Self, ()> {
        Ok(Self)
    }
}

#[charm_exporter("webhook")]
struct Webhook(#[env("WEBHOOK_URL")] Url);

impl TelemetryExporter for Webhook {}

fn main() {}
