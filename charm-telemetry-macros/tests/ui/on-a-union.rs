use charm_telemetry_core::charm_exporter;

#[charm_exporter("webhook")]
union Webhook {
    post: u8,
}

fn main() {}
