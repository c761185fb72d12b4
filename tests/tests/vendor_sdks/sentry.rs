//! Sentry: the envelopes of `sentry_sdk`, and ours, in both of the ways in which spans are sent.
//!
//! Rule: an event belongs to the span that it names; what an envelope has besides spans and events is named, not compared.

use std::collections::BTreeSet;

use charm_telemetry_core::testing::{Answer, ReceiverDouble, RecordedRequest};
use charm_telemetry_tests::envelope;
use charm_telemetry_tests::relay::Relay;
use serde_json::{Value, json};

use crate::actors::{Stage, to};
use crate::fields::{Fields, Told, flatten, mask, name_ids};
use crate::{labels, table};

const PATH: &str = "/api/42/envelope/";

fn variables(receiver: &ReceiverDouble, lifecycle: &str) -> Vec<(&'static str, String)> {
    let pairs = [
        ("SENTRY_DSN", receiver.url("/42").replace("http://", "http://abc@")),
        ("SENTRY_RELEASE", "weather@1.2.3".to_owned()),
        ("SENTRY_ENVIRONMENT", "staging".to_owned()),
        ("SENTRY_SEND_DEFAULT_PII", "true".to_owned()),
        ("SENTRY_TRACE_LIFECYCLE", lifecycle.to_owned()),
    ];
    pairs.into()
}

/// A span in one shape, whichever way it came: its own fields, and `attributes`.
fn spans_of(kind: &str, payload: &Value) -> Vec<Value> {
    let as_span = |span: &Value, data: &Value| {
        let mut span = span.clone();
        span["start"] = seconds(&span["start_timestamp"]).into();
        span["attributes"] = data.clone();
        span
    };
    match kind {
        "span" => payload["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|span| as_span(span, &span["attributes"]))
            .collect(),
        "transaction" => {
            let mut root = payload.clone();
            let children = root["spans"].take();
            root["span_id"] = payload["contexts"]["trace"]["span_id"].clone();
            root["trace_id"] = payload["contexts"]["trace"]["trace_id"].clone();
            let mut spans = vec![as_span(&root, &json!({}))];
            spans.extend(children.as_array().unwrap().iter().map(|span| as_span(span, &json!({}))));
            spans
        }
        _ => Vec::new(),
    }
}

/// A moment: seconds, or the text of a time of one day (the story takes no midnight).
fn seconds(time: &Value) -> f64 {
    let of_day = |text: &str| {
        let clock = text.split_once('T')?.1.trim_end_matches('Z').split('+').next()?;
        let parts: Vec<f64> = clock.split(':').filter_map(|part| part.parse().ok()).collect();
        Some(parts[0] * 3600.0 + parts[1] * 60.0 + parts[2])
    };
    time.as_f64().or_else(|| of_day(time.as_str()?)).unwrap()
}

fn told(requests: &[RecordedRequest]) -> Told {
    let posted = to(requests, PATH);
    let mut request = Fields::new();
    for (name, value) in &posted[0].headers {
        request.insert(format!("header {}", name.to_lowercase()), value.clone());
    }
    let version =
        |word: &str| word.rsplit_once('/').map_or(word.to_owned(), |(name, _)| format!("{name}/<version>"));
    for value in request.values_mut() {
        *value = value.split(", ").map(version).collect::<Vec<_>>().join(", ");
    }
    mask(&mut request, &["header host", "header content-length"], "<volatile>");
    let (mut spans, mut events, mut kinds) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut header_fields = Fields::new();
    for posted in &posted {
        let (headers, items) = envelope::read(&posted.body);
        flatten("envelope", &headers, &mut header_fields);
        for (header, payload) in items {
            let kind = header["type"].as_str().unwrap().to_owned();
            spans.extend(spans_of(&kind, &payload));
            if kind == "event" {
                events.push(payload);
            }
            let content = header["content_type"].as_str().unwrap_or_default();
            request.insert(format!("item {kind}"), content.to_owned());
            kinds.insert(kind);
        }
    }
    request.extend(header_fields);
    mask(
        &mut request,
        &["envelope/sent_at", "envelope/trace/sample_rand", "envelope/*version"],
        "<volatile>",
    );
    mask(&mut request, &["envelope/event_id", "envelope/trace/trace_id"], "<id>");
    request.retain(|name, _| !name.starts_with("envelope/sdk/packages"));
    spans.sort_by(|a, b| a["start"].as_f64().unwrap().total_cmp(&b["start"].as_f64().unwrap()));
    let names: Vec<_> = spans.iter().map(|span| (&span["name"], &span["description"])).collect();
    assert_eq!(spans.len(), labels().count(), "{names:?}");
    let mut all = vec![("request".to_owned(), request)];
    let mut ids = Vec::new();
    for (span, label) in spans.iter().zip(labels()) {
        ids.push((span["span_id"].as_str().unwrap().to_owned(), label.to_owned()));
        ids.push((span["trace_id"].as_str().unwrap().to_owned(), "trace".to_owned()));
        all.push((label.to_owned(), fields(span)));
    }
    for event in &events {
        let span = event["contexts"]["trace"]["span_id"].as_str().unwrap_or_default();
        let label = ids.iter().find(|(id, _)| id == span).map_or("nothing", |(_, label)| label.as_str());
        all.push((format!("event of {label}"), fields(event)));
    }
    let run_ids: Vec<_> = all
        .iter()
        .filter_map(|(_, fields)| fields.get("charm.run_id").or_else(|| fields.get("tags/run_id")).cloned())
        .collect();
    ids.extend(run_ids.into_iter().map(|id| (id.trim_end_matches(" (string)").to_owned(), "run".to_owned())));
    name_ids(&mut all, &ids);
    all
}

fn fields(thing: &Value) -> Fields {
    let mut fields = Fields::new();
    let mut thing = with_frames_told(thing.clone());
    let attributes = thing.get("attributes").cloned().unwrap_or_default();
    for (key, typed) in attributes.as_object().into_iter().flatten() {
        let kind = typed["type"].as_str().unwrap_or_default();
        match &typed["value"] {
            Value::String(text) if text.starts_with(['[', '{']) => flatten(key, &typed["value"], &mut fields),
            Value::String(text) => drop(fields.insert(key.clone(), format!("{text} ({kind})"))),
            other => drop(fields.insert(key.clone(), format!("{other} ({kind})"))),
        }
    }
    let object = thing.as_object_mut().unwrap();
    for gone in ["attributes", "start", "spans"] {
        object.remove(gone);
    }
    flatten("", &thing, &mut fields);
    mask(&mut fields, &["start_timestamp", "end_timestamp", "timestamp", "*time_to_first_*"], "<time>");
    mask(&mut fields, &["event_id"], "<id>");
    mask(&mut fields, &["sentry.sdk.version", "sdk/version", "sdk/packages/*/version"], "<version>");
    mask(
        &mut fields,
        &["server.address", "server_name", "process.*", "thread.*", "contexts/runtime/*"],
        "<machine>",
    );
    let machine = ["filename", "abs_path", "lineno"].map(|name| format!("*/stacktrace/frames/*/{name}"));
    mask(&mut fields, &machine.each_ref().map(String::as_str), "<machine>");
    fields
}

/// The frames between the agent's and the one that raised are those of other programs: of theirs it is told what each has.
/// The innermost one is in both.
fn with_frames_told(mut thing: Value) -> Value {
    for exception in thing["exception"]["values"].as_array_mut().into_iter().flatten() {
        let frames = exception["stacktrace"]["frames"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let Some((last, others)) = frames.split_last() else { continue };
        let mut each: BTreeSet<_> = others.iter().flat_map(names).collect();
        each.retain(|name| last.get(name).is_none());
        exception["stacktrace"]["frames"] = json!({ "last": last });
        if !each.is_empty() {
            exception["stacktrace"]["frames"]["others have besides"] = json!(each);
        }
    }
    thing
}

fn names(object: &Value) -> Vec<String> {
    object.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

/// What we sent, before the code that Sentry reads it with.
fn judge(requests: &[RecordedRequest]) {
    let Some(relay) = Relay::find() else { return };
    let bodies = || requests.iter().map(|request| request.body.as_slice());
    let events = envelope::payloads(bodies(), "event");
    assert_eq!(events.len(), 2, "of the tool and of the model");
    let payloads = [events, envelope::payloads(bodies(), "transaction")].concat();
    for judged in relay.judge_all(&payloads) {
        assert!(judged.faults.is_empty(), "{:#?} in {:#}", judged.faults, judged.payload);
    }
}

fn compare(lifecycle: &str, mark: &str) {
    let Some(stage) = Stage::set() else { return };
    let receiver = ReceiverDouble::start();
    receiver.answer_always(Answer::new(200).body("{}"));
    let variables = |receiver: &ReceiverDouble| variables(receiver, lifecycle);
    let theirs = told(&stage.sdk("with_sentry.py", &[lifecycle], &receiver, &variables));
    let ours = stage.ours("sentry", &receiver, &variables);
    judge(&ours);
    let ours = told(&ours);
    table::check("sentry.md", mark, &table::differences(&theirs, &ours));
}

#[test]
fn sentry_gets_the_spans_that_its_sdk_streams_but_for_what_its_guide_lists() {
    compare("stream", "differences from the SDK, streamed");
}

#[test]
fn sentry_gets_the_transactions_that_its_sdk_sends_but_for_what_its_guide_lists() {
    compare("static", "differences from the SDK, static");
}
