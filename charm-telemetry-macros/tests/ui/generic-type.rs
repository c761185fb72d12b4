use charm_telemetry_core::charm_exporter;

#[charm_exporter("webhook")]
struct Webhook<T> {
    queue: Vec<T>,
}

fn main() {}
