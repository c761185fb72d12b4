//! Looking at a spool from outside, and clearing it.
//!
//! Rule: nothing is touched that belongs to a process that lives.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::file_system::{FileSystem, RealFileSystem};
use super::format;
use super::owned::{self, LOCK};
use super::store::{MOST_ITEMS, parse_name};

/// Why a spool could not be looked at.
///
/// ```
/// use std::path::Path;
///
/// let error = charm_telemetry_core::spool::list(Path::new("no\0path")).unwrap_err();
/// assert!(error.to_string().starts_with("the spool `no"));
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the spool `{}` cannot be read: {source}", path.display())]
pub struct SpoolError {
    path: PathBuf,
    source: io::Error,
}

/// One file of a spool.
///
/// ```
/// # use charm_telemetry_core::spool;
/// # let state = tempfile::tempdir()?;
/// # let state_dir = state.path();
/// # let dir = state_dir.join("spool/vendor/00000000000000ff.17-2a");
/// # std::fs::create_dir_all(&dir)?;
/// # std::fs::write(dir.join("00000000000000000007-512.batch"), "")?;
/// # std::fs::write(dir.join("00000000000000000003-20.bad"), "")?;
/// let mut items = 0;
/// for file in spool::list(state_dir)? {
///     println!("{}: {} items in {} bytes", file.destination, file.items, file.bytes);
///     items += file.items;
/// }
/// assert_eq!(items, 532);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SpoolFile {
    /// The destination's name.
    pub destination: String,
    /// For whom it is, in the destination's own words: an endpoint, a project. `None` if that cannot be read.
    pub address: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub status: SpoolStatus,
    /// How many items it says it holds: its beginning, or, if that is damaged, its name. [`Self::look`] counts them.
    pub items: u64,
    /// Its size.
    pub bytes: u64,
    /// When the first of its items came to the disk, by its own word, or, if it is damaged, by its time stamp.
    pub written: Option<Duration>,
    /// Whether a process that lives takes care of it.
    pub in_use: bool,
}

/// What is in a file of a spool.
///
/// ```
/// # use charm_telemetry_core::spool;
/// # let state = tempfile::tempdir()?;
/// # let state_dir = state.path();
/// # let dir = state_dir.join("spool/vendor/00000000000000ff.17-2a");
/// # std::fs::create_dir_all(&dir)?;
/// # std::fs::write(dir.join("00000000000000000007-512.batch"), "holiday pictures")?;
/// let file = &spool::list(state_dir)?[0];
/// let contents = file.look()?;
/// assert_eq!((file.items, contents.items), (512, 0));
/// assert_eq!(contents.damage.as_deref(), Some("it is not a batch"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolContents {
    /// How many items are whole, and can be sent.
    pub items: u64,
    /// What is wrong with it.
    pub damage: Option<String>,
}

impl SpoolFile {
    /// Reads the file and counts what is in it.
    ///
    /// # Errors
    /// It cannot be read. One that is no longer there was sent or deleted meanwhile.
    pub fn look(&self) -> io::Result<SpoolContents> {
        let bytes = RealFileSystem.read(&self.path, self.bytes)?;
        Ok(match format::decode(&bytes) {
            Err(error) => SpoolContents { items: 0, damage: Some(error.to_string()) },
            Ok(decoded) if !self.is_of(decoded.header.identity) => {
                let damage = Some("it was written for another destination".to_owned());
                SpoolContents { items: 0, damage }
            }
            Ok(decoded) => {
                let (items, said) = (decoded.items.len() as u64, self.items);
                let damage =
                    (!decoded.complete).then(|| format!("it is damaged: {items} of {said} items are whole"));
                SpoolContents { items, damage }
            }
        })
    }

    /// Whether it is sent by those to whom its directory belongs.
    fn is_of(&self, identity: u64) -> bool {
        let dir = self.path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        dir.is_none_or(|name| name.starts_with(&owned::prefix(identity)))
    }

    /// Why it is not sent, for a file that was set aside: reads it.
    ///
    /// ```
    /// # use charm_telemetry_core::spool;
    /// # let state = tempfile::tempdir()?;
    /// # let state_dir = state.path();
    /// # let dir = state_dir.join("spool/vendor/00000000000000ff.17-2a");
    /// # std::fs::create_dir_all(&dir)?;
    /// # std::fs::write(dir.join("00000000000000000003-20.bad"), "holiday pictures")?;
    /// let reason = spool::list(state_dir)?[0].reason();
    /// assert_eq!(reason.as_deref(), Some("it is not a batch"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reason(&self) -> Option<String> {
        match self.status {
            SpoolStatus::Rejected => Some("the receiver refused it for good".to_owned()),
            SpoolStatus::Bad => Some(match self.look() {
                Err(error) => format!("it cannot be read: {error}"),
                Ok(contents) => contents.damage.unwrap_or_else(|| "it is whole".to_owned()),
            }),
            SpoolStatus::Waiting | SpoolStatus::Other => None,
        }
    }
}

/// What a file of a spool is.
///
/// ```
/// # use charm_telemetry_core::spool::{self, SpoolStatus};
/// # let state = tempfile::tempdir()?;
/// # let state_dir = state.path();
/// # let dir = state_dir.join("spool/vendor/00000000000000ff.17-2a");
/// # std::fs::create_dir_all(&dir)?;
/// # std::fs::write(dir.join("00000000000000000007-512.batch"), "")?;
/// # std::fs::write(dir.join("00000000000000000003-20.bad"), "")?;
/// // `00000000000000000003-20.bad` and `00000000000000000007-512.batch` lie there.
/// let statuses: Vec<_> = spool::list(state_dir)?.iter().map(|file| file.status).collect();
/// assert_eq!(statuses, [SpoolStatus::Bad, SpoolStatus::Waiting]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SpoolStatus {
    /// Waits to be sent.
    Waiting,
    /// Damaged, set aside.
    Bad,
    /// Refused by the receiver for good, kept to be looked at.
    Rejected,
    /// Anything else: being written, sent but not deleted, foreign.
    Other,
}

/// Every file of the spool below a state directory, by destination and age.
///
/// ```
/// # use charm_telemetry_core::spool;
/// # let state = tempfile::tempdir()?;
/// # let state_dir = state.path();
/// # let dir = state_dir.join("spool/vendor/00000000000000ff.17-2a");
/// # std::fs::create_dir_all(&dir)?;
/// # std::fs::write(dir.join("00000000000000000007-512.batch"), "")?;
/// # std::fs::write(dir.join("00000000000000000003-20.bad"), "")?;
/// let files = spool::list(state_dir)?;
/// let waiting: u64 = files.iter().filter(|file| !file.in_use).map(|file| file.items).sum();
/// assert_eq!((files.len(), waiting), (2, 532));
/// # assert!(spool::list(&state_dir.join("elsewhere"))?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The directory cannot be read. One that is not there has no files.
pub fn list(state_dir: &Path) -> Result<Vec<SpoolFile>, SpoolError> {
    let mut files = Vec::new();
    each_dir(state_dir, &mut |destination, dir| {
        let in_use = RealFileSystem::is_owned(&dir.join(LOCK));
        files.extend(files_of(destination, dir, in_use));
    })?;
    files.sort_by(|a, b| (&a.destination, &a.path).cmp(&(&b.destination, &b.path)));
    Ok(files)
}

/// Deletes the files of which `is_unwanted` says so, but for those of processes that live. Returns what was deleted.
///
/// ```
/// # use charm_telemetry_core::spool::{self, SpoolStatus};
/// # let state = tempfile::tempdir()?;
/// # let state_dir = state.path();
/// # let dir = state_dir.join("spool/vendor/00000000000000ff.17-2a");
/// # std::fs::create_dir_all(&dir)?;
/// # std::fs::write(dir.join("00000000000000000007-512.batch"), "")?;
/// # std::fs::write(dir.join("00000000000000000003-20.bad"), "")?;
/// let gone = spool::purge(state_dir, |file| file.status == SpoolStatus::Bad)?;
/// assert_eq!(gone.len(), 1);
/// assert_eq!(spool::list(state_dir)?.len(), 1, "what waits to be sent is still there");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The directory cannot be read. A file that cannot be deleted is not in the list.
pub fn purge(
    state_dir: &Path,
    is_unwanted: impl Fn(&SpoolFile) -> bool,
) -> Result<Vec<SpoolFile>, SpoolError> {
    let mut gone = Vec::new();
    each_dir(state_dir, &mut |destination, dir| {
        let Ok(Some(owned)) = owned::claim(&RealFileSystem, dir.to_owned()) else { return };
        let unwanted = files_of(destination, dir, false).into_iter().filter(|file| is_unwanted(file));
        gone.extend(unwanted.filter(|file| RealFileSystem.remove(&file.path).is_ok()));
        owned::discard(&RealFileSystem, &owned);
    })?;
    Ok(gone)
}

fn each_dir(state_dir: &Path, visit: &mut dyn FnMut(&str, &Path)) -> Result<(), SpoolError> {
    let spool = state_dir.join("spool");
    for destination in names(&spool)? {
        let parent = spool.join(&destination);
        for name in names(&parent)? {
            let dir = parent.join(&name);
            if dir.is_dir() {
                visit(&destination, &dir);
            }
        }
    }
    Ok(())
}

fn names(path: &Path) -> Result<Vec<String>, SpoolError> {
    match RealFileSystem.list(path) {
        Ok(names) => Ok(names.into_iter().map(|(name, _)| name).collect()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(source) => Err(SpoolError { path: path.to_owned(), source }),
    }
}

/// An endpoint and a project are shorter.
const MOST_OF_NOTE: u64 = 4096;

fn files_of(destination: &str, dir: &Path, in_use: bool) -> Vec<SpoolFile> {
    let names = RealFileSystem.list(dir).unwrap_or_default();
    let files = names.into_iter().filter(|(name, _)| name != LOCK);
    let note = RealFileSystem.read(&dir.join(LOCK), MOST_OF_NOTE).ok();
    let address = note.and_then(|note| String::from_utf8(note).ok()).filter(|note| !note.is_empty());
    let describe = |(name, bytes): (String, u64)| {
        let path = dir.join(&name);
        let (status, items) = status_of(&name);
        let head = RealFileSystem.read(&path, format::HEADER_BYTES as u64).ok();
        let head = head.and_then(|bytes| format::decode_header(&bytes).ok());
        let stamp = || path.metadata().and_then(|metadata| metadata.modified()).ok();
        let written = head.map(|(header, _)| header.created).or_else(stamp).and_then(since_epoch);
        let said = head.map(|(_, items)| u64::from(items)).filter(|&items| items <= MOST_ITEMS);
        let items = said.unwrap_or(items);
        let (destination, address) = (destination.to_owned(), address.clone());
        SpoolFile { destination, address, path, status, items, bytes, written, in_use }
    };
    files.map(describe).collect()
}

fn status_of(name: &str) -> (SpoolStatus, u64) {
    let (stem, status) = match name.rsplit_once('.') {
        Some((stem, "batch")) => (stem, SpoolStatus::Waiting),
        Some((stem, "bad")) => (stem, SpoolStatus::Bad),
        Some((stem, "rejected")) => (stem, SpoolStatus::Rejected),
        _ => return (SpoolStatus::Other, 0),
    };
    let numbers: Vec<&str> = stem.splitn(3, '-').collect();
    let plain = format!("{}-{}.batch", numbers[0], numbers.get(1).copied().unwrap_or_default());
    match parse_name(&plain) {
        Some((_, items)) => (status, items),
        None if status == SpoolStatus::Waiting => (SpoolStatus::Other, 0),
        None => (status, 0),
    }
}

fn since_epoch(time: SystemTime) -> Option<Duration> {
    time.duration_since(UNIX_EPOCH).ok()
}
