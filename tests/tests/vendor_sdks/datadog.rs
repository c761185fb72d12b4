//! Datadog: what `ddtrace` posts through an Agent, and what we do.
//!
//! Rule: both go through the Agent's `evp_proxy`, in the format of Datadog's own libraries: the public API has no SDK.

use charm_telemetry_core::testing::{Answer, ReceiverDouble, RecordedRequest};
use serde_json::Value;

use crate::actors::{Stage, to};
use crate::fields::{Fields, Told, flatten, mask, name_ids};
use crate::{labels, table};

const PATH: &str = "/evp_proxy/v2/api/v2/llmobs";

fn variables(receiver: &ReceiverDouble) -> Vec<(&'static str, String)> {
    let pairs = [
        ("DD_SERVICE", "wsvc"),
        ("DD_ENV", "staging"),
        ("DD_VERSION", "1.2.3"),
        ("DD_LLMOBS_ML_APP", "weather-app"),
        // The library alone: nothing but spans, and those not within traces of another product.
        ("DD_APM_TRACING_ENABLED", "0"),
        ("DD_INSTRUMENTATION_TELEMETRY_ENABLED", "0"),
        ("DD_REMOTE_CONFIGURATION_ENABLED", "0"),
    ];
    let mut all: Vec<_> = pairs.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    all.push(("DD_TRACE_AGENT_URL", receiver.url("")));
    all
}

/// An Agent, as far as both look at it.
fn agent() -> ReceiverDouble {
    let receiver = ReceiverDouble::start();
    receiver.answer_with(|request| match request.path.as_str() {
        "/info" => Answer::new(200).body(r#"{"endpoints":["/evp_proxy/v2/"],"client_drop_p0s":false}"#),
        _ => Answer::new(202),
    });
    receiver
}

fn told(requests: &[RecordedRequest]) -> Told {
    let posted = to(requests, PATH);
    let mut request = Fields::from([("method".to_owned(), posted[0].method.clone())]);
    for (name, value) in &posted[0].headers {
        request.insert(format!("header {}", name.to_lowercase()), value.clone());
    }
    mask(&mut request, &["header host", "header content-length", "header datadog-entity-id"], "<volatile>");
    let mut spans: Vec<(Value, Value)> = Vec::new();
    for body in posted.iter().map(|request| request.json()) {
        for mut envelope in body.as_array().unwrap().clone() {
            let inner = envelope["spans"].take();
            spans.extend(inner.as_array().unwrap().iter().map(|span| (envelope.clone(), span.clone())));
        }
    }
    spans.sort_by_key(|(_, span)| span["start_ns"].as_u64().unwrap());
    let mut all = vec![("request".to_owned(), request)];
    let mut ids = Vec::new();
    for ((envelope, span), label) in spans.iter().zip(labels()) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        ids.push((text(&span["span_id"]), label.to_owned()));
        ids.push((text(&span["trace_id"]), "trace".to_owned()));
        ids.push((text(&span["_dd"]["trace_id"]), "apm trace".to_owned()));
        all.push((label.to_owned(), fields(envelope, span)));
    }
    assert_eq!(spans.len(), labels().count());
    name_ids(&mut all, &ids);
    all
}

fn fields(envelope: &Value, span: &Value) -> Fields {
    let mut fields = Fields::new();
    flatten("envelope", envelope, &mut fields);
    let mut span = span.clone();
    let tags = span["tags"].take();
    // They are a set.
    for (key, value) in tags.as_array().unwrap().iter().filter_map(|tag| tag.as_str()?.split_once(':')) {
        fields.insert(format!("tags {key}"), value.to_owned());
    }
    span.as_object_mut().unwrap().remove("tags");
    flatten("", &span, &mut fields);
    mask(
        &mut fields,
        &["start_ns", "duration", "metrics/time_*", "meta/metadata/tokens_per_second"],
        "<time>",
    );
    mask(&mut fields, &["envelope/_dd.tracer_version", "tags *.version"], "<version>");
    mask(&mut fields, &["meta/error/stack"], "<traceback>");
    fields
}

#[test]
fn datadog_gets_what_ddtrace_sends_but_for_what_its_guide_lists() {
    let Some(stage) = Stage::set() else { return };
    let receiver = agent();
    let theirs = told(&stage.sdk("with_ddtrace.py", &[], &receiver, &variables));
    let ours = told(&stage.ours("datadog", &receiver, &variables));
    table::check("datadog.md", "differences from ddtrace", &table::differences(&theirs, &ours));
}
