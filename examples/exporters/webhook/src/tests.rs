//! The exporter against a receiver on this machine, through the hooks as a lane calls them.
//!
//! Rule: what was posted is read back; that the receiver said 200 proves nothing.

mod receiver;

use charm_telemetry_core::testing::ExporterHarness;
use charm_telemetry_core::{Environment, Hook, Registry};
use serde_json::{Value, json};

use self::receiver::Receiver;
use crate::Webhook;

const TOKEN: &str = "token-that-nobody-may-see";

fn webhook(url: &str) -> ExporterHarness<Webhook> {
    let environment = Environment::from_pairs([("WEBHOOK_URL", url), ("WEBHOOK_TOKEN", TOKEN)]);
    ExporterHarness::from_environment(&environment).expect("all that is needed is set")
}

fn body(receiver: &Receiver) -> Value {
    serde_json::from_str(&receiver.next().body).expect("a body is JSON")
}

#[test]
fn a_tool_call_is_posted_when_it_starts_and_when_it_ends() {
    let receiver = Receiver::answering(&[200, 200]);
    let mut harness = webhook(&receiver.url());
    let run = harness.run_id().to_string();
    harness.run_start(&json!({})).unwrap();
    let call = harness.new_call();
    harness.tool_start(call, "weather", "Oslo").unwrap();
    harness.tool_end(call, "weather", "rain").unwrap();

    let (start, end) = (body(&receiver), body(&receiver));
    let time = start["time_ms"].clone();
    assert!(time.as_u64().is_some_and(|time| time > 0), "{time}");
    let expected = json!({
        "event": "tool_start", "run_id": run, "sequence": 1, "call_id": 1, "parent_call_id": null,
        "time_ms": time, "tool_name": "weather", "input": "Oslo",
    });
    assert_eq!(start, expected);
    assert_eq!(end["event"], "tool_end");
    assert_eq!(end["output"], "rain");
    assert_eq!((&end["run_id"], &end["sequence"]), (&start["run_id"], &json!(2)));
}

#[test]
fn a_tool_that_fails_within_another_is_posted_with_both_calls() {
    let receiver = Receiver::answering(&[204]);
    let mut harness = webhook(&receiver.url());
    let outer = harness.new_call();
    let inner = harness.new_call_in(outer);
    harness.tool_error(inner, "weather", "no \"sky\"\n").unwrap();

    let failed = body(&receiver);
    assert_eq!(failed["event"], "tool_error");
    assert_eq!(failed["error"], "no \"sky\"\n");
    assert_eq!((&failed["call_id"], &failed["parent_call_id"]), (&json!(2), &json!(1)));
}

#[test]
fn the_token_is_sent_as_bearer_and_shown_nowhere() {
    let receiver = Receiver::answering(&[200, 403]);
    let mut harness = webhook(&receiver.url());
    let call = harness.new_call();
    harness.tool_start(call, "weather", "Oslo").unwrap();
    let error = harness.tool_end(call, "weather", "rain").unwrap_err().to_string();

    let posted = receiver.next();
    assert_eq!(posted.line, "POST /hook HTTP/1.1");
    assert_eq!(posted.header("authorization"), Some(&*format!("Bearer {TOKEN}")));
    assert_eq!(posted.header("content-type"), Some("application/json"));
    assert!(!posted.body.contains(TOKEN));
    assert_eq!(error, "the web hook answered 403; check `WEBHOOK_TOKEN`");
    assert!(!format!("{harness:?}").contains(TOKEN));
}

#[test]
fn what_the_receiver_refuses_is_an_error_and_the_next_event_is_posted() {
    let receiver = Receiver::answering(&[500, 302, 200]);
    let mut harness = webhook(&receiver.url());
    let call = harness.new_call();
    let refused = harness.tool_start(call, "weather", "Oslo").unwrap_err().to_string();
    assert_eq!(refused, "the web hook answered 500; see the receiver's log");
    let moved = harness.tool_start(call, "weather", "Oslo").unwrap_err().to_string();
    assert_eq!(moved, "the web hook answered 302; check `WEBHOOK_URL`");
    harness.tool_end(call, "weather", "rain").unwrap();

    let events: Vec<_> = (0..3).map(|_| body(&receiver)["event"].clone()).collect();
    assert_eq!(events, ["tool_start", "tool_start", "tool_end"]);
}

#[test]
fn a_receiver_that_is_not_there_is_an_error_without_the_address() {
    let receiver = Receiver::answering(&[]);
    let url = format!("{}?key=secret-in-the-query", receiver.url());
    drop(receiver);
    let mut harness = webhook(&url);
    let call = harness.new_call();
    let error = harness.tool_start(call, "weather", "Oslo").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret-in-the-query"), "{error:?}");
}

#[test]
fn a_receiver_that_never_answers_is_given_up_after_the_timeout() {
    let receiver = Receiver::silent();
    let url = receiver.url();
    let pairs = [("WEBHOOK_URL", url.as_str()), ("WEBHOOK_TOKEN", TOKEN), ("WEBHOOK_TIMEOUT", "50ms")];
    let mut harness = ExporterHarness::<Webhook>::from_environment(&Environment::from_pairs(pairs)).unwrap();
    let call = harness.new_call();
    assert!(harness.tool_start(call, "weather", "Oslo").is_err());
    assert_eq!(receiver.next().line, "POST /hook HTTP/1.1");
}

#[test]
fn other_events_cost_nothing() {
    let mut harness = webhook("http://127.0.0.1:9/hook");
    harness.run_start(&json!({})).unwrap();
    let call = harness.new_call();
    harness.token(call, "hello").unwrap();
    harness.run_end(&json!({})).unwrap();
    for hook in [Hook::RunStart, Hook::LlmNewToken, Hook::RunEnd] {
        assert!(!harness.is_interested_in(hook), "{hook:?}");
    }
    assert!(harness.is_interested_in(Hook::ToolStart));
}

#[test]
fn everything_that_is_wrong_with_the_configuration_is_told_at_once() {
    let environment = Environment::from_pairs([("WEBHOOK_URL", "nowhere"), ("WEBHOOK_TIMEOUT", "soon")]);
    let problems = ExporterHarness::<Webhook>::from_environment(&environment).unwrap_err();
    let variables: Vec<_> = problems.iter().map(|problem| problem.variable).collect();
    assert_eq!(variables, ["WEBHOOK_URL", "WEBHOOK_TOKEN", "WEBHOOK_TIMEOUT"]);
    assert_eq!(problems[0].message, "`WEBHOOK_URL` is `nowhere`: relative URL without a base");
}

#[test]
fn what_would_make_every_request_fail_is_refused_at_the_start() {
    for (token, timeout, expected) in [
        ("line\nbreak", "5s", "`WEBHOOK_TOKEN` cannot be sent in a header: a token is one line"),
        ("token\r\n", "5s", "`WEBHOOK_TOKEN` cannot be sent in a header: a token is one line"),
        ("token", "0s", "`WEBHOOK_TIMEOUT` is 0: no receiver answers at once"),
        ("token", "0", "`WEBHOOK_TIMEOUT` is 0: no receiver answers at once"),
    ] {
        let url = ("WEBHOOK_URL", "http://127.0.0.1:9/hook");
        let pairs = [url, ("WEBHOOK_TOKEN", token), ("WEBHOOK_TIMEOUT", timeout)];
        let environment = Environment::from_pairs(pairs);
        let problems = ExporterHarness::<Webhook>::from_environment(&environment).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.starts_with(expected), "{problems:?}");
        assert!(!problems[0].message.contains("break\""), "{problems:?}");
    }
}

#[test]
fn the_exporter_is_found_by_its_name() {
    let registry = Registry::linked().unwrap();
    let descriptor = registry.get("webhook").expect("it is in this crate").descriptor;
    assert_eq!(descriptor.type_name, "charm_telemetry_webhook::Webhook");
    assert_eq!(descriptor.doc, "Posts every tool call to a web hook.");
    assert!(descriptor.variables.iter().any(|variable| variable.secret && variable.required));
}
