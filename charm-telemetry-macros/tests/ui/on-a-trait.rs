use charm_telemetry_core::charm_exporter;

#[charm_exporter("webhook")]
trait Webhook {}

fn main() {}
