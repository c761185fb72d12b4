//! The exporters that are really in the binary: the linker drops a crate that nothing refers to.
//!
//! Rule: a binary of its own, so that no other test keeps an exporter alive; run in debug and in release.

use charm_runner as _;
use charm_telemetry_core::Registry;

/// One name for each vendor crate that the features of this package compile in.
const EXPECTED: &[&str] = &[
    #[cfg(feature = "datadog")]
    "datadog",
    #[cfg(feature = "langsmith")]
    "langsmith",
    #[cfg(feature = "otlp")]
    "otlp",
    #[cfg(feature = "sentry")]
    "sentry",
];

#[test]
fn the_linked_exporters_are_exactly_the_ones_that_the_features_name() {
    let registry = Registry::linked().expect("no two exporters have one name");
    assert_eq!(registry.names().collect::<Vec<_>>(), EXPECTED);
}
