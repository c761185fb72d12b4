//! Asks the built runner for its exporters and compares them with what was asked for.
//!
//! Rule: an exporter that was asked for and is not there fails the build: the linker drops a crate without a word.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::generate::Generated;
use super::request::RunnerRequest;
use crate::error::{RunnerError, plain};
use crate::program::{Program, Reach};

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
    let mut command = Command::new(binary);
    command.args(["exporters", "--json"]).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = Program::start(&mut command, Reach::Alone).map_err(|error| failed(plain(&error)))?;
    let [listed, said] = [
        reader(program.child().stdout.take().expect("it was just piped")),
        reader(program.child().stderr.take().expect("it was just piped")),
    ];
    let status = wait(program.child()).map_err(|error| failed(plain(&error)))?;
    // What it started may hold its pipes open.
    let text = |bytes: Receiver<Vec<u8>>| bytes.recv_timeout(Duration::from_secs(5)).unwrap_or_default();
    let Some(status) = status else {
        return Err(failed(format!("it takes longer than {} s", PATIENCE.as_secs())));
    };
    if !status.success() {
        let said = String::from_utf8_lossy(&text(said)).trim().to_owned();
        return Err(RunnerError::Check(format!(
            "the built runner refuses its exporters: {said}; leave one of them out, or rename it if it is yours"
        )));
    }
    serde_json::from_slice(&text(listed)).map_err(|error| failed(error.to_string()))
}

/// Reads at once what does not fit into a pipe, and no more of it than anyone would read.
fn reader(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.by_ref().take(MAX_SAID).read_to_end(&mut bytes);
        let read = read.and_then(|_| std::io::copy(&mut pipe, &mut std::io::sink()));
        // Who waited for it has gone, or takes what came.
        let _ = read.map(|_| sender.send(bytes));
    });
    receiver
}

const MAX_SAID: u64 = 1024 * 1024;

/// `None` if its time was up.
fn wait(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    // If it has ended since, there is nothing to end.
    let _ = child.kill();
    child.wait().map(|_| None)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A program in the place of a runner. Another one writes it, so that no thread of ours holds it open when it starts.
    fn runner(folder: &Path, script: &str) -> std::path::PathBuf {
        let path = folder.join("runner");
        let text = format!("#!/bin/sh\n{script}\n");
        let mut writer = Command::new("sh");
        writer.args(["-c", r#"printf '%s' "$1" > "$0" && chmod 755 "$0""#]).arg(&path).arg(text);
        assert!(writer.status().unwrap().success());
        path
    }

    const MUCH: &str = "i=0; while [ $i -lt 4000 ]; do echo 'a line of fifty letters that says nothing at all' >&2; i=$((i+1)); done";

    #[test]
    fn a_runner_that_complains_more_than_a_pipe_holds_is_heard() {
        let folder = tempfile::tempdir().unwrap();
        let listed = r#"[{"name":"a","crate":"b","version":"1.0.0"}]"#;
        let runner = runner(folder.path(), &format!("{MUCH}\necho '{listed}'"));
        let started = Instant::now();
        assert_eq!(ask(&runner).unwrap()[0].name, "a");
        assert!(started.elapsed() < PATIENCE, "it waited until its patience was at an end");
    }

    #[test]
    fn a_runner_that_refuses_after_many_words_is_told_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let runner = runner(folder.path(), &format!("{MUCH}\necho 'two are called the same' >&2; exit 2"));
        let error = ask(&runner).unwrap_err().to_string();
        assert!(error.starts_with("the built runner refuses its exporters: a line of fifty"), "{error:.100}");
        assert!(
            error.contains("two are called the same; leave one of them out"),
            "its last words are missing"
        );
    }
}
