//! Asks the built runner for its exporters and compares them with what was asked for.
//!
//! Rule: an exporter that was asked for and is not there fails the build: the linker drops a crate without a word.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::generate::Generated;
use super::request::RunnerRequest;
use crate::error::{RunnerError, plain};

/// An exporter of the built runner, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exporter {
    /// What `charm.yaml` calls it.
    pub name: String,
    /// Its crate.
    #[serde(rename = "crate")]
    pub crate_name: String,
    /// The version of that crate.
    pub version: String,
}

/// How long a runner may take to name its exporters.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `charm-runner exporters --json` with an empty environment.
pub(super) fn ask(binary: &Path) -> Result<Vec<Exporter>, RunnerError> {
    let failed = |reason: String| {
        RunnerError::Check(format!(
            "the built runner does not name its exporters: {reason}; run `{}` to see",
            binary.display()
        ))
    };
    let mut child = Command::new(binary)
        .args(["exporters", "--json"])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(plain(&error)))?;
    let mut stdout = child.stdout.take().expect("it was just piped");
    // Read at once: a long list does not fit into the pipe.
    let listed = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let started = Instant::now();
    while child.try_wait().map_err(|error| failed(plain(&error)))?.is_none() {
        if started.elapsed() > PATIENCE {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().map_err(|error| failed(plain(&error)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(RunnerError::Check(format!(
            "the built runner refuses its exporters: {said}; leave one of them out, or rename it if it is yours"
        )));
    }
    let listed = listed.join().expect("reading does not panic").map_err(|error| failed(plain(&error)))?;
    serde_json::from_slice(&listed).map_err(|error| failed(error.to_string()))
}

/// Everything that was asked for is there, once.
pub(super) fn compare(
    found: &[Exporter],
    generated: &Generated,
    request: &RunnerRequest,
) -> Result<(), RunnerError> {
    let mut wrong = Vec::new();
    for name in generated.graph.vendor_exporters() {
        wrong.extend(counted(found, &name, &format!("the feature `{name}` was asked for")));
    }
    for name in &request.telemetry {
        wrong.extend(counted(found, name, "the manifest's `runtime.telemetry` names it"));
    }
    for with in &request.with {
        if !found.iter().any(|exporter| is_of(exporter, &with.name)) {
            wrong.push(format!(
                "`--with {}` registers no exporter: put `#[charm_exporter(\"name\")]` on a struct of it, and `mod` its file in `lib.rs`",
                with.name
            ));
        }
    }
    wrong.sort();
    wrong.dedup();
    let compiled_in = found.iter().map(|exporter| exporter.name.as_str()).collect::<Vec<_>>().join(", ");
    if wrong.is_empty() {
        return Ok(());
    }
    Err(RunnerError::Check(format!("{}\ncompiled in: {compiled_in}", wrong.join("\n"))))
}

fn counted(found: &[Exporter], name: &str, why: &str) -> Option<String> {
    match found.iter().filter(|exporter| exporter.name == name).count() {
        0 => Some(format!("no exporter `{name}` is compiled in, and {why}: bring its crate with `--with`")),
        1 => None,
        n => Some(format!("{n} exporters are called `{name}`, and {why}: leave all but one out")),
    }
}

/// Names that nobody asked for: a third party's crate may link one.
pub(super) fn unasked(found: &[Exporter], generated: &Generated, request: &RunnerRequest) -> Vec<String> {
    let vendors = generated.graph.vendor_exporters();
    let asked = |exporter: &&Exporter| {
        vendors.contains(&exporter.name)
            || request.telemetry.contains(&exporter.name)
            || request.with.iter().any(|with| with.name == exporter.crate_name)
    };
    found.iter().filter(|exporter| !asked(exporter)).map(|exporter| exporter.name.clone()).collect()
}

/// A package and its library are the same crate, whichever of the two names the runner reports.
fn is_of(exporter: &Exporter, package: &str) -> bool {
    exporter.crate_name.replace('-', "_") == package.replace('-', "_")
}
