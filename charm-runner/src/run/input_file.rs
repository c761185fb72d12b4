//! The files in which a command finds its inputs.
//!
//! Rule: no run reads the inputs of another, no file of the user is touched, and nothing stays when the run has ended.
//!
//! `CHARM_INPUT_FILE` names a file of this run alone, which nobody else can read. For agents that read `input.json` in their
//! working directory, as the contract has it, that name is a link to the same file, where the name is free. A link of a run
//! that has not ended is left alone; one that a killed run left behind is known by the lock that nobody holds any more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use charm_telemetry_core::RunId;
use rustix::fs::{FlockOperation, flock};

use crate::stderr::say;

/// The name that the contract has.
const NAME: &str = "input.json";

/// With what the name of a file of a run begins. It ends in [`NAME`].
const OURS: &str = "charm-run-";

/// The inputs of one run on disk. Gone when this is dropped.
#[derive(Debug)]
pub(super) struct InputFile {
    path: PathBuf,
    /// Locked as long as the run goes on.
    _lock: File,
    /// `input.json` in the project's folder, if that is a link to it.
    link: Option<PathBuf>,
}

impl InputFile {
    pub(super) fn write(folder: &Path, input: &str, run: RunId) -> Result<Self> {
        let folder = std::path::absolute(folder)?;
        let name = format!("{OURS}{run}-{NAME}");
        let [temporary, own] = [std::env::temp_dir().join(&name), folder.join(&name)];
        let (path, file) = match create(&temporary, input) {
            Ok(file) => (temporary, file),
            Err(_) => (
                own.clone(),
                create(&own, input).with_context(|| {
                    format!("neither `{}` nor `{}` can be written", temporary.display(), own.display())
                })?,
            ),
        };
        let mut input = Self { path, _lock: file, link: None };
        input.link_from(folder.join(NAME));
        Ok(input)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes `input.json` a link to it, if nobody else needs that name. An agent that goes by the variable needs no link.
    fn link_from(&mut self, name: PathBuf) {
        remove_if_abandoned(&name);
        match symlink(&self.path, &name) {
            Ok(()) => self.link = Some(name),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let whose =
                    if run_file_of(&name).is_some() { "belongs to another run" } else { "is not ours" };
                say(format_args!(
                    "`{NAME}` in the project's folder {whose} and is left as it is; the inputs of this run are in the file \
                     that CHARM_INPUT_FILE names"
                ));
            }
            // A folder that cannot be written.
            Err(_) => {}
        }
    }
}

impl Drop for InputFile {
    fn drop(&mut self) {
        if let Some(link) = self.link.take().filter(|link| run_file_of(link).as_ref() == Some(&self.path)) {
            remove(&link);
        }
        remove(&self.path);
    }
}

/// A new file that only we can read, locked.
fn create(path: &Path, input: &str) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // Where there are no locks, no link is taken for an abandoned one.
    let _: rustix::io::Result<()> = flock(&file, FlockOperation::NonBlockingLockExclusive);
    file.write_all(input.as_bytes()).inspect_err(|_| remove(path))?;
    Ok(file)
}

/// The file of a run to which a name leads; `None` if it is anything else.
fn run_file_of(name: &Path) -> Option<PathBuf> {
    let target = fs::read_link(name).ok()?;
    let file = target.file_name()?.to_str()?;
    (file.starts_with(OURS) && file.ends_with(NAME)).then_some(target)
}

/// Removes what a run has left behind that was killed.
fn remove_if_abandoned(name: &Path) {
    let Some(target) = run_file_of(name) else { return };
    // Held to the end: of two that start now, one removes.
    let lock = match File::open(&target) {
        Ok(file) if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() => Some(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // A run has it, or it is somebody else's.
        _ => return,
    };
    if run_file_of(name).as_ref() == Some(&target) {
        remove(name);
        remove(&target);
    }
    drop(lock);
}

fn remove(path: &Path) {
    // Gone already, then.
    let _: io::Result<()> = fs::remove_file(path);
}
