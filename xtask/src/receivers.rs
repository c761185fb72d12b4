//! The receivers of others that the tests send to and read back: Arize Phoenix and Sentry's Spotlight, under target.
//!
//! Rule: each is in a folder of its own, whole or not there; what is pinned is installed, and nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::needs::Strictness;
use crate::venv::{self, STAMP};
use crate::{console, workspace};

/// One of them.
struct Receiver {
    /// `target/test-NAME`
    name: &'static str,
    /// What pins it: a change of it installs anew.
    pins: &'static str,
    /// What is there when it is installed.
    program: &'static str,
    what: &'static str,
    install: fn(&Path) -> Result<()>,
}

const RECEIVERS: &[Receiver] = &[
    Receiver {
        name: "phoenix",
        pins: "tests/requirements-phoenix.txt",
        program: "bin/phoenix",
        what: "Arize Phoenix: 113 Python packages, 580 MB, about a minute, once",
        install: phoenix,
    },
    Receiver {
        name: "spotlight",
        pins: "tests/spotlight/package-lock.json",
        program: SPOTLIGHT,
        what: "Sentry's Spotlight: 142 Node packages, 115 MB, about ten seconds, once",
        install: spotlight,
    },
];

const SPOTLIGHT: &str = "node_modules/@spotlightjs/spotlight/dist/run.js";

/// Installs what is missing or out of date. Where that cannot be done the tests that need it say so.
pub(crate) fn ensure(strictness: Strictness) -> Result<String> {
    let mut said = Vec::new();
    for receiver in RECEIVERS {
        said.push(match receiver.ensure() {
            Ok(done) => format!("{} {done}", receiver.name),
            Err(error) if strictness == Strictness::RequireAll => return Err(error),
            Err(error) => {
                console::note(&format!("its tests are skipped: {error:#}"));
                format!("{} missing", receiver.name)
            }
        });
    }
    Ok(said.join(", "))
}

impl Receiver {
    fn ensure(&self) -> Result<&'static str> {
        let pins = std::fs::read_to_string(workspace::root().join(self.pins))
            .with_context(|| format!("cannot read `{}`", self.pins))?;
        let home = workspace::target_dir().join(format!("test-{}", self.name));
        let stamped = std::fs::read_to_string(home.join(STAMP)).is_ok_and(|installed| installed == pins);
        if stamped && home.join(self.program).is_file() {
            return Ok("up to date");
        }
        console::note(&format!("installing into {}: {}", home.display(), self.what));
        remove(&home)?;
        (self.install)(&home).with_context(|| format!("cannot install {}", self.name))?;
        if !home.join(self.program).is_file() {
            bail!("`{}` was installed, and has no `{}`", self.name, self.program);
        }
        std::fs::write(home.join(STAMP), pins).context("cannot write the stamp")?;
        Ok("installed")
    }
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Wheels only, because nothing here may be compiled; without byte code, of which most is never asked for.
fn phoenix(home: &Path) -> Result<()> {
    let python = venv::choose_python()?;
    if python.version == "3.10" {
        bail!("Phoenix needs Python 3.11 or later, and this machine has 3.10");
    }
    venv::make(home, &python.program)?;
    let mut pip = Command::new(home.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--no-compile"]);
    pip.args([
        "--disable-pip-version-check",
        "--no-input",
        "--requirement",
        "tests/requirements-phoenix.txt",
    ]);
    pip.current_dir(workspace::root());
    workspace::run(pip)
}

fn spotlight(home: &Path) -> Result<()> {
    std::fs::create_dir_all(home)?;
    let source: PathBuf = workspace::root().join("tests/spotlight");
    for name in ["package.json", "package-lock.json"] {
        std::fs::copy(source.join(name), home.join(name)).with_context(|| format!("cannot copy `{name}`"))?;
    }
    let mut npm = Command::new("npm");
    // No script of a package is run on this machine.
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(home);
    workspace::run(npm).context("npm comes with Node, on Debian as a package of its own: apt-get install npm")
}
