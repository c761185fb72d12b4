//! The SDK of Charm Telemetry.

pub mod protocol;
