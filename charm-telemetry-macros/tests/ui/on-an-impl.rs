use charm_telemetry_core::charm_exporter;

struct Webhook;

#[charm_exporter("webhook")]
impl Webhook {}

fn main() {}
