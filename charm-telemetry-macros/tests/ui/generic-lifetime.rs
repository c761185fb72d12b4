use charm_telemetry_core::charm_exporter;

#[charm_exporter("webhook")]
struct Webhook<'a> {
    url: &'a str,
}

fn main() {}
