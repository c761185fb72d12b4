//! The same run, by Datadog's own library and by us, field by field.
//!
//! Rule: every difference is in the table, with its reason; one that is not, or is no more, fails.
//!
//! The capture is what `ddtrace` 4.16.0 sent through an Agent for a run like [`weather`]; the text of its traceback is
//! shortened.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::golden::masked;
use super::rules::spans;
use super::{arrived, weather};
use crate::settings::Format;

/// What the library sent.
pub(super) const CAPTURE: &str = include_str!("data/ddtrace-4.16.0.json");

const SAMPLED: &str = "it repeats that the span was not left out";
const ORIGIN: &str = "it says by which library a span was sent, and this is another one";
const TOTALS: &str = "what a run did, at a glance";
const STREAM: &str = "how fast the answer came";
const OWN_METADATA: &str = "metadata that the reference run sets by itself";
const ERROR_TYPE: &str = "a class of the language itself is named without its module";

/// What differs: the span, the field, what they send and what we send (`-` for nothing), and why.
const DIFFERENCES: &[(&str, &str, &str, &str, &str)] = &[
    ("every", "/_dd/sample_rate", "\"1\"", "-", SAMPLED),
    ("every", "/_dd/sampling_decision", "\"1\"", "-", SAMPLED),
    ("every", "/tags/agent_service", "weather-app", "-", "the same as `ml_app`"),
    ("every", "/tags/charm_telemetry.version", "-", "<version>", ORIGIN),
    ("every", "/tags/ddtrace.version", "4.16.0", "-", ORIGIN),
    ("every", "/tags/language", "python", "-", ORIGIN),
    ("every", "/tags/source", "integration", "charm-telemetry", ORIGIN),
    ("weather_agent", "/tags/user_id", "u1", "-", "a tag that the reference run sets by itself"),
    ("weather_agent", "/meta/metadata", "{}", "-", TOTALS),
    ("weather_agent", "/meta/metadata/failed_calls", "-", "1", TOTALS),
    ("weather_agent", "/meta/metadata/llm_calls", "-", "1", TOTALS),
    ("weather_agent", "/meta/metadata/tool_calls", "-", "2", TOTALS),
    ("gpt-x", "/meta/metadata/streamed_tokens", "-", "2", STREAM),
    ("gpt-x", "/meta/metadata/tokens_per_second", "-", "16.666666666666668", STREAM),
    ("gpt-x", "/metrics/time_per_output_token", "-", "0.05", STREAM),
    ("get_weather", "/meta/metadata", "-", "{}", OWN_METADATA),
    ("get_weather", "/meta/metadata/attempt", "1", "-", OWN_METADATA),
    ("bad_tool", "/meta/error/type", "\"builtins.ValueError\"", "\"ValueError\"", ERROR_TYPE),
    ("bad_tool", "/tags/error_type", "builtins.ValueError", "ValueError", ERROR_TYPE),
];

/// What a span says, by field. Times and durations are those of each run; ids are masked.
fn said(span: &Value) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    flatten("", span, &mut fields);
    for volatile in ["/start_ns", "/duration", "/_dd/trace_id", "/_dd/apm_trace_id"] {
        assert!(fields.remove(volatile).is_some(), "{volatile}");
    }
    fields
}

fn flatten(path: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            object.iter().for_each(|(key, value)| flatten(&format!("{path}/{key}"), value, fields));
        }
        // Tags are a set.
        Value::Array(tags) if path == "/tags" => fields.extend(tags.iter().map(|tag| {
            let (key, value) = tag.as_str().and_then(|tag| tag.split_once(':')).unwrap();
            (format!("/tags/{key}"), value.to_owned())
        })),
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(n, value)| flatten(&format!("{path}/{n}"), value, fields));
        }
        other => {
            fields.insert(path.to_owned(), other.to_string());
        }
    }
}

/// The spans by name. The library lets a call of a model have a name of its own.
fn by_name(spans: &Value) -> BTreeMap<String, BTreeMap<String, String>> {
    let text = spans.to_string().replace("\"chat\"", "\"gpt-x\"").replace("<chat>", "<gpt-x>");
    let spans: Vec<Value> = serde_json::from_str(&text).unwrap();
    spans.iter().map(|span| (span["name"].as_str().unwrap().to_owned(), said(span))).collect()
}

#[test]
fn we_send_what_datadogs_own_library_sends_but_for_what_is_listed() {
    let theirs = by_name(&masked(&spans(&serde_json::from_str(CAPTURE).unwrap(), Format::Agent)));
    let ours = by_name(&masked(&arrived(Format::Agent, weather)));
    assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
    let mut found = BTreeSet::new();
    for (name, theirs) in &theirs {
        let fields: BTreeSet<_> = theirs.keys().chain(ours[name].keys()).collect();
        for field in fields {
            let of = |side: &BTreeMap<String, String>| side.get(field).map_or("-", String::as_str).to_owned();
            if of(theirs) != of(&ours[name]) {
                found.insert((name.clone(), field.clone(), of(theirs), of(&ours[name])));
            }
        }
    }
    let every: Vec<_> = theirs.keys().map(String::as_str).collect();
    let listed = DIFFERENCES.iter().flat_map(|(span, field, theirs, ours, _)| {
        let spans = if *span == "every" { every.clone() } else { vec![*span] };
        spans
            .into_iter()
            .map(|span| (span.to_owned(), (*field).to_owned(), (*theirs).to_owned(), (*ours).to_owned()))
    });
    let listed: BTreeSet<_> = listed.collect();
    let unlisted: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(unlisted.is_empty() && gone.is_empty(), "unlisted: {unlisted:#?}\nno more: {gone:#?}");
    assert!(DIFFERENCES.iter().all(|(.., reason)| !reason.is_empty()));
}
