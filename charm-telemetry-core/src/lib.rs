//! The SDK of Charm Telemetry.
