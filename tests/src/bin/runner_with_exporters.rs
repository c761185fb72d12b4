//! The runner with exporters that tell their secrets in every way that an exporter has.
//!
//! Rule: what must not be seen is in here, so that the tests can look for it everywhere else.

use std::time::Duration;

use charm_telemetry_core::{HookContext, HookResult, Secret, StreamEvent, TelemetryExporter, charm_exporter};
use charm_telemetry_webhook as _;

/// Answers every token with an error that holds its secret.
#[derive(Debug)]
#[charm_exporter("fails")]
pub struct Fails {
    /// A key.
    #[env("FAILS_KEY")]
    key: Secret,
    /// How often.
    #[env("FAILS_EVERY", default = "1s")]
    every: Duration,
}

impl TelemetryExporter for Fails {
    fn on_stream_event(&mut self, _: &HookContext<'_>, _: &StreamEvent) -> HookResult {
        Err(format!("{} after {:?} with {:?}", self.key.expose(), self.every, self.key).into())
    }

    fn shutdown(&mut self, _: Duration) -> HookResult {
        Err(format!("could not say goodbye with {}", self.key.expose()).into())
    }
}

/// Panics with its secret.
#[derive(Debug)]
#[charm_exporter("panics")]
pub struct Panics {
    /// A key.
    #[env("PANICS_KEY", "OLD_PANICS_KEY")]
    key: Secret,
}

impl TelemetryExporter for Panics {
    fn on_stream_event(&mut self, _: &HookContext<'_>, _: &StreamEvent) -> HookResult {
        panic!("out of luck with {}", self.key.expose());
    }
}

fn main() -> std::process::ExitCode {
    charm_runner::main()
}
