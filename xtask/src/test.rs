//! `cargo xtask test`: sets up what the tests need and runs them.
//!
//! Rule: what was skipped is counted and shown like what passed and what failed.

mod cargo_output;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::needs::Strictness;
use crate::summary::Summary;
use crate::{console, needs, python_base, receivers, sdks, static_runner, venv, workspace};

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Test the optimised build.
    #[arg(long)]
    release: bool,
    /// Only tests whose name contains one of these.
    filter: Vec<String>,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    let mut summary = Summary::new("cargo xtask test");
    add_steps(&mut summary, args, Strictness::from_environment());
    summary.finish()
}

/// Everything, as `cargo xtask ci` wants it.
pub(crate) fn add_all_steps(summary: &mut Summary, strictness: Strictness) {
    add_steps(summary, &Args { release: false, filter: Vec::new() }, strictness);
}

/// Without the programs and the environment every later failure would only hide the first.
fn add_steps(summary: &mut Summary, args: &Args, strictness: Strictness) {
    let ready = summary.step("Programs the tests use", || needs::check(strictness))
        && summary.step("Python environment", venv::ensure)
        && summary.step("SDKs of the vendors", || sdks::SDKS.ensure(strictness))
        && summary.step("CrewAI", || sdks::CREWAI.ensure(strictness))
        && summary.step("Base of test images", || python_base::ensure(strictness))
        && summary.step("Receivers of others", || receivers::ensure(strictness));
    if !ready {
        return;
    }
    summary.step("Tests of the workspace", || workspace_tests(args, strictness));
    if args.filter.is_empty() && !args.release {
        summary.step("Linked exporters, optimised", || linked_exporters(strictness));
        summary.step("Static runner", static_runner::check);
        summary.step("Models of the lock-free code", || models(strictness));
    }
}

fn workspace_tests(args: &Args, strictness: Strictness) -> Result<String> {
    let mut command = workspace::cargo(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    if args.release {
        command.arg("--release");
    }
    command.arg("--").args(&args.filter);
    run_tests(command, strictness)
}

/// The linker may drop an exporter that nothing refers to, and does so more often when it optimises. Built as the static
/// runner is, which shares what was compiled.
fn linked_exporters(strictness: Strictness) -> Result<String> {
    let mut command = workspace::cargo(["test"]);
    static_runner::shape(&mut command)?;
    for [package, test] in [["charm-runner", "linked_exporters"], ["charm-custom-runner", "custom_runner"]] {
        command.args(["--package", package, "--test", test]);
    }
    run_tests(command, strictness)
}

/// Loom tries every interleaving. Its types replace the standard library's in the whole build, which therefore has a
/// folder of its own.
fn models(strictness: Strictness) -> Result<String> {
    let mut command = workspace::cargo(["test", "--release", "--package", "charm-telemetry-core", "--lib"]);
    command.arg("--target-dir").arg(workspace::target_dir().join("loom")).arg("models");
    command.env("RUSTFLAGS", "--cfg loom");
    run_tests(command, strictness)
}

fn run_tests(mut command: Command, strictness: Strictness) -> Result<String> {
    console::note(&format!("$ {}", workspace::line(&command)));
    let skipped = SkipLog::new()?;
    command.env("CHARM_TEST_VENV", venv::path()).env("CHARM_TEST_SKIP_LOG", skipped.path());
    if strictness == Strictness::RequireAll {
        command.env(needs::REQUIRE_ALL, "1");
    }
    let counts = cargo_output::relay(command)?;
    for line in skipped.lines() {
        console::note(&format!("skipped: {line}"));
    }
    counts.verdict(skipped.lines().len())
}

/// Where tests write that they could not run: a line each, the name and what is missing.
struct SkipLog(PathBuf);

impl SkipLog {
    fn new() -> Result<Self> {
        let path = workspace::target_dir().join("skipped-tests.txt");
        std::fs::create_dir_all(workspace::target_dir())?;
        std::fs::write(&path, "")?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
