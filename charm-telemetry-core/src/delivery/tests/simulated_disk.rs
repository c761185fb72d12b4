//! A disk in memory on which every step can be made to fail.
//!
//! Rule: it behaves as a disk does: no parent, no file; a lock has one holder; what does not fit is not written.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::spool::{FileSystem, Guard};

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub(super) struct SimulatedDisk(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    files: BTreeMap<PathBuf, Vec<u8>>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    capacity: Option<usize>,
    fault: Option<Fault>,
    writes: u64,
    log: Vec<Change>,
}

/// Something that was done, in the order in which it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    CreateDir(PathBuf),
    Write(PathBuf, Vec<u8>),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    SyncDir(PathBuf),
    Remove(PathBuf),
    RemoveDir(PathBuf),
}

/// What fails, told the step and the path.
type Fault = Box<dyn FnMut(Step, &Path) -> Option<i32> + Send>;

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    CreateDir,
    Write,
    /// The data is written, and cannot be made durable.
    Sync,
    Rename,
    SyncDir,
    Remove,
    Read,
    List,
    Lock,
}

pub(super) const ENOSPC: i32 = 28;
pub(super) const EIO: i32 = 5;
pub(super) const EROFS: i32 = 30;

impl SimulatedDisk {
    /// A disk with this on it.
    pub(super) fn with(files: BTreeMap<PathBuf, Vec<u8>>, dirs: BTreeSet<PathBuf>) -> Self {
        Self(Arc::new(Mutex::new(Disk { files, dirs, ..Disk::default() })))
    }

    /// Everything that was done so far.
    pub(super) fn log(&self) -> Vec<Change> {
        self.0.lock().unwrap().log.clone()
    }

    /// How many bytes of files fit.
    pub(super) fn set_capacity(&self, bytes: Option<usize>) {
        self.0.lock().unwrap().capacity = bytes;
    }

    /// Makes steps fail with an error number.
    pub(super) fn set_fault(&self, fault: impl FnMut(Step, &Path) -> Option<i32> + Send + 'static) {
        self.0.lock().unwrap().fault = Some(Box::new(fault));
    }

    pub(super) fn heal(&self) {
        self.0.lock().unwrap().fault = None;
    }

    /// Removes everything, as a person with a broom does.
    pub(super) fn wipe(&self) {
        let mut disk = self.0.lock().unwrap();
        disk.files.clear();
        disk.dirs.clear();
    }

    /// The names of all files, without directories.
    pub(super) fn names(&self) -> Vec<String> {
        let disk = self.0.lock().unwrap();
        disk.files.keys().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    /// Changes the files of which the name ends so.
    pub(super) fn damage(&self, end: &str, mut change: impl FnMut(&mut Vec<u8>)) {
        let mut disk = self.0.lock().unwrap();
        disk.files
            .iter_mut()
            .filter(|(path, _)| path.to_string_lossy().ends_with(end))
            .for_each(|(_, f)| change(f));
    }

    /// Gives the files of which the name ends so another end.
    pub(super) fn rename_end(&self, end: &str, to: &str) {
        let mut disk = self.0.lock().unwrap();
        let rename = |(path, bytes): (PathBuf, Vec<u8>)| match path.to_string_lossy().strip_suffix(end) {
            Some(start) => (PathBuf::from(format!("{start}{to}")), bytes),
            None => (path, bytes),
        };
        disk.files = std::mem::take(&mut disk.files).into_iter().map(rename).collect();
    }

    /// Puts a file beside the first batch.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) {
        let mut disk = self.0.lock().unwrap();
        let dir = disk.files.keys().find(|path| path.extension().is_some_and(|end| end == "batch")).unwrap();
        let path = dir.with_file_name(name);
        disk.files.insert(path, bytes.to_vec());
    }

    /// Lets go of every lock, as the system does when a process dies.
    pub(super) fn unlock(&self) {
        self.0.lock().unwrap().locks.clear();
    }

    /// How much room all files take.
    pub(super) fn bytes(&self) -> usize {
        self.0.lock().unwrap().files.values().map(Vec::len).sum()
    }

    /// How many files were written.
    pub(super) fn writes(&self) -> u64 {
        self.0.lock().unwrap().writes
    }

    fn step(&self, step: Step, path: &Path) -> io::Result<std::sync::MutexGuard<'_, Disk>> {
        let mut disk = self.0.lock().unwrap();
        let failure = disk.fault.as_mut().and_then(|fault| fault(step, path));
        failure.map_or(Ok(disk), |number| Err(io::Error::from_raw_os_error(number)))
    }
}

fn not_found<T>() -> io::Result<T> {
    Err(io::ErrorKind::NotFound.into())
}

impl FileSystem for SimulatedDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.step(Step::CreateDir, path)?;
        if path.parent().is_some_and(|parent| parent != Path::new("/") && !disk.dirs.contains(parent)) {
            return not_found();
        }
        if !disk.dirs.insert(path.to_owned()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.log.push(Change::CreateDir(path.to_owned()));
        Ok(())
    }

    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.step(Step::Write, path)?;
        if !disk.dirs.contains(path.parent().unwrap()) {
            return not_found();
        }
        if disk.files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let used: usize = disk.files.values().map(Vec::len).sum();
        if disk.capacity.is_some_and(|capacity| used + bytes.len() > capacity) {
            let fits = disk.capacity.unwrap().saturating_sub(used).min(bytes.len());
            disk.files.insert(path.to_owned(), bytes[..fits].to_vec());
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        disk.files.insert(path.to_owned(), bytes.to_vec());
        disk.writes += 1;
        disk.log.push(Change::Write(path.to_owned(), bytes.to_vec()));
        drop(disk);
        self.step(Step::Sync, path)?.log.push(Change::Sync(path.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.step(Step::Rename, from)?;
        let Some(bytes) = disk.files.remove(from) else { return not_found() };
        disk.files.insert(to.to_owned(), bytes);
        disk.log.push(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step(Step::SyncDir, path)?.log.push(Change::SyncDir(path.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.step(Step::Remove, path)?;
        if disk.files.remove(path).is_none() {
            return not_found();
        }
        disk.log.push(Change::Remove(path.to_owned()));
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.step(Step::Remove, path)?;
        if disk.files.keys().any(|file| file.starts_with(path)) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        if !disk.dirs.remove(path) {
            return not_found();
        }
        disk.log.push(Change::RemoveDir(path.to_owned()));
        Ok(())
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let disk = self.step(Step::Read, path)?;
        let Some(bytes) = disk.files.get(path) else { return not_found() };
        Ok(bytes[..bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX))].to_vec())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, u64)>> {
        let disk = self.step(Step::List, path)?;
        if !disk.dirs.contains(path) {
            return not_found();
        }
        let child = |of: &PathBuf| {
            (of.parent() == Some(path)).then(|| of.file_name().unwrap().to_string_lossy().into_owned())
        };
        let files = disk.files.iter().filter_map(|(file, bytes)| Some((child(file)?, bytes.len() as u64)));
        let dirs = disk.dirs.iter().filter_map(|dir| Some((child(dir)?, 0)));
        Ok(files.chain(dirs).collect())
    }

    fn lock(&self, path: &Path, _note: &str) -> io::Result<Option<Guard>> {
        let mut disk = self.step(Step::Lock, path)?;
        if !disk.dirs.contains(path.parent().unwrap()) {
            return not_found();
        }
        if !disk.files.contains_key(path) {
            disk.files.insert(path.to_owned(), Vec::new());
            disk.log.push(Change::Write(path.to_owned(), Vec::new()));
        }
        if !disk.locks.insert(path.to_owned()) {
            return Ok(None);
        }
        Ok(Some(Box::new(Lock { disk: self.clone(), path: path.to_owned() })))
    }

    fn is_locked_by(&self, _guard: &Guard, path: &Path) -> bool {
        self.0.lock().unwrap().files.contains_key(path)
    }
}

struct Lock {
    disk: SimulatedDisk,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.disk.0.lock().unwrap().locks.remove(&self.path);
    }
}
