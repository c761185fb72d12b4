//! The programs of this workspace, built once for each test process.
//!
//! Rule: cargo says where a program is; nobody guesses.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The `charm-runner` of this workspace, built with the profile of the test.
///
/// # Panics
/// If it can't be built.
pub fn runner() -> &'static Path {
    static RUNNER: OnceLock<PathBuf> = OnceLock::new();
    RUNNER.get_or_init(|| build("charm-runner"))
}

/// An example of a package, built as it would be shipped whatever the profile of the test.
///
/// # Panics
/// If it can't be built.
pub fn release_example(package: &str, example: &str) -> PathBuf {
    cargo_build(&["--release", "--package", package, "--example", example], example, "example")
}

/// Builds the binary of a package that has the package's name.
fn build(package: &str) -> PathBuf {
    let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    cargo_build(&[&["--package", package, "--bin", package], profile].concat(), package, "bin")
}

fn cargo_build(what: &[&str], name: &str, kind: &str) -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--message-format", "json-render-diagnostics"]).args(what);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit());
    let output = cargo.output().expect("cargo can be started");
    let messages = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let found = messages.lines().filter_map(|line| executable(line, name, kind)).next_back();
    found.unwrap_or_else(|| panic!("`{name}` could not be built: see above"))
}

fn executable(message: &str, name: &str, kind: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let ours = message["target"]["name"] == name && message["target"]["kind"][0] == kind;
    message["executable"].as_str().filter(|_| ours).map(PathBuf::from)
}
