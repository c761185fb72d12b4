//! Serving one destination: which batch is next, and what is done with one that did not arrive.
//!
//! Rule: batches go one at a time in the order of their items; what the spool holds is older than what memory holds.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::config::DeliveryConfig;
use super::destination::Destination;
use super::item::Item;
use super::ledger::Place;
use super::notice::NoticeKind;
use super::on_disk::{load, lose, on_disk, quarantine, save_rest, store, take, tell_of_disk};
use super::outcomes::DeliveryState;
use super::sending::{Fate, Sender};
use super::shared::{Phase, Shared, are_lost};
use super::spiller::Spiller;
use super::start::{DeliveryError, Wall, World};
use super::watch::watch;
use crate::outcome::DropReason;
use crate::spool::{Key, Spool, SpoolSettings, Stored};

/// The task of one destination.
pub(super) struct Engine {
    shared: Arc<Shared>,
    sender: Sender,
    spool: Arc<Mutex<Spool>>,
    backoff: Backoff,
    wall: Wall,
    /// A batch that could not be sent and could not be spooled.
    kept: Option<Flight>,
}

/// A batch on its way.
pub(super) struct Flight {
    pub(super) sequence: u64,
    pub(super) batch_id: [u8; 16],
    pub(super) items: Vec<Item>,
    /// Its file in the spool, if it has one.
    pub(super) key: Option<Key>,
    /// Whether that file holds items that were delivered since.
    pub(super) stale: bool,
}

impl Flight {
    pub(super) fn place(&self) -> Place {
        if self.key.is_some() { Place::Spool } else { Place::Memory }
    }
}

/// What there is to do.
enum Next {
    Send(Flight),
    /// Nothing, until something comes or until then.
    Wait(Option<Instant>),
    /// Nothing, and nothing will come.
    End,
}

impl Engine {
    pub(super) fn new(
        destination: Arc<dyn Destination>,
        config: DeliveryConfig,
        world: World,
    ) -> Result<Self, DeliveryError> {
        let name = destination.name().to_owned();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(DeliveryError::Name(name));
        }
        let address = destination.identity();
        let identity = hash(address.as_bytes());
        let (config_of_spool, destination_name) = (config.spool.clone(), name.clone());
        let settings = SpoolSettings {
            config: config_of_spool,
            destination: destination_name,
            identity,
            address,
            names_losses: destination.wants_dropped(),
        };
        let spool = Arc::new(Mutex::new(Spool::new(world.file_system, settings)));
        let shared = Arc::new(Shared::new(name, destination.limits(), config));
        let sender = Sender::new(shared.clone(), destination, world.transport);
        let backoff = Backoff::new(world.random);
        Ok(Self { shared, sender, spool, backoff, wall: world.wall, kept: None })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Serves the destination until it is shut down.
    pub(super) async fn run(mut self) {
        tokio::spawn(watch(self.shared.clone()));
        self.adopt().await;
        let spiller =
            Spiller { shared: self.shared.clone(), spool: self.spool.clone(), wall: self.wall.clone() };
        let spiller = tokio::spawn(spiller.run());
        self.serve().await;
        self.finish().await;
        self.shared.wake();
        self.sender.end();
        // The spiller ends by itself when the phase is `Closed`; a panic in it has been printed.
        drop(spiller.await);
    }

    async fn serve(&mut self) {
        loop {
            self.sender.tell_of_losses().await;
            match self.next().await {
                Next::Send(flight) => {
                    let Some(flight) = self.without_outdated(flight).await else { continue };
                    let wait = self.send(flight).await;
                    if !self.rest(wait).await {
                        return;
                    }
                }
                Next::Wait(until) => self.wait(until).await,
                Next::End => return,
            }
        }
    }

    async fn next(&mut self) -> Next {
        let closing = match self.shared.lock().phase {
            Phase::Open => None,
            Phase::Closing(until) => Some(until),
            Phase::Closed => return Next::End,
        };
        if closing.is_some_and(|until| Instant::now() >= until) {
            return Next::End;
        }
        if let Some(flight) = self.kept.take() {
            return Next::Send(flight);
        }
        let mut spool = self.spool.clone().lock_owned().await;
        if !spool.is_empty() {
            let shared = self.shared.clone();
            let work = move || (load(&mut spool, &shared), spool.read_at());
            let (loaded, read_at) = on_disk(work).await.unwrap_or_default();
            let later = || Next::Wait(Some(read_at.unwrap_or_else(Instant::now)));
            return loaded.map_or_else(later, Next::Send);
        }
        let mut state = self.shared.lock();
        if self.shared.is_ripe(&state, Instant::now()) {
            let sequence = state.number_batch();
            let items = self.shared.take(&mut state);
            return Next::Send(Flight { sequence, batch_id: new_batch_id(), items, key: None, stale: false });
        }
        if closing.is_some() { Next::End } else { Next::Wait(self.shared.ripe_at(&state)) }
    }

    /// What is left of a batch to send. The receiver is not asked about one of which nothing is: that is no try.
    async fn without_outdated(&mut self, mut flight: Flight) -> Option<Flight> {
        self.sender.drop_outdated(&mut flight, (self.wall)()).await;
        if !flight.items.is_empty() {
            return Some(flight);
        }
        self.put_away(flight, Vec::new()).await;
        self.shared.progress();
        None
    }

    /// Sends a batch; what could not be sent goes to the spool, or is kept. Returns the pause before the next one.
    async fn send(&mut self, flight: Flight) -> Duration {
        let probe = self.backoff.failures() >= OPEN_AFTER;
        let time_left = match self.shared.lock().phase {
            Phase::Closing(until) => until.saturating_duration_since(Instant::now()),
            _ => Duration::MAX,
        };
        let result = self.sender.send(&flight, probe, self.backoff.failures() + 1, time_left).await;
        for rejected in &result.rejected {
            self.keep_rejected(&flight, rejected).await;
        }
        let wait = match &result.fate {
            Fate::Settled { wait } => {
                self.recover();
                *wait
            }
            Fate::Later { wish } => {
                self.stand(DeliveryState::Retrying);
                self.backoff.fail(&self.shared.config, *wish)
            }
            Fate::Paused => {
                self.stand(DeliveryState::Paused);
                self.backoff.pause(&self.shared.config)
            }
        };
        self.put_away(flight, result.left).await;
        self.shared.progress();
        wait
    }

    /// Deletes the file of a batch that is done, and saves what is left of one that is not.
    async fn put_away(&mut self, mut flight: Flight, left: Vec<Item>) {
        let (wall, shared) = ((self.wall)(), self.shared.clone());
        let mut spool = self.spool.clone().lock_owned().await;
        let unchanged = left.len() == flight.items.len();
        flight.items = left;
        if !unchanged {
            flight.batch_id = new_batch_id();
            flight.stale = true;
        }
        let kept = on_disk(move || {
            let kept = match flight.key {
                Some(key) if flight.items.is_empty() => {
                    spool.remove(key);
                    tell_of_disk(&mut spool, &shared);
                    None
                }
                Some(key) => save_rest(&mut spool, &shared, key, flight),
                None if flight.items.is_empty() => None,
                None if spool.is_usable() => store(&mut spool, &shared, flight, wall),
                None => Some(flight),
            };
            shared.lock().spool_bytes = spool.bytes();
            kept
        });
        self.kept = kept.await.flatten();
    }

    async fn keep_rejected(&self, flight: &Flight, rejected: &Item) {
        let (wall, items) = ((self.wall)(), [rejected.clone()]);
        let (sequence, batch_id) = (flight.sequence, flight.batch_id);
        let mut spool = self.spool.clone().lock_owned().await;
        let keep = move || spool.keep_rejected(&Stored { sequence, batch_id, items: &items, wall });
        on_disk(keep).await;
    }

    /// Waits after a try. `false`: it is time to end.
    async fn rest(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        self.shared.rests_until(until);
        let mut was_open = self.shared.lock().phase == Phase::Open;
        loop {
            let phase = self.shared.lock().phase;
            let closing = match phase {
                Phase::Open => None,
                Phase::Closing(by) => Some(by),
                Phase::Closed => return false,
            };
            if closing.is_some() && was_open {
                // The last word: one more try at once. When it was failing before, that is all.
                return true;
            }
            if closing.is_some() && self.backoff.failures() > OPEN_AFTER {
                return false;
            }
            was_open = closing.is_none();
            let now = Instant::now();
            // Also when there will be no further try in time.
            if closing.is_some_and(|by| now >= by || until > by) {
                return false;
            }
            if now >= until {
                return true;
            }
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                () = self.shared.wake_sender.notified() => {}
            }
        }
    }

    async fn wait(&self, until: Option<Instant>) {
        let in_time = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = in_time => {}
            () = self.shared.wake_sender.notified() => {}
            () = self.shared.out_of_time() => {}
        }
    }

    fn stand(&self, standing: DeliveryState) {
        self.shared.lock().standing = standing;
        self.shared.wake_spiller.notify_one();
    }

    fn recover(&mut self) {
        let failures = self.backoff.failures();
        self.backoff.succeed();
        let mut state = self.shared.lock();
        state.standing = DeliveryState::Ok;
        state.last_success = Some(Instant::now());
        drop(state);
        if failures >= OPEN_AFTER {
            self.shared.notice(NoticeKind::Recovered, "requests succeed again");
        }
    }

    async fn adopt(&self) {
        let (wall, shared) = ((self.wall)(), self.shared.clone());
        let mut spool = self.spool.clone().lock_owned().await;
        if !spool.is_usable() {
            return;
        }
        let adopt = move || {
            match spool.adopt(wall, || shared.is_out_of_time()) {
                Ok(adoption) => {
                    shared.lock().ledger.adopt(adoption.items);
                    quarantine(&shared, adoption.quarantined);
                    lose(&shared, adoption.losses);
                }
                Err(error) => shared.spool_failed(&error),
            }
            tell_of_disk(&mut spool, &shared);
            shared.lock().spool_bytes = spool.bytes();
        };
        on_disk(adopt).await;
    }

    /// Puts into the spool what is left, drops what it does not take, and closes the books.
    async fn finish(&mut self) {
        let (wall, shared, kept) = ((self.wall)(), self.shared.clone(), self.kept.take());
        let mut spool = self.spool.clone().lock_owned().await;
        on_disk(move || {
            spool.try_now();
            let mut lost = Vec::new();
            let mut save = |spool: &mut Spool, flight: Flight| {
                if let Some(key) = flight.key {
                    // If it cannot be written, items that were delivered come twice.
                    drop(save_rest(spool, &shared, key, flight));
                    return;
                }
                lost.extend(store(spool, &shared, flight, wall).into_iter().flat_map(|flight| flight.items));
            };
            if let Some(flight) = kept {
                save(&mut spool, flight);
            }
            while let Some(flight) = take(&shared) {
                save(&mut spool, flight);
            }
            let mut state = shared.lock();
            state.spool_bytes = spool.bytes();
            let (late, reason) = (lost.len() as u64, DropReason::ShutdownDeadline);
            state.ledger.drop_items(late, Place::Memory, reason);
            drop(state);
            if late > 0 {
                shared.notice(NoticeKind::Dropped, &format!("{}: {reason}", are_lost(late)));
            }
            // Before the books are closed: who waits for that may start again at once.
            spool.let_go();
        })
        .await;
        // Before it, too: who waits for that may shut down what losses are reported by.
        self.sender.tell_of_losses().await;
        self.shared.close();
    }
}

/// After so many failures in a row the next request is a small probe.
const OPEN_AFTER: u32 = 3;

pub(super) fn new_batch_id() -> [u8; 16] {
    uuid::Uuid::now_v7().into_bytes()
}

/// FNV-1a: it need not be strong, it must stay the same in every release.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
