//! The `#[charm_exporter]` attribute.
