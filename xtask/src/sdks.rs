//! Environments of their own for packages that do not go with those of the reference: the vendors' SDKs in
//! `target/test-sdks`, CrewAI in `target/test-crewai`.
//!
//! Rule: each is made once, and made again when its list changed; where it cannot be made the tests that use it say that they are
//! skipped.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::needs::Strictness;
use crate::{console, venv, workspace};

/// The same file and content as in `tests/src/python_tool.rs`, which makes an environment if nobody has.
const STAMP: &str = "charm-requirements.txt";

/// One of them.
#[derive(Debug)]
pub(crate) struct Packages {
    list: &'static str,
    folder: &'static str,
    /// Those that the tests are about; the rest is what they need.
    names: &'static [&'static str],
    why: &'static str,
    size: &'static str,
    /// What pip is told besides.
    options: &'static [&'static str],
}

/// What spans are compared with.
pub(crate) const SDKS: Packages = Packages {
    list: "tests/requirements-sdks.txt",
    folder: "test-sdks",
    names: &["ddtrace==", "langsmith==", "sentry-sdk=="],
    why: "to compare what they send with what we send",
    size: "140 MB",
    options: &[],
};

/// Real crews, and the reference to run them with. Without what CrewAI requires but loads only for memory and knowledge: that
/// would be five times as much.
pub(crate) const CREWAI: Packages = Packages {
    list: "tests/requirements-crewai.txt",
    folder: "test-crewai",
    names: &["crewai==", "charmos=="],
    why: "to run real crews",
    size: "340 MB",
    options: &["--no-deps"],
};

impl Packages {
    /// Makes the environment if it is missing or out of date, and says what it did.
    pub(crate) fn ensure(&self, strictness: Strictness) -> Result<String> {
        let file = workspace::root().join(self.list);
        let wanted =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", self.list))?;
        let packages: Vec<_> = wanted.lines().filter(|line| line.contains("==")).collect();
        let folder = workspace::target_dir().join(self.folder);
        if std::fs::read_to_string(folder.join(STAMP)).is_ok_and(|installed| installed == wanted) {
            return Ok(format!("up to date, {} packages", packages.len()));
        }
        let is_named = |line: &&&str| self.names.iter().any(|name| line.starts_with(name));
        let names = packages.iter().filter(is_named).copied().collect::<Vec<_>>().join(", ");
        console::note(&format!(
            "installing the {} packages of {} into {} with pip: {names}, {}.\nAbout {}, once.",
            packages.len(),
            self.list,
            folder.display(),
            self.why,
            self.size,
        ));
        match self.make(&folder) {
            Ok(()) => {
                std::fs::write(folder.join(STAMP), &wanted)
                    .context("cannot write the stamp of the environment")?;
                Ok(format!("installed {names}"))
            }
            Err(error) if strictness == Strictness::RequireAll => Err(error),
            Err(error) => Ok(format!("none, and the tests that use it are skipped: {error:#}")),
        }
    }

    fn make(&self, folder: &Path) -> Result<()> {
        venv::make(folder, &venv::choose_python()?.program)?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
        pip.args(self.options).args(["--requirement", self.list]);
        let status = pip.current_dir(workspace::root()).status().context("cannot start pip")?;
        if !status.success() {
            bail!(
                "pip could not install the packages of {}; if this machine reaches them through a mirror or a proxy, \
                 name it in PIP_INDEX_URL or HTTPS_PROXY and start again",
                self.list
            );
        }
        Ok(())
    }
}
