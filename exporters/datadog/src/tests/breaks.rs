//! Every rule, broken.
//!
//! Rule: each starts from a request that breaks none and changes one thing; a rule that no row breaks fails the test.

use std::collections::BTreeSet;

use charm_telemetry_core::testing::RecordedRequest;
use charm_telemetry_core::{LlmEnd, LlmStart, TokenUsage};
use serde_json::{Value, json};

use super::rules::{BODY, DOCUMENTED, HEAD, Head, OURS, Rule, Span, check, spans};
use super::{KEY, PATIENCE, exporter, intake, variables};
use crate::settings::Format;

/// A run in which every field is used, as it came.
fn request(format: Format) -> RecordedRequest {
    let receiver = intake::strict(format);
    let mut harness = exporter(&variables(&receiver, format));
    harness.run_start(&json!({ "input": "hi", "thread_id": "sess-42" })).unwrap();
    let call = json!({ "id": "c1", "name": "f", "args": { "a": 1 } });
    let input = json!([
        { "role": "assistant", "content": "", "tool_calls": [call] },
        { "role": "tool", "content": "21 C", "name": "f", "tool_call_id": "c1" },
    ]);
    let llm = harness.new_call();
    harness.llm_start(llm, LlmStart::new("m").provider("p").input(&input)).unwrap();
    harness.token(llm, "a").unwrap();
    let mut usage = TokenUsage::default();
    (usage.input_tokens, usage.output_tokens) = (Some(12), Some(5));
    harness.llm_end(llm, LlmEnd::new().usage(usage)).unwrap();
    let found = harness.new_call();
    harness.retriever_start(found, "found", "where").unwrap();
    harness.retriever_end(found, &json!([{ "text": "t", "id": "1", "score": 0.5 }])).unwrap();
    let failed = harness.new_call();
    harness.tool_start(failed, "failed", "x").unwrap();
    harness.tool_error(failed, "failed", "ValueError: boom").unwrap();
    harness.run_end(&json!({ "output": "yo" })).unwrap();
    harness.shutdown(PATIENCE).unwrap();
    assert_eq!(intake::spans(&receiver, format).len(), 4, "nothing is broken yet");
    receiver.requests().remove(0)
}

/// The rules that were seen to say no.
struct Broken {
    format: Format,
    good: RecordedRequest,
    spans: Vec<Value>,
    said: BTreeSet<&'static str>,
}

impl Broken {
    fn new(format: Format) -> Self {
        let good = request(format);
        let spans = spans(&good.json(), format);
        Self { format, good, spans, said: BTreeSet::new() }
    }

    #[track_caller]
    fn expect(&mut self, said: &Result<(), String>, rule: &'static str) {
        assert_eq!(*said, Err(rule.to_owned()), "{:?}", self.format);
        self.said.insert(rule);
    }

    #[track_caller]
    fn head(&mut self, rule: &'static str, change: impl FnOnce(&mut RecordedRequest)) {
        let mut request = self.good.clone();
        change(&mut request);
        self.expect(&check(HEAD, self.format, &Head { request, key: KEY.to_owned() }), rule);
    }

    /// Puts a value there, or, for `None`, takes away what is there.
    #[track_caller]
    fn body(&mut self, pointer: &str, value: impl Into<Option<Value>>, rule: &'static str) {
        let mut body = self.good.json();
        put(&mut body, pointer, value.into());
        self.expect(&check(BODY, self.format, &body), rule);
    }

    #[track_caller]
    fn span(&mut self, name: &str, pointer: &str, value: impl Into<Option<Value>>, rule: &'static str) {
        let json = self.spans.iter().find(|span| span["name"] == name).cloned();
        let mut json = json.unwrap_or_else(|| panic!("no span is called {name}"));
        put(&mut json, pointer, value.into());
        let application = Some("weather-app".to_owned());
        let span = Span { json, format: self.format, now: intake::now(), application };
        let said = check(DOCUMENTED, self.format, &span).and_then(|()| check(OURS, self.format, &span));
        self.expect(&said, rule);
    }

    /// A place in a span, which is not the same in both formats.
    fn at(&self, public: &'static str, agent: &'static str) -> &'static str {
        if self.format == Format::Public { public } else { agent }
    }
}

fn put(json: &mut Value, pointer: &str, value: Option<Value>) {
    let Some((parent, field)) = pointer.rsplit_once('/') else {
        *json = value.unwrap();
        return;
    };
    let parent = json.pointer_mut(parent).unwrap_or_else(|| panic!("there is no `{pointer}`"));
    match (parent, value) {
        (Value::Array(items), Some(value)) => items[field.parse::<usize>().unwrap()] = value,
        (parent, Some(value)) => parent[field] = value,
        (parent, None) => drop(parent.as_object_mut().unwrap().remove(field).unwrap()),
    }
}

fn heads(broken: &mut Broken) {
    let without = |name: &'static str| {
        move |request: &mut RecordedRequest| {
            request.headers.retain(|(header, _)| !header.eq_ignore_ascii_case(name));
        }
    };
    let with = |name: &'static str, value: &'static str| {
        move |request: &mut RecordedRequest| request.headers.push((name.to_owned(), value.to_owned()))
    };
    broken.head("the method is POST", |request| request.method = "PUT".to_owned());
    broken.head("the content is JSON", without("content-type"));
    broken.head("the body is not compressed", with("Content-Encoding", "gzip"));
    broken.head("the body is not sent in chunks", without("content-length"));
    broken.head("the body is not sent in chunks", with("Transfer-Encoding", "chunked"));
    broken.head("a body has at most 4 MB", |request| request.body = vec![b' '; 4_000_001]);
    broken.head("the body is JSON", |request| request.body = b"this is not json".to_vec());
    match broken.format {
        Format::Public => {
            broken.head("the path of the public intake", |request| request.path.push('2'));
            broken.head("the key goes to Datadog", without("dd-api-key"));
        }
        Format::Agent => {
            broken.head("the path of an Agent", |request| request.path.push('2'));
            broken.head("the Agent is told the subdomain", without("x-datadog-evp-subdomain"));
            broken.head("an Agent gets no key", with("DD-API-KEY", KEY));
        }
    }
}

fn public_bodies(broken: &mut Broken) {
    broken.body("/data/type", json!("spans"), "the data is of type span");
    broken.body("/data/id", json!("1"), "data has a type and attributes");
    broken.body("/data/attributes/app", json!("1"), "attributes are those that are documented");
    broken.body("/data/attributes/ml_app", None, "an application is named");
    let taken = "the name of an application is one that Datadog takes";
    for ml_app in ["Weather", "a__b", "a_", "a b", &"a".repeat(194)] {
        broken.body("/data/attributes/ml_app", json!(ml_app), taken);
    }
    broken.body("/data/attributes/tags", json!("a:b"), "the tags of a request are texts");
    broken.body("/data/attributes/session_id", json!(5), "the session of a request is a text");
    broken.body("/data/attributes/spans", json!({}), "there is a list of spans");
    broken.body("/data/attributes/spans", json!([]), "the list of spans is not empty");
}

fn agent_bodies(broken: &mut Broken) {
    broken.body("", json!({ "spans": [] }), "the body is a list");
    broken.body("", json!([]), "the list of envelopes is not empty");
    broken.body("/0/_dd.stage", None, "an envelope is raw");
    broken.body("/0/event_type", json!("metric"), "an envelope holds what is called a span");
    broken.body("/0/_dd.tracer_version", json!(1), "an envelope names a version");
    broken.body("/0/spans", json!([{}, {}]), "an envelope holds one span");
}

/// What a span says of itself.
fn documented_heads(broken: &mut Broken) {
    broken.span("failed", "/name", json!(""), "`name` is a text");
    broken.span("failed", "/span_id", json!(5), "`span_id` is a text");
    broken.span("failed", "/trace_id", None, "`trace_id` is a text");
    broken.span("failed", "/parent_id", json!(null), "`parent_id` is a text");
    broken.span("failed", "/apm_trace_id", json!(5), "`apm_trace_id` is a text");
    broken.span("failed", "/start_ns", json!(1_795_366_231), "`start_ns` is in nanoseconds");
    let yesterday = intake::now() - 86_400_000_000_000;
    broken.span("failed", "/start_ns", json!(yesterday), "a span began less than 24 hours ago");
    broken.span("failed", "/duration", json!("1"), "`duration` is a number");
    broken.span("failed", "/duration", json!(-1), "`duration` is a number");
    broken.span("failed", "/status", json!("OK"), "`status` is ok or error");
    broken.span("failed", "/session_id", json!(5), "`session_id` is a text");
    broken.span("failed", "/tags", json!("a:b"), "tags are texts");
    broken.span("failed", "/tags", json!([5]), "tags are texts");
    broken.span("failed", "/tags", json!(["error"]), "a tag is `key:value`");
    let kind = broken.at("/meta/kind", "/meta/span/kind");
    broken.span("failed", kind, None, "the kind stands where the format has it");
    let (other, value) = match broken.format {
        Format::Public => ("/meta/span", json!({ "kind": "tool" })),
        Format::Agent => ("/meta/kind", json!("tool")),
    };
    broken.span("failed", other, value, "the kind does not stand where the other format has it");
    broken.span("failed", kind, json!("banana"), "the kind is one that is known");
    broken.span("failed", "/parent_id", json!("undefined"), "a tool is no root");
    match broken.format {
        Format::Public => {
            broken.span("failed", "/service", json!("s"), "a span has only documented fields");
            broken.span("failed", "/collection_errors", json!([]), "a span has only documented fields");
            broken.span("m", "/meta/model_name", json!("m"), "the model is metadata");
            broken.span("failed", "/meta/intent", json!("x"), "meta has only documented fields");
        }
        Format::Agent => {
            broken.span("failed", "/parent_id", json!("0"), "ids are decimal numbers");
            broken.span("failed", "/span_id", json!("ab12"), "ids are decimal numbers");
            let trace = "a trace has 32 hexadecimal digits";
            broken.span("failed", "/trace_id", json!("1"), trace);
            broken.span("failed", "/trace_id", json!("G".repeat(32)), trace);
            broken.span("failed", "/tags", json!(["error:1"]), "an application is named by a tag");
            broken.span("m", "/meta/metadata/model_name", json!("m"), "the model is no metadata");
        }
    }
}

/// What was said, found, measured and what went wrong.
fn documented_contents(broken: &mut Broken) {
    broken.span("failed", "/meta/error", json!("boom"), "an error is an object");
    broken.span("failed", "/meta/error/message", json!(5), "an error is texts");
    broken.span("failed", "/meta/error/code", json!("5"), "an error has three fields");
    broken.span("failed", "/meta/input", json!("x"), "input and output are objects");
    broken.span("failed", "/meta/input/value", json!({ "a": 1 }), "`value` is a text");
    broken.span("failed", "/meta/input/messages", json!([]), "only models have messages");
    broken.span("failed", "/meta/output", json!({ "documents": [] }), "only what was found is documents");
    broken.span("found", "/meta/input/documents", json!([]), "only what was found is documents");
    broken.span("m", "/meta/input/messages", json!({}), "`messages` are a list of objects");
    broken.span("m", "/meta/input/messages/0", json!("x"), "`messages` are a list of objects");
    let content = "/meta/input/messages/0/content";
    broken.span("m", content, json!([{ "type": "text" }]), "the content of a message is a text");
    broken.span("m", content, None, "the content of a message is a text");
    broken.span("m", "/meta/output/messages/0/role", json!(5), "the role of a message is a text");
    let calls = "/meta/input/messages/0/tool_calls";
    broken.span("m", calls, json!({}), "`tool_calls` are a list of objects");
    broken.span("m", &format!("{calls}/0/arguments"), json!("{}"), "arguments are an object");
    broken.span("m", &format!("{calls}/0/tool_id"), json!(5), "what names a tool is a text");
    broken.span("found", "/meta/output/documents", json!({}), "`documents` are a list of objects");
    let found = "/meta/output/documents/0";
    broken.span("found", &format!("{found}/page"), json!(3), "a document has four fields");
    broken.span("found", &format!("{found}/id"), json!(1), "what names a document is a text");
    broken.span("found", &format!("{found}/score"), json!("high"), "a score is a number");
    broken.span("m", "/meta/metadata", json!([]), "metadata are an object");
    broken.span("m", "/meta/metadata/list", json!([1]), "metadata are numbers, switches and texts");
    broken.span("m", "/metrics", json!([]), "metrics are an object");
    broken.span("m", "/metrics/input_tokens", json!("12"), "metrics are numbers");
    broken.span("m", "/metrics/time_to_first_token", json!(250_000_000), "times are in seconds");
    broken.span("failed", "/metrics/input_tokens", json!(1), "only models have tokens");
    match broken.format {
        Format::Public => {
            let fields = "input and output have only documented fields";
            broken.span("m", "/meta/input/text", json!("x"), fields);
            let result = "/meta/input/messages/1/tool_results";
            broken.span("m", result, json!([]), "a message has only documented fields");
            broken.span("m", "/metrics/streamed", json!(1), "metrics have only documented names");
        }
        Format::Agent => {
            let results = "/meta/input/messages/1/tool_results";
            broken.span("m", results, json!({}), "`tool_results` are a list of objects");
            broken.span("m", &format!("{results}/0/result"), json!(21), "what a tool answered is four texts");
            broken.span("m", &format!("{results}/0/tool_id"), None, "what a tool answered is four texts");
        }
    }
}

fn promised(broken: &mut Broken) {
    broken.span("m", "/meta/output/value", json!("x".repeat(1_000_000)), "a span has at most 1 MB");
    broken.span("failed", "/status", None, "a status is said");
    broken.span("failed", "/duration", json!(0.5), "`duration` is a whole number");
    broken.span("failed", "/metrics", None, "there are metadata and metrics, if only empty ones");
    broken.span("failed", "/meta/error", None, "an error has its text, and only an error");
    broken.span("failed", "/meta/error/message", None, "an error has its text, and only an error");
    broken.span("m", "/meta/error", json!({ "message": "x" }), "an error has its text, and only an error");
    let tags = |error: &str, kind: &str, session: &str, ml_app: &str| {
        let tags = [("error", error), ("error_type", kind), ("session_id", session), ("ml_app", ml_app)];
        json!(tags.map(|(key, value)| format!("{key}:{value}")))
    };
    let session = "sess-42";
    let app = "weather-app";
    assert_eq!(broken.spans[0]["session_id"], session);
    let of_error = "the tag `error_type` is the type of the error";
    broken.span("failed", "/tags", tags("0", "ValueError", session, app), "the tag `error` is the status");
    broken.span("failed", "/tags", tags("1", "KeyError", session, app), of_error);
    let of_session = "the conversation is a field and a tag";
    broken.span("failed", "/tags", tags("1", "ValueError", "other", app), of_session);
    broken.span("failed", "/session_id", None, of_session);
    let named = tags("1", "ValueError", session, "Weather");
    broken.span("failed", "/tags", named, "the tag `ml_app` is one that Datadog takes");
    let other = tags("1", "ValueError", session, "other-app");
    match broken.format {
        Format::Public => {
            broken.span("failed", "/tags", other, "the tag `ml_app` is the application of the request");
            broken.span("failed", "/apm_trace_id", None, "the trace in APM is told");
        }
        Format::Agent => {
            broken.span("failed", "/_dd/apm_trace_id", None, "`_dd` has the ids");
            broken.span("failed", "/_dd/span_id", json!("1"), "`_dd` has the id of the span");
        }
    }
}

fn texts<T>(rules: &[Rule<T>], format: Format) -> impl Iterator<Item = &'static str> {
    rules.iter().filter(move |rule| rule.is_of(format)).map(|rule| rule.text)
}

#[test]
fn every_rule_of_both_formats_can_say_no() {
    for format in [Format::Public, Format::Agent] {
        let mut broken = Broken::new(format);
        heads(&mut broken);
        if format == Format::Public {
            public_bodies(&mut broken);
        } else {
            agent_bodies(&mut broken);
        }
        documented_heads(&mut broken);
        documented_contents(&mut broken);
        promised(&mut broken);
        let all = texts(HEAD, format)
            .chain(texts(BODY, format))
            .chain(texts(DOCUMENTED, format))
            .chain(texts(OURS, format));
        let silent: Vec<_> = all.filter(|rule| !broken.said.contains(rule)).collect();
        assert!(silent.is_empty(), "{format:?}: nothing breaks {silent:#?}");
    }
}
