//! Batches that wait on disk.
//!
//! Rule: nothing that lies in the spool can stop a start, hide a later batch or keep space from being freed.
//!
//! ```text
//! <state dir>/spool/<destination>/<identity>.<number>-<random>/       one directory for each process, 0700
//!     lock                                                    held while the process lives
//!     00000000000000000007-512.batch                          number and items; 0600
//!     00000000000000000003-512.bad                            damaged: kept to be looked at
//!     00000000000000000002-1.rejected                         what the receiver refused for good
//! ```
//!
//! A batch is one file: written under a temporary name, synced, renamed; deleted when it is delivered, which needs no
//! space. There is no index and no cursor: the truth is the files. A process that starts takes over the directories
//! whose lock nobody holds.

mod adopt;
mod aside;
mod file_system;
mod format;
mod leftovers;
mod list;
mod load;
mod loss;
mod owned;
mod store;

#[cfg(test)]
#[cfg(feature = "testing")]
pub(crate) use file_system::Guard;
pub(crate) use file_system::{FileSystem, RealFileSystem};
pub use list::{SpoolContents, SpoolError, SpoolFile, SpoolStatus, list, purge};
pub(crate) use loss::Loss;
pub(crate) use store::{Key, Spool, SpoolSettings, Stored};
