//! What leaves the machine: no secret in any place, and content as far as each vendor's convention lets it by default.
//!
//! Rule: the bytes that left are read, of every request to every vendor; what is expected to be there is looked for, too, so
//! that silence is not taken for discretion.

use charm_telemetry_core::testing::RecordedRequest;
use charm_telemetry_tests::process::Finished;
use charm_telemetry_tests::talkative::{KEYS, Key, PLACES, Talkative};

const VENDORS: [&str; 4] = ["datadog", "langsmith", "otlp", "sentry"];

/// The agent says every secret in every place.
const SAY_ALL: (&str, &str) =
    ("SAY", "DD_API_KEY,LANGSMITH_API_KEY,OTEL_EXPORTER_OTLP_HEADERS,SENTRY_DSN,MODEL_KEY,TOOL_KEY");

const ALL_CONTENT: (&str, &str) = ("CHARM_TELEMETRY_CONTENT", "on");

/// A text in one spelling: whoever escapes quotes and what is not ASCII, and however often, it looks the same here.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\\u00f6", "\u{f6}").replace("\\u00F6", "\u{f6}");
    text.replace("%20", " ").replace(['\\'], "")
}

#[track_caller]
fn has_no_secret(what: &str, bytes: &[u8]) {
    let text = plain(bytes);
    for key in KEYS {
        assert!(!text.contains(&plain(key.secret.as_bytes())), "{what} has {}: {text}", key.variable);
    }
}

/// All that was sent to a vendor, without the one header that each of its keys belongs into.
#[track_caller]
fn requests_have_no_secret(vendor: &str, requests: &[RecordedRequest]) {
    for request in requests {
        let what = format!("a request to {vendor}");
        has_no_secret(&what, request.path.as_bytes());
        has_no_secret(&what, &request.raw_body);
        has_no_secret(&what, &request.body);
        for (name, value) in &request.headers {
            let own = |key: &&Key| key.vendor == vendor && key.header.eq_ignore_ascii_case(name);
            // The value of another is a leak in this header, too.
            let without_own =
                KEYS.iter().filter(own).fold(value.clone(), |value, key| value.replace(key.secret, ""));
            has_no_secret(&format!("{what}, header {name},"), without_own.as_bytes());
        }
    }
}

/// Each of a vendor's keys is where it belongs.
#[track_caller]
fn requests_have_their_keys(vendor: &str, requests: &[RecordedRequest]) {
    for key in KEYS.iter().filter(|key| key.vendor == vendor) {
        let carries = |request: &RecordedRequest| {
            request.header(key.header).is_some_and(|value| value.contains(key.secret))
        };
        assert!(requests.iter().all(carries), "{vendor} needs its key in {}", key.header);
    }
}

#[track_caller]
fn output_has_no_secret(finished: &Finished) {
    has_no_secret("stdout", finished.stdout.as_bytes());
    has_no_secret("stderr", finished.stderr.as_bytes());
    for key in KEYS {
        let stand_in = format!("[{}_REDACTED]", key.variable);
        assert!(finished.stdout.contains(&stand_in), "{stand_in}: {}", finished.stdout);
    }
}

/// A run that says every secret everywhere, in what it is asked, too: no vendor gets one.
#[track_caller]
fn says_all(agent: &Talkative, input: &str, variables: &[(&str, &str)]) {
    let asked =
        KEYS.iter().fold(format!("{input} QUESTION"), |asked, key| format!("{asked} <{}>", key.secret));
    let variables = [&[SAY_ALL, ALL_CONTENT], variables].concat();
    let finished = agent.run(&asked, &variables);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    output_has_no_secret(&finished);
    for vendor in VENDORS {
        let requests = agent.take(vendor);
        requests_have_no_secret(vendor, &requests);
        // An Agent has the key itself.
        if vendor == "datadog" && variables.contains(&TO_AGENT) {
            assert!(requests.iter().all(|request| request.path.starts_with("/evp_proxy/")));
        } else {
            requests_have_their_keys(vendor, &requests);
        }
        let sent: String = requests.iter().map(|request| plain(&request.body)).collect();
        // A secret and a place that are not there at all would be no news.
        for word in PLACES.into_iter().filter(|word| !["ACTION", "FAILURE"].contains(word)) {
            assert!(sent.contains(word), "{vendor} {input}: {word} is missing in {sent}");
        }
        assert_eq!(sent.contains("FAILURE"), input == "fail", "{vendor}: {sent}");
        for key in KEYS {
            let stand_in = format!("<[{}_REDACTED]>", key.variable);
            assert!(sent.matches(&stand_in).count() >= 13, "{vendor} {input} {stand_in}: {sent}");
        }
    }
}

const TO_AGENT: (&str, &str) = ("DD_LLMOBS_AGENTLESS_ENABLED", "false");

#[test]
fn no_secret_leaves_but_each_key_in_the_header_it_belongs_to() {
    let Some(agent) = Talkative::new() else { return };
    for input in ["work", "fail"] {
        says_all(&agent, input, &[]);
    }
}

#[test]
fn no_secret_leaves_in_the_other_forms_of_the_vendors_either() {
    let Some(agent) = Talkative::new() else { return };
    agent.all_answer(200);
    let forms = [
        TO_AGENT,
        ("SENTRY_TRACE_LIFECYCLE", "static"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("CHARM_OTLP_OPENINFERENCE", "true"),
    ];
    says_all(&agent, "fail", &forms);
}

#[test]
fn no_secret_is_kept_on_disk_while_the_vendors_are_away() {
    let Some(agent) = Talkative::new() else { return };
    agent.all_answer(503);
    let finished = agent.run("fail", &[SAY_ALL, ALL_CONTENT, ("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "1")]);
    output_has_no_secret(&finished);
    let files = agent.left_behind();
    let batches =
        files.iter().filter(|(path, _)| path.extension().is_some_and(|kind| kind == "batch")).count();
    assert!(batches >= 5, "each destination keeps what it could not send: {files:?}");
    for (path, bytes) in &files {
        let name = path.display().to_string();
        has_no_secret(&name, name.as_bytes());
        has_no_secret(&name, bytes);
    }
    assert!(files.iter().any(|(_, bytes)| plain(bytes).contains("[MODEL_KEY_REDACTED]")));
    for vendor in VENDORS {
        let requests = agent.take(vendor);
        requests_have_no_secret(vendor, &requests);
        requests_have_their_keys(vendor, &requests);
    }
}

/// Which words came to a vendor, in its headers or its bodies.
fn heard(agent: &Talkative, vendor: &str) -> Vec<&'static str> {
    let requests = agent.take(vendor);
    assert!(!requests.is_empty(), "{vendor} was sent nothing");
    let all = requests.iter().map(|request| format!("{:?} {}", request.headers, plain(&request.body)));
    let all: String = all.collect();
    assert!(all.contains("gpt-x"), "the model's name is no content: {vendor}");
    PLACES.into_iter().filter(|place| all.contains(place)).collect()
}

/// Every place, those of inputs, those of outputs, and the texts of errors.
const EVERYTHING: &str =
    "QUESTION PROMPT ANSWER ARGUMENT RESULT QUERY DOCUMENT ACTION MISHAP REFUSAL LOST FAILURE";
/// Datadog has no place for what an agent says it will do.
const BUT_ACTIONS: &str = "QUESTION PROMPT ANSWER ARGUMENT RESULT QUERY DOCUMENT MISHAP REFUSAL LOST FAILURE";
const ERRORS: &str = "MISHAP REFUSAL LOST FAILURE";
const NOTHING: &str = "";

/// Variables, and what then comes to Datadog, LangSmith, OTLP and Sentry.
type Case = (&'static [(&'static str, &'static str)], [&'static str; 4]);

const CASES: [Case; 6] = [
    (&[], [BUT_ACTIONS, EVERYTHING, NOTHING, ERRORS]),
    (&[("CHARM_TELEMETRY_CONTENT", "off")], [NOTHING; 4]),
    (&[("CHARM_TELEMETRY_CONTENT", "on")], [BUT_ACTIONS, EVERYTHING, EVERYTHING, EVERYTHING]),
    (
        &[
            ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY"),
            ("SENTRY_SEND_DEFAULT_PII", "true"),
            ("LANGSMITH_HIDE_INPUTS", "true"),
        ],
        [BUT_ACTIONS, "ANSWER RESULT DOCUMENT MISHAP REFUSAL LOST FAILURE", EVERYTHING, EVERYTHING],
    ),
    (
        &[
            ("LANGSMITH_HIDE_OUTPUTS", "true"),
            ("SENTRY_TRACE_LIFECYCLE", "static"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("CHARM_OTLP_OPENINFERENCE", "true"),
        ],
        [BUT_ACTIONS, "QUESTION PROMPT ARGUMENT QUERY MISHAP REFUSAL LOST FAILURE", NOTHING, ERRORS],
    ),
    // What the operator forbids, no convention of a vendor allows.
    (
        &[
            ("CHARM_TELEMETRY_CONTENT", "off"),
            ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY"),
            ("CHARM_OTLP_OPENINFERENCE", "true"),
            ("SENTRY_SEND_DEFAULT_PII", "true"),
        ],
        [NOTHING; 4],
    ),
];

#[test]
fn content_leaves_as_far_as_each_vendor_s_convention_and_the_operator_let_it() {
    let Some(agent) = Talkative::new() else { return };
    for (variables, expected) in CASES {
        let finished = agent.run("fail QUESTION", variables);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let heard = VENDORS.map(|vendor| heard(&agent, vendor).join(" "));
        assert_eq!(heard, expected.map(str::to_owned), "{variables:?}, of {VENDORS:?}");
    }
}
