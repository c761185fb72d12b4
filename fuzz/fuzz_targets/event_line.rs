//! Any bytes as a line of stdout: the parser answers, and what it calls an event decodes as one.
//! The one rule: a finding is a failed assertion, never only a slow input.

#![no_main]

use charm_telemetry_core::protocol::{Line, parse_line, strip_marker};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|line: &[u8]| match parse_line(line) {
    Line::Text(text) => assert_eq!(text, line),
    Line::Malformed(_) => assert!(strip_marker(line).is_some()),
    Line::Event(event) => {
        assert!(!event.json.contains(['\n', '\r']));
        match serde_json::from_str::<Map<String, Value>>(&event.decodable()) {
            Ok(object) => assert_eq!(object["type"].as_str(), Some(&*event.kind)),
            // The parser does not look at numbers; a decoder into `Value` has to fit them in 64 bits.
            Err(error) => assert!(error.to_string().starts_with("number out of range"), "{error}"),
        }
    }
});
