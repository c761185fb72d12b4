//! What is done with batches and the spool on a helper thread, and entered into the books at once.
//!
//! Rule: a change on the disk and its entry are made by the same function.

use std::time::SystemTime;

use super::engine::{Flight, new_batch_id};
use super::item::Item;
use super::ledger::Place;
use super::notice::NoticeKind;
use super::shared::Shared;
use crate::outcome::DropReason;
use crate::spool::{Key, Loss, Spool, Stored};

/// Takes the next batch for the disk out of the queue. Items that are sent one by one share a file, because a disk syncs
/// only some hundred files a second; but not so many that much is lost when the oldest file has to go.
pub(super) fn take(shared: &Shared) -> Option<Flight> {
    const SHARE_A_FILE: usize = 64;
    let mut state = shared.lock();
    let items = if shared.limits.max_items == 1 {
        let cap = usize::try_from(shared.config.spool.max_bytes).unwrap_or(usize::MAX);
        shared.take_some(&mut state, SHARE_A_FILE, shared.limits.max_body_bytes.min(cap / 8))
    } else {
        shared.take(&mut state)
    };
    let sequence = state.number_batch();
    (!items.is_empty()).then(|| Flight { sequence, batch_id: new_batch_id(), items, key: None, stale: false })
}

/// Stores a batch of memory. Gives it back if that fails.
pub(super) fn store(spool: &mut Spool, shared: &Shared, flight: Flight, wall: SystemTime) -> Option<Flight> {
    let Flight { sequence, batch_id, items, .. } = &flight;
    let stored = spool.store(&Stored { sequence: *sequence, batch_id: *batch_id, items, wall });
    tell_of_disk(spool, shared);
    match stored {
        Ok(losses) => {
            shared.lock().ledger.spool(items.len() as u64);
            shared.spool_works();
            lose(shared, losses);
            shared.progress();
            None
        }
        Err(error) => {
            shared.spool_failed(&error);
            Some(flight)
        }
    }
}

/// Makes the file of a batch hold what is left of it. If that fails, the batch stays in hand: read again, the file would
/// bring what was delivered once more.
pub(super) fn save_rest(spool: &mut Spool, shared: &Shared, key: Key, flight: Flight) -> Option<Flight> {
    if flight.stale && spool.replace(key, flight.batch_id, &flight.items).is_err() {
        return Some(flight);
    }
    tell_of_disk(spool, shared);
    spool.put_down();
    None
}

/// Tells what the disk does not do, and nothing is lost by for now. A file of which the name is not durable counts as
/// spooled: only a power cut loses it. One that cannot be deleted is done with, as long as this process lives.
pub(super) fn tell_of_disk(spool: &mut Spool, shared: &Shared) {
    if let Some(error) = spool.take_unsynced() {
        let message =
            format!("the spool cannot sync its directory: {error}; a power cut may lose what is spooled");
        shared.notice(NoticeKind::SpoolDegraded, &message);
    }
    if let Some(error) = spool.take_undeleted() {
        let message = format!(
            "the spool cannot delete what is done with: {error}; it is tried again, and if that fails, the next start \
             may send it once more"
        );
        shared.notice(NoticeKind::SpoolDegraded, &message);
        // Who tries it again has to look when.
        shared.wake_spiller.notify_one();
    }
}

pub(super) fn load(spool: &mut Spool, shared: &Shared) -> Option<Flight> {
    lose(shared, spool.expire());
    let loaded = spool.load_first();
    tell_of_disk(spool, shared);
    let flight = match loaded? {
        Ok(loaded) => {
            shared.lock().ledger.adopt(loaded.surplus);
            lose(shared, loaded.lost);
            let (batch_id, items, key) = (loaded.batch_id, loaded.items, Some(loaded.key));
            Some(Flight { sequence: loaded.key.sequence(), batch_id, items, key, stale: false })
        }
        Err(loss) => {
            lose(shared, [loss]);
            None
        }
    };
    shared.lock().spool_bytes = spool.bytes();
    flight
}

pub(super) fn lose(shared: &Shared, losses: impl IntoIterator<Item = Loss>) {
    for Loss { items, known, reason, quarantined } in losses {
        let weight = known.iter().map(Item::weight).sum();
        let mut state = shared.lock();
        state.ledger.drop_items(items, Place::Spool, reason);
        state.ledger.quarantine(u64::from(quarantined));
        state.mourn(known, weight, reason);
        drop(state);
        tell_of_loss(shared, items, reason, quarantined);
    }
}

fn tell_of_loss(shared: &Shared, items: u64, reason: DropReason, quarantined: bool) {
    let message = match items {
        0 => {
            "a file of the spool is damaged and set aside; no item that was counted is lost by it".to_owned()
        }
        1 => format!("1 item of the spool is lost: {reason}"),
        _ => format!("{items} items of the spool are lost: {reason}"),
    };
    match (quarantined, items) {
        (true, 0) => shared.notice(NoticeKind::Quarantined, &message),
        (true, _) => shared.notice_of_damage(&message),
        (false, _) => shared.notice(NoticeKind::Dropped, &message),
    }
}

/// Tells of files that are no batches: nobody knows what was in them.
pub(super) fn quarantine(shared: &Shared, files: u64) {
    if files > 0 {
        shared.lock().ledger.quarantine(files);
        let message = format!("{files} files of the spool are no batches and were set aside");
        shared.notice(NoticeKind::Quarantined, &message);
    }
}

/// Runs what waits for the disk beside the thread that serves all destinations. `None` if it panicked.
pub(super) async fn on_disk<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Option<R> {
    tokio::task::spawn_blocking(work).await.ok()
}
