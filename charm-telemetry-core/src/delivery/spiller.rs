//! Moving items from memory to the spool.
//!
//! Rule: while the receiver takes what we send, nothing touches the disk; when it does not, every complete batch goes
//! to the disk at once, so that a killed process loses no more than what waits for company.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::on_disk::{on_disk, store, take};
use super::outcomes::DeliveryState;
use super::shared::{Phase, Shared};
use super::start::Wall;
use crate::spool::Spool;

pub(super) struct Spiller {
    pub(super) shared: Arc<Shared>,
    pub(super) spool: Arc<Mutex<Spool>>,
    pub(super) wall: Wall,
}

impl Spiller {
    pub(super) async fn run(self) {
        loop {
            let mut spool = self.spool.clone().lock_owned().await;
            let now = Instant::now();
            if spool.sweep_at().is_some_and(|at| now >= at) {
                on_disk(move || spool.sweep()).await;
                continue;
            }
            let sweep_at = spool.sweep_at();
            let (spill, until) = {
                let state = self.shared.lock();
                if state.phase == Phase::Closed {
                    return;
                }
                let troubled = !spool.is_empty() || state.standing != DeliveryState::Ok;
                let wanted = self.shared.must_spill(&state) || (troubled && self.shared.is_ripe(&state, now));
                let until = self.shared.ripe_at(&state).filter(|&at| troubled && at > now);
                (wanted && spool.is_usable(), until.or_else(|| spool.retry_at().filter(|&at| at > now)))
            };
            if spill {
                let (shared, wall) = (self.shared.clone(), (self.wall)());
                on_disk(move || spill_one(&mut spool, &shared, wall)).await;
                continue;
            }
            drop(spool);
            match until.into_iter().chain(sweep_at).min() {
                Some(until) => tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    () = self.shared.wake_spiller.notified() => {}
                },
                None => self.shared.wake_spiller.notified().await,
            }
        }
    }
}

fn spill_one(spool: &mut Spool, shared: &Shared, wall: SystemTime) {
    let Some(flight) = take(shared) else { return };
    if let Some(flight) = store(spool, shared, flight, wall) {
        shared.put_back(flight.items);
    }
    shared.lock().spool_bytes = spool.bytes();
}
