use charm_telemetry_core::charm_exporter;

#[charm_exporter("webhook")]
enum Webhook {
    Post,
}

fn main() {}
