//! Taking over what dead processes left.
//!
//! Rule: a file is adopted once, and one that cannot be used hides no other.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::format::{self, HEADER_BYTES, Header};
use super::leftovers::SENT;
use super::loss::Loss;
use super::owned::{self, OwnedDir};
use super::store::{BATCH, Entry, Key, MOST_ITEMS, Spool, TEMPORARY, parse_name};

/// What a look for orphans brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Adoption {
    pub(crate) items: u64,
    /// Files that are no batches.
    pub(crate) quarantined: u64,
    /// What was over the cap, out of `items`.
    pub(crate) losses: Vec<Loss>,
}

impl Spool {
    /// Takes over what dead processes left for the same identity, until there is no more time. To be called once, before
    /// anything is stored.
    pub(crate) fn adopt(&mut self, wall: SystemTime, is_late: impl Fn() -> bool) -> io::Result<Adoption> {
        let mut adoption = Adoption::default();
        let Some(parent) = self.parent() else { return Ok(adoption) };
        let siblings = match owned::siblings(&*self.fs, &parent, self.settings.identity) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(adoption),
            siblings => siblings?,
        };
        for path in siblings {
            // A disk may be slow: the rest is for the next start, and what is in memory needs its place there as well.
            if is_late() {
                break;
            }
            // What cannot be locked is left alone: one bad directory must not hide the others.
            if let Ok(Some(dir)) = owned::claim(&*self.fs, path) {
                self.adopt_dir(dir, wall, &is_late, &mut adoption);
            }
        }
        adoption.items = self.index.values().map(|entry| entry.items).sum();
        adoption.losses = self.trim();
        Ok(adoption)
    }

    fn adopt_dir(
        &mut self,
        dir: OwnedDir,
        wall: SystemTime,
        is_late: impl Fn() -> bool,
        adoption: &mut Adoption,
    ) {
        let place = self.dirs.len();
        let Ok(names) = self.fs.list(&dir.path) else { return };
        // An outage leaves one directory of many files; those that are not looked at stay in it.
        for (name, bytes) in names.into_iter().take_while(|_| !is_late()) {
            let path = dir.path.join(&name);
            if is_ended_by(&name, TEMPORARY) || is_ended_by(&name, SENT) {
                self.delete(&path, bytes);
            } else if let Some((sequence, items)) = parse_name(&name) {
                let header = self.header_of(&path);
                let expires = self.expires(header.map(|(header, _)| header), wall);
                // The header is under a checksum, the name is not.
                let items = header.map_or(items, |(_, items)| items);
                let key = Key { dir: place, sequence };
                let created = header.map_or(wall, |(header, _)| header.created);
                let entry = Entry { name, items, bytes, created, expires, damaged: false, failed_reads: 0 };
                self.index_adopted(key, entry, &dir.path);
            } else if is_ended_by(&name, BATCH) {
                adoption.quarantined += 1;
                self.set_aside(&path, bytes, "bad");
            } else if let Some(extension) =
                ["bad", "rejected"].into_iter().find(|end| is_ended_by(&name, end))
            {
                self.set_aside(&path, bytes, extension);
            }
        }
        self.dirs.push(dir);
        self.discard_if_done(place);
    }

    /// Indexes a file. Two files of one number are what a process left that died while it replaced one by the smaller
    /// other: that one holds what was not delivered.
    fn index_adopted(&mut self, key: Key, entry: Entry, dir: &Path) {
        let mut keep = entry;
        if let Some(mut other) = self.index.remove(&key) {
            self.bytes -= other.bytes;
            if other.items < keep.items {
                std::mem::swap(&mut keep, &mut other);
            }
            self.delete(&dir.join(other.name), other.bytes);
        }
        self.bytes += keep.bytes;
        self.index.insert(key, keep);
    }

    /// When a batch of an earlier process has waited for too long. Wall clocks err: an age below nothing or above a
    /// year says more of the clock than of the batch, and counts from now.
    fn expires(&self, header: Option<Header>, wall: SystemTime) -> Instant {
        const YEAR: Duration = Duration::from_hours(365 * 24);
        let max_age = self.settings.config.max_age;
        let age =
            header.and_then(|header| wall.duration_since(header.created).ok()).filter(|age| *age < YEAR);
        Instant::now() + max_age.saturating_sub(age.unwrap_or_default())
    }

    /// What the file says of itself, and of how many items.
    fn header_of(&self, path: &Path) -> Option<(Header, u64)> {
        let bytes = self.fs.read(path, HEADER_BYTES as u64).ok()?;
        let (header, items) = format::decode_header(&bytes).ok()?;
        Some((header, u64::from(items))).filter(|&(_, items)| items <= MOST_ITEMS)
    }
}

fn is_ended_by(name: &str, extension: &str) -> bool {
    name.strip_suffix(extension).is_some_and(|start| start.ends_with('.'))
}
