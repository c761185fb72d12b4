//! Whole payloads, kept as files.
//!
//! Rule: `CHARM_BLESS=1 cargo test -p charm-telemetry-datadog golden` writes them anew; a person reads the difference.

use std::path::Path;

use serde_json::Value;

use super::{arrived, weather};
use crate::settings::Format;

/// The spans with names in place of what changes from run to run; moments are those since the first.
pub(super) fn masked(spans: &[Value]) -> Value {
    let mut text = Value::from(spans.to_vec()).to_string().replace(env!("CARGO_PKG_VERSION"), "<version>");
    for span in spans {
        let name = |what: &str| format!("<{what}>");
        text = text.replace(span["trace_id"].as_str().unwrap(), &name("trace"));
        text = text.replace(span["span_id"].as_str().unwrap(), &name(span["name"].as_str().unwrap()));
    }
    let mut masked: Value = serde_json::from_str(&text).unwrap();
    let start = spans.iter().filter_map(|span| span["start_ns"].as_u64()).min().unwrap();
    for span in masked.as_array_mut().unwrap() {
        span["start_ns"] = (span["start_ns"].as_u64().unwrap() - start).into();
    }
    masked
}

fn check(file: &str, format: Format) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/data").join(file);
    let actual = masked(&arrived(format, weather));
    if std::env::var_os("CHARM_BLESS").is_some() {
        std::fs::write(&path, format!("{actual:#}\n")).unwrap();
    }
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(actual, expected, "{actual:#}");
}

#[test]
fn the_payload_for_the_public_intake_is_as_it_was() {
    check("public.json", Format::Public);
}

#[test]
fn the_payload_for_an_agent_is_as_it_was() {
    check("agent.json", Format::Agent);
}
