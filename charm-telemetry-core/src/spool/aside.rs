//! Files that are kept for people to look at: refused items and damaged batches.
//!
//! Rule: there is a bound on how many are kept, and only those count that are there.

use std::io;
use std::path::Path;

use super::format;
use super::store::{Spool, Stored};
use crate::delivery::Item;

const MOST_ASIDE: usize = 64;

impl Spool {
    /// Keeps items that the receiver refused for good, to be looked at. Best effort: they are lost in any case.
    pub(crate) fn keep_rejected(&mut self, batch: &Stored<'_>) {
        const MOST_BYTES: usize = 1024 * 1024;
        let size: usize = batch.items.iter().map(Item::len).sum();
        if self.aside >= MOST_ASIDE || size > MOST_BYTES || !self.is_usable() {
            return;
        }
        let written = self.write_rejected(batch).or_else(|_| {
            self.forget_lost_dir();
            self.write_rejected(batch)
        });
        self.aside += usize::from(written.is_ok());
    }

    fn write_rejected(&mut self, batch: &Stored<'_>) -> io::Result<()> {
        let own = self.own_dir(batch.wall)?;
        let bytes = format::encode(&self.header(batch.batch_id, batch.wall), batch.items);
        let (_, random) = uuid::Uuid::now_v7().as_u64_pair();
        let name = format!("{:020}-{}-{random:016x}.rejected", batch.sequence, batch.items.len());
        let path = self.dirs[own].path.join(name);
        self.fs.write_synced(&path, &bytes).inspect_err(|_| drop(self.fs.remove(&path)))
    }

    /// Gives a file that is of no use another name, so that it is not read again.
    pub(super) fn set_aside(&mut self, path: &Path, bytes: u64, extension: &str) {
        if self.aside < MOST_ASIDE && self.fs.rename(path, &path.with_extension(extension)).is_ok() {
            self.aside += 1;
        } else {
            self.delete(path, bytes);
        }
    }
}
