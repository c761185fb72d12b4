//! Servers that fail in the middle of a TLS handshake.
//! The one rule: what was said before the handshake was done is looked at byte by byte: nothing of it is in plain text.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::network::{Authority, Receiver};
use crate::project::Project;

/// A server, and an agent that sends its spans to it and believes its authority.
fn server_and_agent() -> (Receiver, Project) {
    let authority = Authority::new();
    let receiver = Receiver::tls(&authority);
    let project = Project::shell("echo the weather is fine").telemetry("otlp");
    project.file("authority.pem", &authority.pem());
    let project = project
        .env("SSL_CERT_FILE", "authority.pem")
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &receiver.url("/v1/traces"))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .env("OTEL_METRICS_EXPORTER", "none")
        .env("CHARM_STATE_DIR", "state")
        .env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "20");
    (receiver, project)
}

/// The first record of a handshake, and nothing of a request.
#[track_caller]
fn assert_nothing_in_plain_text(said: &[Vec<u8>]) {
    for said in said {
        assert_eq!(&said[..2], [0x16, 3], "a handshake of TLS");
        let text = String::from_utf8_lossy(said);
        for plain in ["POST", "HTTP", "/v1/traces", "resourceSpans", "weather"] {
            assert!(!text.contains(plain), "`{plain}` in {text}");
        }
    }
}

/// Of which run a span is.
fn run_id(span: &Value) -> &str {
    let mut attributes = span["attributes"].as_array().unwrap().iter();
    let id = attributes.find(|attribute| attribute["key"] == "charm.run.id").unwrap();
    id["value"]["stringValue"].as_str().unwrap()
}

#[test]
fn a_handshake_that_is_reset_is_tried_again_and_delivered_once() {
    let (receiver, project) = server_and_agent();
    receiver.reset_next(2);
    let done = project.run(&["--telemetry-report"]).assert_status(0);
    assert!(done.stderr.contains("charm: otlp: no connection: "), "{}", done.stderr);
    assert!(done.stderr.contains("; it is sent again"), "{}", done.stderr);
    assert!(done.stderr.contains("delivered=1 spooled=0 dropped=0 requests=3"), "{}", done.stderr);
    assert_eq!((receiver.spans().len(), receiver.said_before_reset().len()), (1, 2));
    assert_nothing_in_plain_text(&receiver.said_before_reset());
}

#[test]
fn a_server_that_resets_every_handshake_gets_nothing_in_plain_text_and_all_of_it_when_it_is_well() {
    let (receiver, project) = server_and_agent();
    receiver.reset_next(usize::MAX);
    let first = project.run(&["--telemetry-report"]).assert_status(0);
    assert!(first.stderr.contains("delivered=0 spooled=1 dropped=0"), "{}", first.stderr);
    let resets = receiver.said_before_reset().len();
    assert!((2..=10).contains(&resets), "{resets} tries");
    assert_nothing_in_plain_text(&receiver.said_before_reset());
    assert!(receiver.requests().is_empty());
    receiver.reset_next(0);
    let done = project.run(&["--telemetry-report"]).assert_status(0);
    assert!(done.stderr.contains("accepted=1 adopted=1 delivered=2 spooled=0 dropped=0"), "{}", done.stderr);
    let spans = receiver.spans();
    let runs: BTreeSet<_> = spans.iter().map(run_id).collect();
    assert_eq!((spans.len(), runs.len()), (2, 2), "the one that was kept, and a fresh one");
    assert!(run_id(&spans[0]) < run_id(&spans[1]), "the older one comes first");
    let text = |span: &Value| span["attributes"].to_string().replace(run_id(span), "");
    assert_eq!(text(&spans[0]), text(&spans[1]), "whole, as if it had not been kept");
    assert_eq!(receiver.said_before_reset().len(), resets);
}
