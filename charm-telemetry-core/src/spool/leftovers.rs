//! Files that are done with and could not be deleted.
//!
//! Rule: as far as the disk lets us say so no start sends them again; they are deleted when that works, and take room
//! until then.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::file_system::FileSystem;
use super::store::Spool;

/// What should be gone.
#[derive(Default)]
pub(super) struct Leftovers {
    /// With their sizes.
    files: BTreeMap<PathBuf, u64>,
    /// When they are tried again.
    retry_at: Option<Instant>,
    /// Why the first of them is still there, until somebody asks.
    untold: Option<io::Error>,
}

const RETRY: Duration = Duration::from_secs(30);

impl Leftovers {
    /// How much room they take.
    pub(super) fn bytes(&self) -> u64 {
        self.files.values().sum()
    }

    fn add(&mut self, path: PathBuf, bytes: u64, why: io::Error) {
        if self.files.is_empty() {
            self.untold = Some(why);
        }
        self.files.insert(path, bytes);
        self.retry_at.get_or_insert_with(|| Instant::now() + RETRY);
    }
}

impl Spool {
    /// Deletes a file of this size. One that cannot be deleted gets a name under which no start sends it, if the disk
    /// allows that at least.
    pub(super) fn delete(&mut self, path: &Path, bytes: u64) {
        if let Err((left, why)) = try_delete(&*self.fs, path) {
            self.leftovers.add(left, bytes, why);
        }
    }

    /// When there is something to be swept.
    pub(crate) fn sweep_at(&self) -> Option<Instant> {
        self.leftovers.retry_at
    }

    /// Deletes what could not be deleted before.
    pub(crate) fn sweep(&mut self) {
        let files = std::mem::take(&mut self.leftovers.files);
        for (path, bytes) in files {
            if let Err((left, _)) = try_delete(&*self.fs, &path) {
                self.leftovers.files.insert(left, bytes);
            }
        }
        self.leftovers.retry_at = (!self.leftovers.files.is_empty()).then(|| Instant::now() + RETRY);
    }

    /// Why a file could not be deleted. It is said once until all of them could.
    pub(crate) fn take_undeleted(&mut self) -> Option<io::Error> {
        self.leftovers.untold.take()
    }
}

/// A file that is gone is deleted. `Err`: under which name it is still there, and why.
fn try_delete(fs: &dyn FileSystem, path: &Path) -> Result<(), (PathBuf, io::Error)> {
    match fs.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let sent = path.with_extension(SENT);
            let is_renamed = path != sent && fs.rename(path, &sent).is_ok();
            Err((if is_renamed { sent } else { path.to_owned() }, error))
        }
        _ => Ok(()),
    }
}

/// How a name ends that no start sends.
pub(super) const SENT: &str = "sent";
