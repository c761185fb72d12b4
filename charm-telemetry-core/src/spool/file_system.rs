//! What the spool asks of a file system.
//!
//! Rule: each call is one step that can fail, so that a test can make every step fail.

use std::any::Any;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};

/// The steps.
pub(crate) trait FileSystem: Send + Sync + 'static {
    /// Makes a directory in one that is there, for the owner only.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Writes a new file for the owner only and makes it durable.
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Gives a file another name, in place of what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Deletes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Deletes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Reads a file, at most so many bytes from its beginning.
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>>;
    /// The names in a directory with the sizes of the files.
    fn list(&self, path: &Path) -> io::Result<Vec<(String, u64)>>;
    /// Locks a file for as long as the guard lives; `None` if another process holds it. Whoever looks into the file finds
    /// the note, unless that is empty or cannot be written.
    fn lock(&self, path: &Path, note: &str) -> io::Result<Option<Guard>>;
    /// Whether the file that is locked is still the one of this name. Who cannot be asked says yes.
    fn is_locked_by(&self, guard: &Guard, path: &Path) -> bool;
}

/// Holds a lock until it is dropped.
pub(crate) type Guard = Box<dyn Any + Send>;

const MOST_LOOKS: usize = 100;

impl RealFileSystem {
    /// Whether a process holds the lock of a file, without making or changing anything.
    pub(super) fn is_owned(path: &Path) -> bool {
        File::open(path).is_ok_and(|file| is_owned(&file).unwrap_or(false))
    }
}

/// Whether somebody has it for himself alone, and not just looks, as we do here.
fn is_owned(file: &File) -> io::Result<bool> {
    let is_free = try_lock(file, FlockOperation::NonBlockingLockShared)?;
    if is_free {
        flock(file, FlockOperation::Unlock)?;
    }
    Ok(!is_free)
}

/// Whether a file is the one of this name.
fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    let (ours, theirs) = (file.metadata()?, path.metadata()?);
    Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()))
}

fn try_lock(file: &File, how: FlockOperation) -> io::Result<bool> {
    match flock(file, how) {
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        locked => Ok(locked.map(|()| true)?),
    }
}

/// The lock of a file.
struct Locked(File);

/// The system lets go when the last copy of the file is closed, and a child that another thread is about to start has
/// one for a moment: so it is said.
impl Drop for Locked {
    fn drop(&mut self) {
        // If it fails, closing the file does it.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// The disk.
pub(crate) struct RealFileSystem;

impl FileSystem for RealFileSystem {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // Somebody may have put a pipe there: to open it must not wait for who writes.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, u64)>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let size = entry.metadata().map_or(0, |metadata| metadata.len());
            names.extend(entry.file_name().into_string().ok().map(|name| (name, size)));
        }
        Ok(names)
    }

    fn lock(&self, path: &Path, note: &str) -> io::Result<Option<Guard>> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        // Who only looks at a spool has a lock for a moment, and must not keep a start from taking it over.
        for _ in 0..MOST_LOOKS {
            if try_lock(&file, FlockOperation::NonBlockingLockExclusive)? {
                // For people; nothing depends on it.
                drop(file.write_all(note.as_bytes()));
                // Whoever had it may have deleted it: then it keeps nobody out.
                let is_there = is_same(&file, path)?;
                return Ok(is_there.then(|| Box::new(Locked(file)) as Guard));
            }
            if is_owned(&file)? {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(None)
    }

    fn is_locked_by(&self, guard: &Guard, path: &Path) -> bool {
        let Some(Locked(file)) = guard.downcast_ref() else { return true };
        is_same(file, path).unwrap_or_else(|error| error.kind() != io::ErrorKind::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_let_go_of_although_a_child_that_is_being_started_has_a_copy_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let guard = RealFileSystem.lock(&path, "for whom").unwrap().expect("nobody has it");
        assert!(RealFileSystem.lock(&path, "").unwrap().is_none());
        let copy = guard.downcast_ref::<Locked>().unwrap().0.try_clone().unwrap();
        drop(guard);
        assert!(RealFileSystem.lock(&path, "").unwrap().is_some());
        drop(copy);
    }

    #[test]
    fn who_only_looks_keeps_nobody_from_a_lock_and_makes_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(!RealFileSystem::is_owned(&path));
        assert!(!path.exists());
        fs::write(&path, "for whom").unwrap();
        let look = File::open(&path).unwrap();
        flock(&look, FlockOperation::NonBlockingLockShared).unwrap();
        let looker = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            drop(look);
        });
        let guard = RealFileSystem.lock(&path, "").unwrap().expect("it waits for who looks");
        looker.join().unwrap();
        assert!(RealFileSystem::is_owned(&path));
        assert!(RealFileSystem.lock(&path, "").unwrap().is_none(), "it does not wait for who owns it");
        drop(guard);
        assert!(!RealFileSystem::is_owned(&path));
    }
}
