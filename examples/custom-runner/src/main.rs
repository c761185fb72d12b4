//! The runner with one more exporter: `telemetry: [webhook]` in `charm.yaml` works with this binary.
//!
//! Rule: each exporter crate is named once; one that nothing names is left out by the linker.

use charm_telemetry_webhook as _;

fn main() -> std::process::ExitCode {
    charm_runner::main()
}
