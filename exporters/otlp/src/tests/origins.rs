//! Items of several services in one spool, sent by whoever comes.
//!
//! Rule: everything arrives under the name of who made it, and the bytes are the same whoever sends them.

use std::path::Path;
use std::time::Duration;

use charm_telemetry_core::delivery::{Destination as _, Item};
use charm_telemetry_core::testing::{Answer, MemoryWriter, ReceiverDouble, RecordedRequest};
use charm_telemetry_core::{Environment, LlmEnd, LlmStart, Manager};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use serde_json::json;

use super::payload::destination;
use super::script::*;
use crate::encode::encode;
use crate::metrics::Metrics;
use crate::options::{Aggregation, Protocol};
use crate::origin::Origin;
use crate::request::What;
use crate::wire::attribute;
use crate::{json, protobuf};

const DEADLINE: Duration = Duration::from_secs(20);

/// A span and a metric of a service.
fn items_of(service: &str, protocol: Protocol) -> [Item; 2] {
    let origin = Origin::new(protocol, &[attribute("service.name", service)]);
    let (spans, options) = (whole_run(), options());
    let span = encode(&spans[0], &options);
    let mut metrics = Metrics::new(false, Aggregation::Explicit, 1);
    for span in &spans {
        metrics.record(span);
    }
    match protocol {
        Protocol::Json => [json::span(&span), metrics.export(2, json::metric).swap_remove(0)],
        _ => [protobuf::span(&span), metrics.export(2, protobuf::metric).swap_remove(0)],
    }
    .map(|bytes| origin.item(&bytes))
}

fn name_of(resource: Option<&Resource>) -> String {
    let attributes = &resource.expect("there is one").attributes;
    let name = attributes.iter().find(|attribute| attribute.key == "service.name").expect("it has a name");
    let value = name.value.as_ref().and_then(|value| value.value.as_ref());
    let Some(opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(name)) = value else {
        panic!("the name is {value:?}")
    };
    name.clone()
}

/// The services of a request, each with how many spans or metrics it has.
fn services(what: What, protocol: Protocol, bytes: &[u8]) -> Vec<(String, usize)> {
    let is_json = protocol == Protocol::Json;
    match what {
        What::Spans => {
            let read = if is_json {
                serde_json::from_slice(bytes).unwrap()
            } else {
                ExportTraceServiceRequest::decode(bytes).unwrap()
            };
            let of = read.resource_spans.iter();
            of.map(|of| (name_of(of.resource.as_ref()), of.scope_spans[0].spans.len())).collect()
        }
        What::Metrics => {
            let read = if is_json {
                serde_json::from_slice(bytes).unwrap()
            } else {
                ExportMetricsServiceRequest::decode(bytes).unwrap()
            };
            let of = read.resource_metrics.iter();
            of.map(|of| (name_of(of.resource.as_ref()), of.scope_metrics[0].metrics.len())).collect()
        }
    }
}

#[test]
fn each_item_arrives_under_the_resource_of_who_made_it() {
    for protocol in [Protocol::Protobuf, Protocol::Json] {
        for (index, what) in [What::Spans, What::Metrics].into_iter().enumerate() {
            let [multi, other] = ["multi", "other"].map(|name| items_of(name, protocol)[index].clone());
            let items = [multi.clone(), multi, other];
            let destination = destination(what, protocol);
            let bytes = destination.assemble(&items).unwrap().bytes;
            let expected = [("multi".to_owned(), 2), ("other".to_owned(), 1)];
            assert_eq!(services(what, protocol, &bytes), expected, "{what:?} {protocol:?}");
            let overhead = items.len() * destination.limits().item_overhead;
            assert!(bytes.len() <= items.iter().map(Item::len).sum::<usize>() + overhead, "{protocol:?}");
        }
    }
}

#[test]
fn an_item_that_does_not_say_whose_it_is_is_an_error() {
    let destination = destination(What::Spans, Protocol::Protobuf);
    let whole = items_of("multi", Protocol::Protobuf)[0].clone();
    let cut = Item::of_kind(whole.kind(), whole.bytes()[..6].to_vec());
    let short = Item::of_kind(whole.kind(), vec![1]);
    let older = Item::new(whole.bytes().to_vec());
    for item in [cut, short, older] {
        assert!(destination.assemble(&[whole.clone(), item]).is_err());
    }
}

fn manager(receiver: &ReceiverDouble, state: &Path, agent: &str, protocol: &str) -> Manager {
    let environment = Environment::from_pairs([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url("").as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_BSP_SCHEDULE_DELAY", "1000"),
        ("CHARM_STATE_DIR", state.to_str().unwrap()),
        ("CHARM_AGENT_NAME", agent),
        ("CHARM_TELEMETRY_TAGS", &format!("team={agent}")),
    ]);
    let builder = Manager::builder().environment(environment).stdout(MemoryWriter::new());
    builder.activate("otlp").start().expect("all is well")
}

fn run_and_end(manager: Manager, deadline: Duration) {
    let run = manager.start_run(&json!({}));
    run.llm_call(LlmStart::new("gpt-4o")).finish(LlmEnd::new());
    run.finish("x");
    manager.shutdown(deadline);
}

/// Bodies of requests that name this service.
fn bodies(requests: &[RecordedRequest], service: &str) -> Vec<(String, Vec<u8>)> {
    let of = requests.iter().filter(|request| request.text().contains(service));
    let mut bodies: Vec<_> = of.map(|request| (request.path.clone(), request.body.clone())).collect();
    bodies.sort();
    bodies
}

#[test]
fn what_one_agent_left_is_sent_by_another_as_it_was_to_the_byte() {
    for protocol in ["http/protobuf", "http/json"] {
        let (receiver, state) = (ReceiverDouble::start(), tempfile::tempdir().unwrap());
        receiver.answer_always(Answer::new(503));
        run_and_end(manager(&receiver, state.path(), "multi", protocol), Duration::from_secs(2));
        let mut tried = bodies(&receiver.requests(), "multi");
        tried.dedup();

        receiver.answer_always(Answer::new(200));
        let before = receiver.requests().len();
        run_and_end(manager(&receiver, state.path(), "other", protocol), DEADLINE);
        let requests = receiver.requests().split_off(before);
        let arrived = bodies(&requests, "multi");
        assert_eq!(arrived, tried, "{protocol}: the same spans and the same metrics");
        assert_eq!(arrived.len(), 2, "{protocol}");
        let theirs = bodies(&requests, "other");
        let (spans, metrics) = theirs.iter().partition::<Vec<_>, _>(|(path, _)| path == "/v1/traces");
        assert!(!spans.is_empty() && metrics.len() == 1, "{protocol}");
        assert!(
            theirs.iter().all(|(_, body)| !String::from_utf8_lossy(body).contains("multi")),
            "{protocol}"
        );
    }
}
