//! The environment with the vendors' own SDKs: the packages of `tests/requirements-sdks.txt` in `target/test-sdks`.
//!
//! Rule: it is made once, and made again when the list changed; where it cannot be made the tests that compare with the SDKs
//! say that they are skipped.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::needs::Strictness;
use crate::{console, venv, workspace};

/// The same file and content as in `tests/src/python_tool.rs`, which makes the environment if nobody has.
const STAMP: &str = "charm-requirements.txt";

const LIST: &str = "tests/requirements-sdks.txt";

/// Makes the environment if it is missing or out of date, and says what it did.
pub(crate) fn ensure(strictness: Strictness) -> Result<String> {
    let file = workspace::root().join(LIST);
    let wanted = std::fs::read_to_string(&file).with_context(|| format!("cannot read `{LIST}`"))?;
    let packages: Vec<_> = wanted.lines().filter(|line| line.contains("==")).collect();
    let folder = workspace::target_dir().join("test-sdks");
    if std::fs::read_to_string(folder.join(STAMP)).is_ok_and(|installed| installed == wanted) {
        return Ok(format!("up to date, {} packages", packages.len()));
    }
    let compared =
        |line: &&&str| ["ddtrace==", "langsmith==", "sentry-sdk=="].iter().any(|name| line.starts_with(name));
    let names: Vec<_> = packages.iter().filter(compared).copied().collect();
    console::note(&format!(
        "installing the {} packages of {LIST} into {} with pip: {}, to compare what they send with what we send.\n\
         About 140 MB, once.",
        packages.len(),
        folder.display(),
        names.join(", ")
    ));
    match make(&folder) {
        Ok(()) => {
            std::fs::write(folder.join(STAMP), &wanted)
                .context("cannot write the stamp of the environment")?;
            Ok(format!("installed {}", names.join(", ")))
        }
        Err(error) if strictness == Strictness::RequireAll => Err(error),
        Err(error) => Ok(format!("none, and the tests that use it are skipped: {error:#}")),
    }
}

fn make(folder: &std::path::Path) -> Result<()> {
    venv::make(folder, &venv::choose_python()?.program)?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--requirement",
        LIST,
    ]);
    let status = pip.current_dir(workspace::root()).status().context("cannot start pip")?;
    if !status.success() {
        bail!(
            "pip could not install the packages of {LIST}; if this machine reaches them through a mirror or a proxy, \
             name it in PIP_INDEX_URL or HTTPS_PROXY and start again"
        );
    }
    Ok(())
}
