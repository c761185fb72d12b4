//! Calling what a vendor wrote.
//!
//! Rule: it runs on a helper thread, and a panic in it is counted, told without a word on the panic hook, and goes no
//! further, not even when what was panicked with panics once more while it is dropped.

use std::sync::Arc;

use super::on_disk::on_disk;
use super::shared::Shared;
use crate::lane::panics;

/// Runs a vendor's code beside the thread that serves all destinations. `None` if it panicked.
pub(super) async fn by_vendor<R: Send + 'static>(
    shared: &Arc<Shared>,
    what: &'static str,
    code: impl FnOnce() -> R + Send + 'static,
) -> Option<R> {
    let books = shared.clone();
    let guarded = move || match panics::catch(code) {
        Ok(result) => Some(result),
        Err(message) => {
            books.vendor_panicked(what, &message);
            None
        }
    };
    on_disk(guarded).await.flatten()
}
