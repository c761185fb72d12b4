use charm_telemetry_core::charm_exporter;

#[charm_exporter("webhook")]
type Webhook = ();

fn main() {}
