use charm_telemetry_core::charm_exporter;

#[charm_exporter("webhook")]
struct Webhook<const N: usize> {
    queue: [u8; N],
}

fn main() {}
