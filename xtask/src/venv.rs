//! The Python environment of the tests: the packages of `tests/requirements.txt` in `target/test-venv`.
//!
//! Rule: it is made once; it is made again only when the requirements, or the Python, changed.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::{console, workspace};

/// Made into a folder that pip has filled completely, so that a broken install is seen and repeated.
pub(crate) const STAMP: &str = "charm-requirements.txt";

/// The versions that the pinned packages have wheels for. 3.11 and later first: the reference is developed on them.
const SUPPORTED: &[&str] = &["3.13", "3.12", "3.11", "3.10"];

/// Where the environment is: ours, or the one that `CHARM_TEST_VENV` names.
pub(crate) fn path() -> PathBuf {
    named().unwrap_or_else(|| workspace::target_dir().join("test-venv"))
}

fn named() -> Option<PathBuf> {
    std::env::var_os("CHARM_TEST_VENV").map(PathBuf::from)
}

/// Makes the environment if it is missing or out of date, and says what it did.
pub(crate) fn ensure() -> Result<String> {
    let venv = path();
    if named().is_some() {
        console::note(&format!("CHARM_TEST_VENV names {}: used as it is, never changed", venv.display()));
        return Ok("the one of CHARM_TEST_VENV".to_owned());
    }
    let wanted = requirements()?;
    let packages = wanted.lines().filter(|line| line.contains("==")).count();
    if std::fs::read_to_string(venv.join(STAMP)).is_ok_and(|installed| installed == wanted) {
        console::note(&format!("{} is up to date", venv.display()));
        return Ok(format!("up to date, {packages} packages"));
    }
    let python = choose_python()?;
    console::note(&format!("making {} with Python {}", venv.display(), python.version));
    console::note(&format!(
        "installing the {packages} packages of tests/requirements.txt with pip: the reference runner `charmos`,\n\
         LangChain and LangGraph, to compare our runner with. About 200 MB and a minute, once."
    ));
    make(&venv, &python.program)?;
    install(&venv, packages)?;
    std::fs::write(venv.join(STAMP), wanted).context("cannot write the stamp of the environment")?;
    Ok(format!("installed {packages} packages for Python {}", python.version))
}

fn requirements() -> Result<String> {
    let file = workspace::root().join("tests/requirements.txt");
    std::fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))
}

/// A Python of the machine.
pub(crate) struct Python {
    pub(crate) program: String,
    /// `3.12`
    pub(crate) version: String,
}

/// The `python3` of the machine if the packages support it, else the newest that they do.
pub(crate) fn choose_python() -> Result<Python> {
    let names = std::iter::once("python3".to_owned());
    let names = names.chain(SUPPORTED.iter().map(|version| format!("python{version}")));
    let found: Vec<_> = names.filter_map(|name| probe(&name)).collect();
    let modern = |python: &&Python| python.version != "3.10" && SUPPORTED.contains(&&*python.version);
    let any = |python: &&Python| SUPPORTED.contains(&&*python.version);
    let best = found.iter().find(modern).or_else(|| found.iter().find(any));
    match best {
        Some(python) => Ok(Python { program: python.program.clone(), version: python.version.clone() }),
        None => bail!(
            "the packages that the tests compare with need Python {} to {}, found {}; \
             install one (apt-get install python3 python3-venv, brew install python@3.13, pyenv install 3.13) \
             and put it on PATH",
            SUPPORTED[SUPPORTED.len() - 1],
            SUPPORTED[0],
            list(&found),
        ),
    }
}

/// A name may be a shim that has no Python behind it: only an answer counts.
fn probe(program: &str) -> Option<Python> {
    let code = "import sys; print('%d.%d' % sys.version_info[:2])";
    let version = workspace::output(Command::new(program).args(["-c", code]))?.trim().to_owned();
    Some(Python { program: program.to_owned(), version })
}

fn list(found: &[Python]) -> String {
    match found {
        [] => "none".to_owned(),
        _ => found.iter().map(|python| python.version.as_str()).collect::<Vec<_>>().join(", "),
    }
}

/// An empty environment.
pub(crate) fn make(venv: &Path, python: &str) -> Result<()> {
    let mut command = Command::new(python);
    command.args(["-m", "venv", "--clear"]).arg(venv);
    let output = command.output().with_context(|| format!("cannot start `{python}`"))?;
    if !output.status.success() {
        bail!(
            "`{python} -m venv` failed; on Debian and Ubuntu: apt-get install python3-venv\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// `--no-deps`: the file names every package, so that two installs are the same install.
fn install(venv: &Path, packages: usize) -> Result<()> {
    let mut command = Command::new(venv.join("bin/python"));
    command.args(["-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "--no-input"]);
    command.args(["--progress-bar", "off", "--requirement", "tests/requirements.txt"]);
    command.current_dir(workspace::root()).stdout(Stdio::piped());
    let mut pip = command.spawn().context("cannot start pip")?;
    let output = pip.stdout.take().expect("stdout is piped");
    let collected =
        BufReader::new(output).lines().map_while(Result::ok).filter(|line| line.starts_with("Collecting"));
    for (index, _) in collected.enumerate() {
        show_progress(index + 1, packages);
    }
    if !pip.wait().context("cannot wait for pip")?.success() {
        bail!(
            "pip could not install the packages; if this machine reaches them through a mirror or a proxy, \
             name it in PIP_INDEX_URL or HTTPS_PROXY and start again"
        );
    }
    Ok(())
}

/// pip downloads in a row and unpacks at the end, without a word.
fn show_progress(collected: usize, packages: usize) {
    if collected == packages {
        console::note(&format!("{collected} of {packages} packages; unpacking"));
    } else if collected.is_multiple_of(20) {
        console::note(&format!("{collected} of {packages} packages"));
    }
}
