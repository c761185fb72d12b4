use charm_telemetry_core::charm_exporter;

#[charm_exporter("Web Hook", crat = charm_telemetry_core)]
struct Webhook<T> {
    #[env("WEBHOOK-URL")]
    url: String,
    #[env]
    queue: Vec<T>,
    #[env()]
    target: String,
}

fn main() {}
