//! `cargo xtask image`, as a program of its own so that the other tasks need not compile what speaks to registries.
//!
//! Rule: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    charm_telemetry_image::main()
}
