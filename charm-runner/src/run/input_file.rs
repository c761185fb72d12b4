//! The file in which a command finds its inputs; `CHARM_INPUT_FILE` names it.
//!
//! Rule: it is `input.json` in the project's folder, as the contract has it; where that cannot be written it is a file of
//! its own that nobody else can read and that goes with the run.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use charm_telemetry_core::RunId;

const NAME: &str = "input.json";

/// The inputs of one run on disk.
#[derive(Debug)]
pub(super) enum InputFile {
    InProject(PathBuf),
    Temporary(PathBuf),
}

impl InputFile {
    pub(super) fn write(folder: &Path, input: &str, run: RunId) -> Result<Self> {
        let own = std::path::absolute(folder)?.join(NAME);
        if fs::write(&own, input).is_ok() {
            return Ok(Self::InProject(own));
        }
        let other = std::env::temp_dir().join(format!("charm-{run}-{NAME}"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&other);
        file.and_then(|mut file| file.write_all(input.as_bytes())).with_context(|| {
            format!("neither `{}` nor `{}` can be written", own.display(), other.display())
        })?;
        Ok(Self::Temporary(other))
    }

    pub(super) fn path(&self) -> &Path {
        let (Self::InProject(path) | Self::Temporary(path)) = self;
        path
    }
}

impl Drop for InputFile {
    fn drop(&mut self) {
        if let Self::Temporary(path) = self {
            // Gone already, then.
            let _: std::io::Result<()> = fs::remove_file(path);
        }
    }
}
