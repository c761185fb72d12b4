//! What a test needs from the machine: the Python environment, Node, valgrind, strace.
//!
//! Rule: what is missing skips the test loudly, by name, and fails it where nothing may be skipped, but for what no package
//! gives to a machine: the right to run a daemon.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use crate::workspace;

/// The Python environment that `cargo xtask test` makes.
#[derive(Debug, Clone)]
pub struct Venv(PathBuf);

impl Venv {
    /// A program of the environment: `python3`, `charm`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin().join(name)
    }

    /// Where it is.
    ///
    /// # Panics
    /// If the path is not UTF-8.
    pub fn folder(&self) -> &str {
        self.0.to_str().expect("the workspace's path is UTF-8")
    }

    /// The folder of its programs, to be put first on `PATH`.
    pub fn bin(&self) -> PathBuf {
        self.0.join("bin")
    }
}

/// The Python environment with the reference runner, LangChain and LangGraph, or `None` after saying that the calling
/// test is skipped.
///
/// # Panics
/// If it is missing and `CHARM_TEST_REQUIRE_ALL=1`.
pub fn venv() -> Option<Venv> {
    let folder = std::env::var_os("CHARM_TEST_VENV").map_or_else(default_venv, PathBuf::from);
    let found = folder.join("bin/charm").is_file().then_some(Venv(folder));
    found.or_else(|| {
        missing("the Python environment in target/test-venv", "start the tests with `cargo xtask test`")
    })
}

/// The Python environment, if it has this module, or `None` after saying that the calling test is skipped.
///
/// # Panics
/// If it is missing and `CHARM_TEST_REQUIRE_ALL=1`.
pub fn python_module(name: &str) -> Option<Venv> {
    let venv = venv()?;
    let mut import = std::process::Command::new(venv.program("python3"));
    let import = import.args(["-c", &format!("import {name}")]).stderr(std::process::Stdio::null());
    if import.status().is_ok_and(|status| status.success()) {
        return Some(venv);
    }
    missing(&format!("the Python module `{name}`"), "start the tests with `cargo xtask test`")
}

/// The Python environment that `cargo xtask test` makes in `target/test-NAME`, with the reference runner, or `None` after
/// saying that the calling test is skipped in part.
///
/// # Panics
/// If it is missing and `CHARM_TEST_REQUIRE_ALL=1`.
pub fn venv_named(name: &str) -> Option<Venv> {
    installed(name, "bin/charm").map(|_| Venv(workspace::root().join("target").join(format!("test-{name}"))))
}

/// A program on `PATH`, or `None` after saying that the calling test is skipped.
///
/// # Panics
/// If it is missing and `CHARM_TEST_REQUIRE_ALL=1`.
pub fn program(name: &str) -> Option<PathBuf> {
    on_path(name).or_else(|| missing(&format!("`{name}` on PATH"), INSTALL))
}

/// A program on `PATH` that not every machine can have, or `None` after saying that the calling test is skipped.
pub fn optional_program(name: &str) -> Option<PathBuf> {
    on_path(name).or_else(|| optional_missing(&format!("`{name}` on PATH"), INSTALL))
}

const INSTALL: &str = "install it with the package manager of the system";

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A file of what `cargo xtask test` installs into `target/test-NAME`, or `None` after saying that the calling test is
/// skipped.
///
/// # Panics
/// If it is missing and `CHARM_TEST_REQUIRE_ALL=1`.
pub fn installed(name: &str, file: &str) -> Option<PathBuf> {
    let home = workspace::root().join("target").join(format!("test-{name}"));
    // The stamp: an install that was interrupted is none.
    let whole = home.join("charm-requirements.txt").is_file();
    Some(home.join(file)).filter(|file| whole && file.is_file()).or_else(|| {
        missing(&format!("`{name}` in {}", home.display()), "start the tests with `cargo xtask test`")
    })
}

fn default_venv() -> PathBuf {
    workspace::root().join("target/test-venv")
}

/// Says that the calling test is skipped for want of something.
///
/// # Panics
/// If `CHARM_TEST_REQUIRE_ALL=1`.
pub fn missing<T>(what: &str, way_out: &str) -> Option<T> {
    let line = need(what, way_out);
    assert!(std::env::var_os("CHARM_TEST_REQUIRE_ALL").is_none_or(|value| value != "1"), "{line}");
    tell(&line);
    None
}

/// Says that the calling test is skipped for want of something that no machine can be made to have.
pub fn optional_missing<T>(what: &str, way_out: &str) -> Option<T> {
    tell(&need(what, way_out));
    None
}

fn need(what: &str, way_out: &str) -> String {
    format!("{}: needs {what}; {way_out}", test_name())
}

fn test_name() -> String {
    std::thread::current().name().unwrap_or("a test").to_owned()
}

/// Past the test harness, which swallows what a passing test prints, and into the list that `cargo xtask test` counts.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {line}");
    let Some(log) = std::env::var_os("CHARM_TEST_SKIP_LOG") else { return };
    let log = OpenOptions::new().append(true).create(true).open(log);
    log.and_then(|mut log| writeln!(log, "{line}")).expect("the list of skipped tests can be written");
}
