//! The vendor exporters that the cargo features of this crate compile in.
//!
//! Rule: the only file of the runner that names them. An exporter crate that nothing names is dropped by the linker.

#[cfg(feature = "sentry")]
use charm_telemetry_sentry as _;

/// Called by `main`, so that this file and what it names are part of every binary.
pub(crate) fn link() {}
