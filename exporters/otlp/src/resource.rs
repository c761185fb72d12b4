//! Who sends: the attributes of the resource.
//!
//! Rule: what the operator wrote wins over what we know, and `OTEL_SERVICE_NAME` wins over everything.

use std::borrow::Cow;

use charm_telemetry_core::trace::TelemetrySettings;

use crate::pairs::{PairsError, parse_pairs};
use crate::wire::{Attribute, attribute};

/// The resource's attributes, and what is wrong with `OTEL_RESOURCE_ATTRIBUTES`: then, as the specification has it, none of
/// them is used.
pub(crate) fn resource(
    service_name: Option<&str>,
    written: Option<&str>,
    settings: &TelemetrySettings,
    instance: &str,
) -> (Vec<Attribute<'static>>, Option<PairsError>) {
    let (written, fault) = match written.map_or(Ok(Vec::new()), parse_pairs) {
        Ok(pairs) => (pairs, None),
        Err(fault) => (Vec::new(), Some(fault)),
    };
    let mut pairs = Pairs::default();
    if let Some(name) = service_name {
        pairs.add("service.name", name);
    }
    // A key that is there twice: the last counts.
    written.iter().rev().for_each(|(key, value)| pairs.add(key, value));
    pairs.add("service.name", settings.agent_name.as_deref().unwrap_or("unknown_service"));
    if let Some(version) = &settings.agent_version {
        pairs.add("service.version", version);
    }
    pairs.add("service.instance.id", instance);
    pairs.add("telemetry.sdk.name", "charm-telemetry");
    pairs.add("telemetry.sdk.language", "rust");
    pairs.add("telemetry.sdk.version", env!("CARGO_PKG_VERSION"));
    settings.tags.iter().for_each(|(key, value)| pairs.add(key, value));
    (pairs.attributes, fault)
}

/// The first value of a key stays.
#[derive(Default)]
struct Pairs {
    attributes: Vec<Attribute<'static>>,
}

impl Pairs {
    fn add(&mut self, key: &str, value: &str) {
        if self.attributes.iter().all(|attribute| attribute.key != key) {
            self.attributes.push(attribute(Cow::Owned(key.to_owned()), value.to_owned()));
        }
    }
}
