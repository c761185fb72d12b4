//! The spool of one destination in one process.
//!
//! Rule: every method ends with the files and the index agreeing, and says how many items it lost and why.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::file_system::FileSystem;
use super::format::{self, Header};
use super::leftovers::Leftovers;
use super::loss::Loss;
use super::owned::{self, OwnedDir};
use crate::delivery::{Item, SpoolConfig};

/// Where and how.
pub(crate) struct SpoolSettings {
    pub(crate) config: SpoolConfig,
    pub(crate) destination: String,
    /// A hash of the destination's identity.
    pub(crate) identity: u64,
    /// That identity, for people.
    pub(crate) address: String,
    /// Whether somebody wants to know which items were lost: if not, they are not read once more.
    pub(crate) names_losses: bool,
}

/// The files of one destination that this process owns.
pub(crate) struct Spool {
    pub(super) fs: Arc<dyn FileSystem>,
    pub(super) settings: SpoolSettings,
    /// Those of dead processes first, our own last.
    pub(super) dirs: Vec<OwnedDir>,
    /// Which of `dirs` is our own.
    own: Option<usize>,
    pub(super) index: BTreeMap<Key, Entry>,
    pub(super) bytes: u64,
    pub(super) held: Option<Key>,
    /// After a failure: when it is tried again.
    retry_at: Option<Instant>,
    /// After a failure to read: when it is tried again.
    pub(super) read_at: Option<Instant>,
    pub(super) leftovers: Leftovers,
    /// How many files were set aside.
    pub(super) aside: usize,
    /// How many files were begun.
    tries: u64,
    /// Whether the names of files could once not be made durable, and why, until somebody asks.
    is_unsynced: bool,
    unsynced: Option<io::Error>,
}

/// The place of a batch: directories in order of age, then batches in the order in which they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(super) dir: usize,
    pub(super) sequence: u64,
}

impl Key {
    /// The number of the batch.
    pub(crate) fn sequence(self) -> u64 {
        self.sequence
    }
}

/// A file.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) items: u64,
    pub(super) bytes: u64,
    /// When the first of its items came to the disk: what is left of it is no younger.
    pub(super) created: SystemTime,
    pub(super) expires: Instant,
    pub(super) damaged: bool,
    pub(super) failed_reads: u8,
}

/// A batch to be stored.
pub(crate) struct Stored<'a> {
    pub(crate) sequence: u64,
    pub(crate) batch_id: [u8; 16],
    pub(crate) items: &'a [Item],
    pub(crate) wall: SystemTime,
}

pub(super) const RETRY: Duration = Duration::from_secs(30);
pub(super) const TEMPORARY: &str = "tmp";
pub(super) const BATCH: &str = "batch";

impl Spool {
    /// A spool that has not touched the disk yet.
    pub(crate) fn new(fs: Arc<dyn FileSystem>, settings: SpoolSettings) -> Self {
        let (dirs, index) = (Vec::new(), BTreeMap::new());
        Self {
            fs,
            settings,
            dirs,
            own: None,
            index,
            bytes: 0,
            held: None,
            retry_at: None,
            read_at: None,
            leftovers: Leftovers::default(),
            aside: 0,
            tries: 0,
            is_unsynced: false,
            unsynced: None,
        }
    }

    /// Whether there is a directory, and nothing failed a moment ago.
    pub(crate) fn is_usable(&self) -> bool {
        self.settings.config.state_dir.is_some() && self.retry_at.is_none_or(|at| Instant::now() >= at)
    }

    /// When it is tried again after a failure.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// When it is read again after a failure.
    pub(crate) fn read_at(&self) -> Option<Instant> {
        self.read_at
    }

    /// Does not wait any longer after a failure.
    pub(crate) fn try_now(&mut self) {
        self.retry_at = None;
    }

    /// Why the names of batches may not survive a power cut. It is said once.
    pub(crate) fn take_unsynced(&mut self) -> Option<io::Error> {
        self.unsynced.take()
    }

    /// Whether no batch waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// How many bytes the waiting batches have.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes a batch. The losses are older batches that had to go for it.
    pub(crate) fn store(&mut self, batch: &Stored<'_>) -> io::Result<Vec<Loss>> {
        let result = self.try_store(batch).or_else(|_| {
            // The directory may have been removed, or one file may be bad: once more, with nothing of the first try.
            self.forget_lost_dir();
            self.try_store(batch)
        });
        self.retry_at = result.is_err().then(|| Instant::now() + RETRY);
        result
    }

    /// Lets go of the batch that was loaded.
    pub(crate) fn put_down(&mut self) {
        self.held = None;
    }

    /// Lets go of everything: whoever comes next, in this process or in another, takes over what is left.
    pub(crate) fn let_go(&mut self) {
        self.sweep();
        // What is left of them is the next owner's.
        self.leftovers = Leftovers::default();
        self.index.clear();
        (self.own, self.held, self.bytes) = (None, None, 0);
        for dir in std::mem::take(&mut self.dirs) {
            owned::discard(&*self.fs, &dir);
        }
    }

    /// Deletes a batch. Needs no space. A file that is gone already is deleted.
    pub(crate) fn remove(&mut self, key: Key) -> u64 {
        let damaged = self.index.get(&key).is_some_and(|entry| entry.damaged);
        self.take_out(key, damaged.then_some("bad"))
    }

    pub(super) fn take_out(&mut self, key: Key, aside: Option<&str>) -> u64 {
        self.held = self.held.filter(|&held| held != key);
        let Some(entry) = self.index.remove(&key) else { return 0 };
        self.bytes -= entry.bytes;
        let path = self.path(key, &entry.name);
        if let Some(extension) = aside {
            self.set_aside(&path, entry.bytes, extension);
        } else {
            self.delete(&path, entry.bytes);
        }
        self.discard_if_done(key.dir);
        entry.items
    }

    /// Writes what is left of a batch in its place.
    pub(crate) fn replace(&mut self, key: Key, batch_id: [u8; 16], items: &[Item]) -> io::Result<()> {
        let Some(created) = self.index.get(&key).map(|entry| entry.created) else { return Ok(()) };
        let dir = self.dirs[key.dir].path.clone();
        let header = self.header(batch_id, created);
        let (name, bytes) = self.write(&dir, key.sequence, &header, items)?;
        if let Some(entry) = self.index.get_mut(&key) {
            let is_overwritten = entry.name == name;
            let old = dir.join(std::mem::replace(&mut entry.name, name));
            let old_bytes = std::mem::replace(&mut entry.bytes, bytes);
            entry.items = items.len() as u64;
            self.bytes = self.bytes - old_bytes + bytes;
            if !is_overwritten {
                self.delete(&old, old_bytes);
            }
        }
        Ok(())
    }

    fn try_store(&mut self, batch: &Stored<'_>) -> io::Result<Vec<Loss>> {
        if self.leftovers.bytes() > self.settings.config.max_bytes {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "files that cannot be deleted fill it"));
        }
        let own = self.own_dir(batch.wall)?;
        let dir = self.dirs[own].path.clone();
        let header = self.header(batch.batch_id, batch.wall);
        let (name, bytes) = self.write(&dir, batch.sequence, &header, batch.items)?;
        let expires = Instant::now() + self.settings.config.max_age;
        let key = Key { dir: own, sequence: batch.sequence };
        let entry = Entry {
            name,
            items: batch.items.len() as u64,
            bytes,
            created: batch.wall,
            expires,
            damaged: false,
            failed_reads: 0,
        };
        self.index.insert(key, entry);
        self.bytes += bytes;
        Ok(self.trim())
    }

    fn write(
        &mut self,
        dir: &Path,
        sequence: u64,
        header: &Header,
        items: &[Item],
    ) -> io::Result<(String, u64)> {
        let bytes = format::encode(header, items);
        let name = format!("{sequence:020}-{}.{BATCH}", items.len());
        // No name twice: the file of a failed try may still be there.
        self.tries += 1;
        let temporary = dir.join(format!("{name}.{}.{TEMPORARY}", self.tries));
        let path = dir.join(&name);
        let written =
            self.fs.write_synced(&temporary, &bytes).and_then(|()| self.fs.rename(&temporary, &path));
        if let Err(error) = written {
            self.delete(&temporary, bytes.len() as u64);
            return Err(error);
        }
        // From here on the file counts: if its name is not durable, the batch is lost by a power cut, not by a crash.
        if let Err(error) = self.fs.sync_dir(dir)
            && !std::mem::replace(&mut self.is_unsynced, true)
        {
            self.unsynced = Some(error);
        }
        Ok((name, bytes.len() as u64))
    }

    pub(super) fn header(&self, batch_id: [u8; 16], created: SystemTime) -> Header {
        Header { identity: self.settings.identity, batch_id, created }
    }

    pub(super) fn own_dir(&mut self, wall: SystemTime) -> io::Result<usize> {
        if let Some(own) =
            self.own.filter(|&own| self.dirs[own].is_still_ours(&*self.fs, &self.settings.address))
        {
            return Ok(own);
        }
        let missing = || {
            io::Error::new(io::ErrorKind::NotFound, "it is switched off, or there is no directory for state")
        };
        let parent = self.parent().ok_or_else(missing)?;
        let SpoolSettings { identity, address, .. } = &self.settings;
        self.dirs.push(owned::create(&*self.fs, &parent, *identity, address, wall)?);
        let own = self.dirs.len() - 1;
        self.own = Some(own);
        Ok(own)
    }

    /// If our own directory is gone, the next store makes another.
    pub(super) fn forget_lost_dir(&mut self) {
        let gone = self.own.is_some_and(|own| self.fs.list(&self.dirs[own].path).is_err());
        if gone {
            self.own = None;
        }
    }

    pub(super) fn parent(&self) -> Option<PathBuf> {
        let state = self.settings.config.state_dir.as_ref()?;
        Some(state.join("spool").join(&self.settings.destination))
    }

    pub(super) fn path(&self, key: Key, name: &str) -> PathBuf {
        self.dirs[key.dir].path.join(name)
    }

    pub(super) fn discard_if_done(&mut self, dir: usize) {
        let done = self.own != Some(dir) && !self.index.keys().any(|key| key.dir == dir);
        if done {
            owned::discard(&*self.fs, &self.dirs[dir]);
        }
    }
}

/// Leaves no empty directory behind.
impl Drop for Spool {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// `<sequence>-<items>.batch`
pub(super) fn parse_name(name: &str) -> Option<(u64, u64)> {
    let (sequence, items) = name.strip_suffix(".batch")?.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(sequence) || !is_number(items) {
        return None;
    }
    Some((sequence.parse().ok()?, items.parse().ok().filter(|&items| items <= MOST_ITEMS)?))
}

/// More than a batch can have; keeps a forged name or header from upsetting the books.
pub(super) const MOST_ITEMS: u64 = 1 << 24;
