//! The vendor exporters that the cargo features of this crate compile in.
//!
//! Rule: the only file of the runner that names them. An exporter crate that nothing names is dropped by the linker.

#[cfg(feature = "datadog")]
use charm_telemetry_datadog as _;
#[cfg(feature = "langsmith")]
use charm_telemetry_langsmith as _;
#[cfg(feature = "otlp")]
use charm_telemetry_otlp as _;
#[cfg(feature = "sentry")]
use charm_telemetry_sentry as _;

/// Called by `main`, so that this file and what it names are part of every binary.
pub(crate) fn link() {}
