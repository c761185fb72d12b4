//! Giving up what has waited for too long, and what there is no room for.
//!
//! Rule: whoever is told of a loss learns how much, why, and as far as it can still be read, what.

use tokio::time::Instant;

use super::format;
use super::store::{Key, Spool};
use crate::delivery::Item;
use crate::outcome::DropReason;

/// Items that are no longer there, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) items: u64,
    /// Those that could be read once more, for whoever wants to know what they were.
    pub(crate) known: Vec<Item>,
    pub(crate) reason: DropReason,
    /// The file was damaged and is kept under another name.
    pub(crate) quarantined: bool,
}

/// Bytes of lost batches that are read once more at a time.
const MOST_KNOWN_BYTES: u64 = 8 * 1024 * 1024;

impl Spool {
    /// Removes what has waited for too long.
    pub(crate) fn expire(&mut self) -> Vec<Loss> {
        let now = Instant::now();
        let old = self.index.iter().filter(|(_, entry)| now >= entry.expires).map(|(&key, _)| key);
        let old: Vec<Key> = old.filter(|&key| self.held != Some(key)).collect();
        self.give_up(old, DropReason::Expired)
    }

    /// Removes the oldest batches until the rest is within the cap.
    pub(super) fn trim(&mut self) -> Vec<Loss> {
        let mut over = self.bytes.saturating_sub(self.settings.config.max_bytes);
        let mut oldest = Vec::new();
        for (&key, entry) in self.index.iter().filter(|&(&key, _)| self.held != Some(key)) {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(entry.bytes);
            oldest.push(key);
        }
        self.give_up(oldest, DropReason::SpoolFull)
    }

    /// Deletes batches that are lost. What was in them is read once more, up to a bound.
    fn give_up(&mut self, keys: Vec<Key>, reason: DropReason) -> Vec<Loss> {
        let mut room = if self.settings.names_losses { MOST_KNOWN_BYTES } else { 0 };
        let give_up = |key: Key| {
            let known = self.look_into(key, &mut room);
            Loss { items: self.remove(key), known, reason, quarantined: false }
        };
        keys.into_iter().map(give_up).collect()
    }

    fn look_into(&self, key: Key, room: &mut u64) -> Vec<Item> {
        let Some(entry) = self.index.get(&key).filter(|entry| entry.bytes <= *room) else {
            return Vec::new();
        };
        *room -= entry.bytes;
        let read = self.fs.read(&self.path(key, &entry.name), entry.bytes).ok();
        let decoded = read.and_then(|bytes| format::decode(&bytes).ok());
        let ours = decoded.filter(|decoded| decoded.header.identity == self.settings.identity);
        ours.map(|decoded| decoded.items).unwrap_or_default()
    }
}
