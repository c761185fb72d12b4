//! `cargo xtask fuzz`: runs every fuzz target for a while.
//!
//! Rule: the checked-in corpus is only read; what the fuzzer finds goes to the target folder.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use clap::Args as ClapArgs;

use crate::summary::Summary;
use crate::{console, workspace};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only these targets.
    target: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    look_for_tools()?;
    let targets = choose(&targets()?, &args.target)?;
    let mut summary = Summary::new("cargo xtask fuzz");
    for target in &targets {
        summary.step(target, || fuzz(target, args.seconds));
    }
    Ok(summary.finish())
}

fn look_for_tools() -> Result<()> {
    if workspace::output(rustup().args(["cargo", "--version"])).is_none() {
        bail!("the fuzzer needs the nightly toolchain: rustup toolchain install nightly");
    }
    if workspace::output(rustup().args(["cargo", "fuzz", "--version"])).is_none() {
        bail!("`cargo fuzz` was not found; to get it: cargo install cargo-fuzz --locked");
    }
    Ok(())
}

/// Through rustup, because the cargo that runs this task is of the pinned toolchain. Cargo tells its children which
/// toolchain it is of; nightly must not hear that.
fn rustup() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly"]).current_dir(workspace::root());
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC"] {
        command.env_remove(variable);
    }
    command
}

fn targets() -> Result<Vec<String>> {
    if !workspace::root().join("fuzz/Cargo.toml").is_file() {
        bail!("there is no crate in `fuzz/`");
    }
    match workspace::output(rustup().args(["cargo", "fuzz", "list"])) {
        Some(list) => Ok(list.split_whitespace().map(str::to_owned).collect()),
        None => bail!("`cargo fuzz list` failed; see `rustup run nightly cargo fuzz list`"),
    }
}

fn choose(known: &[String], wanted: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
        bail!("unknown fuzz target `{unknown}`; there are: {}", known.join(", "));
    }
    match (known, wanted) {
        ([], _) => bail!("`fuzz/` has no target"),
        (_, []) => Ok(known.to_vec()),
        (_, wanted) => Ok(wanted.to_vec()),
    }
}

fn fuzz(target: &str, seconds: u32) -> Result<String> {
    let found = workspace::target_dir().join("fuzz-corpus").join(target);
    std::fs::create_dir_all(&found)?;
    let seeds = workspace::root().join("fuzz/corpus").join(target);
    let mut command = rustup();
    command.args(["cargo", "fuzz", "run", target]).arg(&found);
    if seeds.is_dir() {
        command.arg(&seeds);
    }
    command.arg("--").arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
    console::note(&format!("$ {}", workspace::line(&command)));
    workspace::run(command)?;
    Ok(format!("no crash in {seconds} s, {} seeds, {} inputs found", count(&seeds), count(&found)))
}

fn count(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}
