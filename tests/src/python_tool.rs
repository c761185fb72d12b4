//! A program written in Python, in an environment of its own under `target`, made the first time that a test asks.
//!
//! Rule: the packages are pinned in `tests/requirements-NAME.txt`; an environment that was not made whole is made anew.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::{process, requires, workspace};

/// Made into a folder that pip has filled completely.
const STAMP: &str = "charm-requirements.txt";

/// One environment at a time.
static MAKING: Mutex<()> = Mutex::new(());

/// `program` of the packages in `tests/requirements-NAME.txt`, or `None` after saying that the calling test is skipped: there is
/// no Python, or no network.
///
/// # Panics
/// If it is missing and `CHARM_TEST_REQUIRE_ALL=1`.
pub fn program(name: &str, program: &str) -> Option<PathBuf> {
    let python = requires::program("python3")?;
    let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let file = workspace::root().join(format!("tests/requirements-{name}.txt"));
    let wanted = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("can't read `{}`: {error}", file.display()));
    let folder = workspace::root().join(format!("target/test-{name}"));
    let stamp = folder.join(STAMP);
    let made = std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted);
    match if made { Ok(()) } else { make(&python, &folder, &file) } {
        Ok(()) => std::fs::write(&stamp, wanted).expect("the environment can be written to"),
        Err(why) => {
            return requires::missing(
                &format!("`{program}` in {}: {why}", folder.display()),
                "check Python and the network",
            );
        }
    }
    Some(folder.join("bin").join(program))
}

fn make(python: &Path, folder: &Path, file: &Path) -> Result<(), String> {
    let mut venv = Command::new(python);
    venv.args(["-m", "venv", "--clear"]).arg(folder);
    run(venv)?;
    let mut pip = Command::new(folder.join("bin/python3"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(file);
    run(pip)
}

fn run(command: Command) -> Result<(), String> {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let finished = process::run(command, scratch.path());
    let last = finished.stderr.lines().last().unwrap_or("it says nothing").to_owned();
    if finished.code == Some(0) { Ok(()) } else { Err(last) }
}
