//! `cargo xtask ci`: everything that must pass before a change is merged.
//!
//! Rule: one failure doesn't hide the next; the summary lists them all.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::needs::Strictness;
use crate::summary::Summary;
use crate::{console, test, tidy, workspace};

pub(crate) fn run() -> ExitCode {
    let mut summary = Summary::new("cargo xtask ci");
    summary.step("Format", || cargo(&["fmt", "--all", "--check"], "cargo fmt --all"));
    summary.step("Tidy", tidy::check);
    summary.step("Lints", lints);
    summary.step("Features of charm-runner", features);
    summary.step("Documentation", documentation);
    summary.step("Dependencies", dependencies);
    test::add_all_steps(&mut summary, Strictness::RequireAll);
    summary.finish()
}

fn cargo(args: &[&str], way_out: &str) -> Result<String> {
    let command = workspace::cargo(args);
    console::note(&format!("$ {}", workspace::line(&command)));
    workspace::run(command).with_context(|| format!("to repair it: {way_out}"))?;
    Ok(format!("cargo {}", args.join(" ")))
}

fn lints() -> Result<String> {
    let args = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"];
    cargo(&args, "change what clippy names above")
}

fn documentation() -> Result<String> {
    let mut command = workspace::cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
    command.env("RUSTDOCFLAGS", "--deny warnings");
    console::note(&format!("$ RUSTDOCFLAGS='--deny warnings' {}", workspace::line(&command)));
    workspace::run(command).context("the documentation has a mistake, see above")?;
    Ok("no warning".to_owned())
}

/// A feature that only compiles together with another is a trap for who wants the one.
fn features() -> Result<String> {
    let features = features_of("charm-runner")?;
    let sets = std::iter::once(None).chain(features.iter().map(Some));
    for set in sets {
        let mut args = vec!["check", "--package", "charm-runner", "--no-default-features"];
        args.extend(set.iter().flat_map(|feature| ["--features", feature.as_str()]));
        cargo(&args, "make the feature compile alone")?;
    }
    Ok(format!("compiles with none and with each of {}", features.len()))
}

fn features_of(package: &str) -> Result<Vec<String>> {
    let mut command = workspace::cargo(["metadata", "--no-deps", "--format-version", "1"]);
    let text = workspace::output(&mut command).context("`cargo metadata` failed")?;
    let metadata: Value = serde_json::from_str(&text).context("`cargo metadata` wrote no JSON")?;
    let packages = metadata["packages"].as_array().context("`cargo metadata` lists no packages")?;
    let found = packages.iter().find(|entry| entry["name"] == package);
    let features = found.and_then(|entry| entry["features"].as_object()).context("no such package")?;
    Ok(features.keys().filter(|name| *name != "default").cloned().collect())
}

fn dependencies() -> Result<String> {
    if workspace::output(&mut workspace::cargo(["deny", "--version"])).is_none() {
        bail!("`cargo deny` was not found; to get it: cargo install cargo-deny --locked");
    }
    cargo(&["deny", "check", "bans", "licenses", "sources"], "see deny.toml for what is allowed, and why")
}
