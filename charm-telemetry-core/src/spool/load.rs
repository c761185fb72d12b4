//! Reading the oldest batch.
//!
//! Rule: a file counts for the items that are whole, whatever was said of it before; one that cannot be read hides no
//! other for long.

use std::io;

use tokio::time::Instant;

use super::format::{self, Decoded};
use super::loss::Loss;
use super::store::{Key, RETRY, Spool};
use crate::delivery::Item;
use crate::outcome::DropReason;

/// A batch that was read.
pub(crate) struct Loaded {
    pub(crate) key: Key,
    pub(crate) batch_id: [u8; 16],
    pub(crate) items: Vec<Item>,
    /// How many items it has beyond those that were counted: whoever renamed the file, or wrote into it, knows why.
    pub(crate) surplus: u64,
    /// What was damaged.
    pub(crate) lost: Option<Loss>,
}

impl Spool {
    /// The oldest batch. It is held: neither the caps nor its age remove it until it is removed or put down. `Err`:
    /// nothing in it could be read, and it is set aside. `None`: there is none, or none before [`Self::read_at`].
    pub(crate) fn load_first(&mut self) -> Option<Result<Loaded, Loss>> {
        if self.read_at.is_some_and(|at| Instant::now() < at) {
            return None;
        }
        let (&key, entry) = self.index.first_key_value()?;
        let is_ours = self.dirs[key.dir].is_still_ours(&*self.fs, &self.settings.address);
        let path = self.path(key, &entry.name);
        let read = self.fs.read(&path, entry.bytes);
        let gone = matches!(&read, Err(error) if error.kind() == io::ErrorKind::NotFound);
        if !is_ours && !gone {
            return Some(Err(self.forget(key)));
        }
        if read.is_err() && !gone && self.may_be_read_later(key) {
            return None;
        }
        let decoded = read.ok().and_then(|bytes| format::decode(&bytes).ok());
        let usable = |decoded: &Decoded| {
            !decoded.items.is_empty() && decoded.header.identity == self.settings.identity
        };
        let Some(decoded) = decoded.filter(usable) else {
            let (quarantined, known) = (!gone, Vec::new());
            let items = self.take_out(key, quarantined.then_some("bad"));
            return Some(Err(Loss { items, known, reason: DropReason::Corrupt, quarantined }));
        };
        self.held = Some(key);
        let (surplus, lost) = self.recount(key, &decoded);
        Some(Ok(Loaded { key, batch_id: decoded.header.batch_id, items: decoded.items, surplus, lost }))
    }

    /// Gives up a batch that another process has in hand now.
    fn forget(&mut self, key: Key) -> Loss {
        let entry = self.index.remove(&key);
        self.bytes -= entry.as_ref().map_or(0, |entry| entry.bytes);
        let items = entry.map_or(0, |entry| entry.items);
        Loss { items, known: Vec::new(), reason: DropReason::Corrupt, quarantined: false }
    }

    /// A disk may fail for a moment; a file that fails for longer must not hide the others.
    fn may_be_read_later(&mut self, key: Key) -> bool {
        const MOST_TRIES: u8 = 5;
        let Some(entry) = self.index.get_mut(&key) else { return false };
        entry.failed_reads += 1;
        let again = entry.failed_reads < MOST_TRIES;
        self.read_at = again.then(|| Instant::now() + RETRY);
        again
    }

    /// A file counts for the items that are whole, whatever was said of it before. A damaged one is set aside when
    /// those are delivered. Returns what there is beyond the former count, and what is missing.
    fn recount(&mut self, key: Key, decoded: &Decoded) -> (u64, Option<Loss>) {
        let Some(entry) = self.index.get_mut(&key) else { return (0, None) };
        entry.failed_reads = 0;
        let whole = decoded.items.len() as u64;
        let before = std::mem::replace(&mut entry.items, whole);
        let items = before.saturating_sub(whole);
        let quarantined = !decoded.complete && !std::mem::replace(&mut entry.damaged, !decoded.complete);
        let lost = (items > 0 || quarantined).then_some(Loss {
            items,
            known: Vec::new(),
            reason: DropReason::Corrupt,
            quarantined,
        });
        (whole.saturating_sub(before), lost)
    }
}
