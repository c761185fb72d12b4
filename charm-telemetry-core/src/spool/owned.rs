//! Whose a directory of the spool is.
//!
//! Rule: a directory is used by the one process that holds its lock; the system lets go of it when the process dies.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::file_system::{FileSystem, Guard};

/// A directory whose lock we hold.
pub(super) struct OwnedDir {
    pub(super) path: PathBuf,
    guard: Guard,
}

impl OwnedDir {
    /// Whether it is still ours. Somebody may have put another directory in its place, or a copy: that one is locked,
    /// unless another process was faster.
    pub(super) fn is_still_ours(&mut self, fs: &dyn FileSystem, address: &str) -> bool {
        let lock = self.path.join(LOCK);
        if fs.is_locked_by(&self.guard, &lock) {
            return true;
        }
        match fs.lock(&lock, address) {
            Ok(Some(guard)) => self.guard = guard,
            Ok(None) => return false,
            // What is gone shows when it is used.
            Err(_) => {}
        }
        true
    }
}

/// Tries to make and lock a directory of our own below `parent`.
pub(super) fn create(
    fs: &dyn FileSystem,
    parent: &Path,
    identity: u64,
    address: &str,
    wall: SystemTime,
) -> io::Result<OwnedDir> {
    const TRIES: usize = 8;
    create_dirs(fs, parent)?;
    for _ in 0..TRIES {
        let path = parent.join(name(identity, next_number(fs, parent, identity, wall)));
        fs.create_dir(&path)?;
        // Another process that starts now may look for orphans, and take ours for one before we lock it.
        match fs.lock(&path.join(LOCK), address) {
            Ok(Some(guard)) => {
                fs.sync_dir(parent)?;
                return Ok(OwnedDir { path, guard });
            }
            // It may have been found empty and deleted already.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::WouldBlock, "every new directory was taken at once"))
}

/// Makes a directory and those above it, and their names durable: a file in a directory that a power cut takes away is
/// lost with it.
fn create_dirs(fs: &dyn FileSystem, path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let made = fs.create_dir(path).or_else(|error| match parent {
        Some(parent) if error.kind() == io::ErrorKind::NotFound => {
            create_dirs(fs, parent)?;
            fs.create_dir(path)
        }
        _ => Err(error),
    });
    match made {
        Ok(()) => {
            // Those above may not be ours to read: then the disk decides.
            drop(parent.map(|parent| fs.sync_dir(parent)));
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Locks a directory, unless somebody else has.
pub(super) fn claim(fs: &dyn FileSystem, path: PathBuf) -> io::Result<Option<OwnedDir>> {
    Ok(fs.lock(&path.join(LOCK), "")?.map(|guard| OwnedDir { path, guard }))
}

/// Deletes a directory in which there is nothing but our lock.
pub(super) fn discard(fs: &dyn FileSystem, dir: &OwnedDir) {
    let empty = fs.list(&dir.path).is_ok_and(|names| names.iter().all(|(name, _)| name == LOCK));
    let is_ours = empty && fs.is_locked_by(&dir.guard, &dir.path.join(LOCK));
    if is_ours && fs.remove(&dir.path.join(LOCK)).is_ok() {
        // If it fails, an empty directory stays, and the next start tries again.
        drop(fs.remove_dir(&dir.path));
    }
}

/// The directories of this identity, the oldest first.
pub(super) fn siblings(fs: &dyn FileSystem, parent: &Path, identity: u64) -> io::Result<Vec<PathBuf>> {
    let prefix = prefix(identity);
    let mut names: Vec<_> = fs.list(parent)?.into_iter().map(|(name, _)| name).collect();
    names.retain(|name| name.starts_with(&prefix));
    names.sort_by_cached_key(|name| (number(name, &prefix), name.clone()));
    Ok(names.into_iter().map(|name| parent.join(name)).collect())
}

/// The name of the lock file.
pub(super) const LOCK: &str = "lock";

/// How the name of a directory begins.
pub(super) fn prefix(identity: u64) -> String {
    format!("{identity:016x}.")
}

fn name(identity: u64, number: u64) -> String {
    let (_, random) = uuid::Uuid::now_v7().as_u64_pair();
    format!("{}{number:014}-{random:016x}", prefix(identity))
}

/// By which a new directory comes after all that are there: the milliseconds of the clock, unless that was set back.
fn next_number(fs: &dyn FileSystem, parent: &Path, identity: u64, wall: SystemTime) -> u64 {
    let millis = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let prefix = prefix(identity);
    let names = fs.list(parent).unwrap_or_default();
    let last = names.iter().filter_map(|(name, _)| number(name, &prefix)).max();
    u64::try_from(millis).unwrap_or_default().max(last.map_or(0, |last| last.saturating_add(1)))
}

fn number(name: &str, prefix: &str) -> Option<u64> {
    name.strip_prefix(prefix)?.split('-').next()?.parse().ok()
}
