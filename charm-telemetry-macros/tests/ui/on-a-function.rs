use charm_telemetry_core::charm_exporter;

#[charm_exporter("webhook")]
fn webhook() {}

fn main() {}
