//! The emitting side: from a handle in the agent's thread to the pump.
//!
//! Rule: emitting a token costs a time stamp and a few stores; it never allocates, locks, wakes or calls the system, but
//! for the first of a thread, which allocates its ring, and the first after a second of silence, which wakes the pump.

mod attention;
mod barrier;
mod clock;
mod hub;
mod local;
#[cfg(all(test, loom))]
mod models;
mod ring;
mod sleeper;
pub(crate) mod sync;

pub(crate) use clock::Clock;
pub(crate) use hub::{Hub, Parcel, RunCore};
pub(crate) use ring::{Owner, RING_WORDS, Token};
