//! The real binary, started as its users start it.
//! The one rule: each test writes a project of its own, and what it starts is gone when it ends.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod capture;
#[cfg(feature = "otlp")]
mod certificates;
mod command_line;
#[cfg(feature = "otlp")]
mod delivery;
mod ends;
#[cfg(feature = "otlp")]
mod handshakes;
mod inputs;
mod names;
#[cfg(feature = "otlp")]
mod network;
mod project;
#[cfg(feature = "otlp")]
mod reports;
mod screen;
mod secrets;
#[cfg(feature = "otlp")]
mod spool;
#[cfg(feature = "otlp")]
mod spool_contents;
#[cfg(feature = "otlp")]
mod spool_races;
#[cfg(feature = "otlp")]
mod trace_context;
#[cfg(feature = "otlp")]
mod transport;
