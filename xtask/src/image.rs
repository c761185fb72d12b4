//! `cargo xtask image`: hands the command line on to the program that builds images.
//!
//! Rule: what speaks to registries is compiled when an image is built, and not for every other task.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Error, Result};
use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// See `cargo xtask image --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// In the folder of the caller, so that paths mean what was typed, and in our place: signals and exit codes are its own.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let manifest = crate::workspace::root().join("Cargo.toml");
    let error = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--package", "charm-telemetry-image", "--manifest-path"])
        .arg(manifest)
        .arg("--")
        .args(&args.args)
        .exec();
    Err(Error::new(error)).context("cannot start cargo")
}
