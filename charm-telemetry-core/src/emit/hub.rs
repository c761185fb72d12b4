//! What all emitting threads share with the pump.
//!
//! Rule: an event takes its sequence number when there is room for it, so the order of the numbers is the order in which
//! things happened, and no number is ever missing for long.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::attention::Attention;
use super::clock::TickSource;
use super::local;
use super::ring::{MAX_TEXT_BYTES, Owner, Producer, Ring, Token};
use super::sync::{self, AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, Thread};
use crate::event::EventKind;
use crate::id::{CallId, RunId};

/// Parcels that may wait for the pump before an emitter has to. The pump only stops when stdout does.
const MAX_PARCELS: usize = 128 * 1024;

/// The same bound in bytes.
const MAX_PARCEL_BYTES: usize = 64 * 1024 * 1024;

/// How long an emitter sleeps between two looks for room.
const WAIT_FOR_ROOM: Duration = Duration::from_micros(50);

/// The meeting place of emitters and pump.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) ticks: TickSource,
    rings: Mutex<Vec<sync::Arc<Ring>>>,
    parcels: Mutex<Parcels>,
    runs: AtomicU64,
    /// Of these runs, those that have ended and are written.
    written: AtomicU64,
    /// Calls of models that are open: while there is one, the pump looks for tokens by itself.
    streams: AtomicU64,
    attention: Attention,
    /// No more events are taken.
    closed: AtomicBool,
    /// The pump has taken the last events. What is in the rings after that is late.
    gone: AtomicBool,
    /// Events that were emitted after the end, but for tokens that are still in a ring.
    late: AtomicU64,
    deadline: OnceLock<Instant>,
}

/// Parcels that wait for the pump.
#[derive(Debug, Default)]
struct Parcels {
    queue: VecDeque<Parcel>,
    bytes: usize,
}

/// One run, as its handles and the pump know it.
#[derive(Debug)]
pub(crate) struct RunCore {
    pub(crate) hub: Arc<Hub>,
    pub(crate) id: RunId,
    /// Which run of this hub: what a token carries instead of the whole id.
    pub(crate) number: u32,
    sequence: AtomicU64,
    calls: AtomicU64,
}

/// Any event but a short token: rare enough for a lock and an allocation.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) run: u32,
    pub(crate) id: RunId,
    pub(crate) call: Option<CallId>,
    pub(crate) parent: Option<CallId>,
    pub(crate) sequence: u64,
    pub(crate) ticks: u64,
    /// `None`: every handle of the run is gone, nothing will follow.
    pub(crate) kind: Option<EventKind>,
}

impl Hub {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            ticks: TickSource::new(),
            rings: Mutex::default(),
            parcels: Mutex::default(),
            runs: AtomicU64::new(0),
            written: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            attention: Attention::new(),
            closed: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            late: AtomicU64::new(0),
            deadline: OnceLock::new(),
        })
    }

    pub(crate) fn open_run(self: &Arc<Self>, id: RunId) -> Arc<RunCore> {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        Arc::new(RunCore {
            hub: Arc::clone(self),
            id,
            number: u32::try_from(number).expect("fewer than four billion runs in one process"),
            sequence: AtomicU64::new(0),
            calls: AtomicU64::new(0),
        })
    }

    /// Called once, before anybody emits.
    pub(crate) fn set_pump(&self, thread: Thread) {
        self.attention.set_pump(thread);
    }

    /// Wakes the pump if it sleeps. Not for the road of a token.
    pub(crate) fn wake_pump(&self) {
        self.attention.after_parcel();
    }

    /// The pump sleeps until there is work, the end has come or, if that is given, so much time has passed.
    pub(crate) fn sleep(&self, longest: Option<Duration>) {
        self.attention.sleep(self.has_streams(), longest, || self.has_work() || self.is_closed());
    }

    /// The pump has taken the last events and will not look again.
    pub(crate) fn pump_is_gone(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// So many events came too late for the pump.
    pub(crate) fn count_late(&self, events: u64) {
        self.late.fetch_add(events, Ordering::Relaxed);
    }

    fn has_work(&self) -> bool {
        !lock(&self.parcels).queue.is_empty() || lock(&self.rings).iter().any(|ring| !ring.is_empty())
    }

    /// Whether emitters should pause before they have to: what one read of 64 KiB can hold would still fit.
    pub(crate) fn is_filling_up(&self) -> bool {
        if lock(&self.rings).iter().any(|ring| ring.is_filling_up()) {
            return true;
        }
        let parcels = lock(&self.parcels);
        parcels.queue.len() > MAX_PARCELS / 2 || parcels.bytes > MAX_PARCEL_BYTES / 2
    }

    /// Whether every run has ended and all of it is written.
    pub(crate) fn is_written(&self) -> bool {
        self.written.load(Ordering::Acquire) == self.runs.load(Ordering::Relaxed)
    }

    /// So many runs are written.
    pub(crate) fn set_written(&self, runs: u64) {
        self.written.store(runs, Ordering::Release);
    }

    pub(crate) fn has_streams(&self) -> bool {
        self.streams.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn open_stream(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn close_stream(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// From now on emitting does nothing but count. What was emitted before has until `deadline`.
    pub(crate) fn close(&self, deadline: Instant) {
        // Whoever closes first decides.
        let _: Result<(), Instant> = self.deadline.set(deadline);
        self.closed.store(true, Ordering::Release);
        self.attention.wake();
    }

    /// Whoever sees that also sees everything that was emitted before.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// When everything has to be over. Now, if nobody said.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline.get().copied().unwrap_or_else(Instant::now)
    }

    /// Events that were emitted after the end, up to now. While a pump hangs that should have ended, the rings are still
    /// its own and their tokens are not counted.
    pub(crate) fn late(&self) -> u64 {
        if self.gone.load(Ordering::Acquire) {
            let left = |ring: &sync::Arc<Ring>| ring.drain(usize::MAX, &mut Vec::new(), |_| {}) as u64;
            self.count_late(lock(&self.rings).iter().map(left).sum());
        }
        self.late.load(Ordering::Relaxed)
    }

    /// All parcels that wait, in the order in which they came.
    pub(crate) fn take_parcels(&self, into: &mut VecDeque<Parcel>) {
        let mut parcels = lock(&self.parcels);
        std::mem::swap(&mut parcels.queue, into);
        parcels.bytes = 0;
    }

    /// The rings, without those that will never hold anything again.
    pub(crate) fn rings(&self, into: &mut Vec<sync::Arc<Ring>>) {
        let mut rings = lock(&self.rings);
        rings.retain(|ring| !ring.is_finished());
        into.clear();
        into.extend(rings.iter().cloned());
    }

    pub(super) fn new_ring(&self) -> Producer {
        let (producer, ring) = Ring::new();
        lock(&self.rings).push(ring);
        producer
    }
}

impl RunCore {
    /// What the tokens of a call carry.
    pub(crate) fn owner(&self, call: CallId, parent: Option<CallId>) -> Owner {
        Owner::new(self.number, call.get(), parent.map_or(0, CallId::get))
    }

    /// A number for a new call.
    pub(crate) fn open_call(&self) -> CallId {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let number = u32::try_from(number).expect("fewer than four billion calls in one run");
        CallId::from_number(number).expect("calls are counted from one")
    }

    /// Emits a token: the hot road. `false` if it cannot be taken now; nothing has happened then.
    #[inline]
    pub(crate) fn emit_token(&self, owner: Owner, text: &str) -> bool {
        let pushed = local::with_last(&self.hub, |producer| {
            let has_room = producer.has_room(text.len());
            if has_room {
                self.push(producer, owner, text);
            }
            has_room
        });
        // Only after a second without tokens does the pump sleep while a call is open.
        self.hub.attention.after_token();
        pushed
    }

    /// Emits a token when the hot road cannot be taken: the first of a thread, one that has to wait for room, a very
    /// long one.
    #[cold]
    #[inline(never)]
    pub(crate) fn emit_token_slowly(&self, owner: Owner, call: CallId, parent: Option<CallId>, text: &str) {
        let local =
            if text.len() > MAX_TEXT_BYTES || self.hub.is_closed() { None } else { local::take(&self.hub) };
        let pushed = local.is_some_and(|mut local| {
            let has_room = self.hub.wait_until_there_is_room(&mut local.producer, text.len());
            if has_room {
                self.push(&mut local.producer, owner, text);
            }
            local::give_back(local);
            has_room
        });
        if pushed {
            self.hub.wake_pump();
        } else {
            self.emit(Some(call), parent, Some(EventKind::LlmNewToken { token: text.into() }));
        }
    }

    #[inline]
    fn push(&self, producer: &mut Producer, owner: Owner, text: &str) {
        let sequence = self.next_sequence();
        producer.push(Token { owner, sequence, ticks: self.hub.ticks.now(), text });
    }

    /// Emits anything else.
    pub(crate) fn emit(&self, call: Option<CallId>, parent: Option<CallId>, kind: Option<EventKind>) {
        let size = kind.as_ref().map_or(0, EventKind::size);
        loop {
            let mut parcels = lock(&self.hub.parcels);
            if self.hub.is_closed() {
                self.hub.count_late(u64::from(kind.is_some()));
                return;
            }
            if parcels.queue.len() < MAX_PARCELS && parcels.bytes < MAX_PARCEL_BYTES {
                let (sequence, ticks) = (self.next_sequence(), self.hub.ticks.now());
                parcels.bytes += size;
                parcels.queue.push_back(Parcel {
                    run: self.number,
                    id: self.id,
                    call,
                    parent,
                    sequence,
                    ticks,
                    kind,
                });
                break;
            }
            drop(parcels);
            self.hub.wait_for_room();
        }
        self.hub.wake_pump();
    }

    #[inline]
    fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }
}

impl Drop for RunCore {
    fn drop(&mut self) {
        self.emit(None, None, None);
    }
}

impl Hub {
    /// `false` if there will be no room, because the pump is gone.
    #[cold]
    #[inline(never)]
    fn wait_until_there_is_room(&self, producer: &mut Producer, length: usize) -> bool {
        while !producer.has_room(length) {
            if !self.wait_for_room() {
                return false;
            }
        }
        true
    }

    /// `false` if there will be no room, because the pump is gone.
    #[cold]
    fn wait_for_room(&self) -> bool {
        self.wake_pump();
        sync::sleep(WAIT_FOR_ROOM);
        !self.is_closed()
    }
}

/// None of the code under these locks can leave half-done work behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
