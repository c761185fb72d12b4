//! How the pump falls asleep, and how it is woken.
//!
//! Rule: what was published while the pump fell asleep is either seen by its last look or wakes it; no wake-up relies on a
//! timeout, but where the system has no barrier for both sides.

use std::time::Duration;

use super::barrier;
use super::sleeper::Sleeper;
use super::sync::{self, AtomicBool, Ordering, Thread, fence};

/// The longest sleep where a token can miss that the pump has just fallen asleep: this bounds its delay.
const LIGHT_SLEEP: Duration = Duration::from_millis(100);

/// The sleep while the barrier gets ready: nobody has to end it.
const MOMENT: Duration = Duration::from_micros(300);

/// Whether whoever emits has to wake the pump.
#[derive(Debug)]
pub(super) struct Attention {
    /// The pump sleeps, or is about to.
    wanted: AtomicBool,
    pump: Sleeper,
}

impl Attention {
    pub(super) fn new() -> Self {
        Self { wanted: AtomicBool::new(false), pump: Sleeper::default() }
    }

    /// Called once, before anybody emits.
    pub(super) fn set_pump(&self, thread: Thread) {
        self.pump.set(thread);
    }

    /// A token was published: wakes the pump if it sleeps. On the hot road, so the pump makes the barrier for both.
    #[inline]
    pub(super) fn after_token(&self) {
        barrier::light();
        if self.wanted.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    /// Anything was published: wakes the pump if it sleeps.
    pub(super) fn after_parcel(&self) {
        fence(Ordering::SeqCst);
        if self.wanted.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    /// Wakes the pump, or keeps it from falling asleep the next time.
    #[cold]
    #[inline(never)]
    pub(super) fn wake(&self) {
        self.pump.wake();
    }

    /// The pump sleeps until it is woken, at most for `longest`; not at all if there is work. `tokens` says whether
    /// tokens may come: without a parcel before them they never do.
    pub(super) fn sleep(&self, tokens: bool, longest: Option<Duration>, has_work: impl FnOnce() -> bool) {
        if tokens && !barrier::is_ready() {
            return sync::sleep(MOMENT);
        }
        self.wanted.store(true, Ordering::Relaxed);
        let will_be_woken = if tokens { barrier::heavy() } else { fence_of_parcels() };
        if !has_work() {
            let light = if will_be_woken { None } else { Some(LIGHT_SLEEP) };
            self.pump.sleep(longest.into_iter().chain(light).min());
        }
        self.wanted.store(false, Ordering::Relaxed);
    }
}

/// Pairs with the one in [`Attention::after_parcel`].
fn fence_of_parcels() -> bool {
    fence(Ordering::SeqCst);
    true
}
