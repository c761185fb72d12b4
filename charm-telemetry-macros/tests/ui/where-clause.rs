use charm_telemetry_core::charm_exporter;

#[charm_exporter("webhook")]
struct Webhook
where
    String: Clone,
{
    url: String,
}

fn main() {}
