use charm_telemetry_core::charm_exporter;

#[charm_exporter("webhook")]
struct Webhook {
    #[env("WEBHOOK_URL")]
    url: String,
}

fn main() {}
