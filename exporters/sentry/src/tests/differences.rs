//! Field by field against Sentry's own SDK for Python, version 2.75.0, with its integration for an agent framework.
//!
//! Rule: `tests/data/sdk_2_75_names.json` holds the names and types that it sent for a run like ours. Each difference is in
//! the table below with its reason, each reason is in the guide, and a difference that is gone must go from the table.

use std::collections::BTreeSet;

use serde_json::Value;

use super::payloads::{golden, guide};

use Side::{Ours, Sdk};

/// Who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    /// The SDK alone.
    Sdk,
    /// We alone.
    Ours,
}

const RENAMED: &str = "deprecated name; the current one is sent";
const CURRENT: &str = "current name of what the SDK still calls otherwise";
const UNKNOWN: &str = "not told by agents";
const NOT_CARRIED: &str = "not carried by the bridge";
const PROCESS: &str = "describes the Python process, not the agent";
const TOKENS: &str = "tokens are counted on the model's span alone";
const FINDING: &str = "finds a run or a conversation";
const MACHINE: &str = "names the machine";
const SERVER: &str = "set by the server or without use to it";

const DIFFERENCES: &[(Side, &[&str], &str)] = &[
    (
        Sdk,
        &[
            "gen_ai.request.messages",
            "gen_ai.response.text",
            "gen_ai.response.tool_calls",
            "gen_ai.system",
            "gen_ai.tool.input",
            "gen_ai.tool.output",
        ],
        RENAMED,
    ),
    (
        Ours,
        &[
            "gen_ai.input.messages",
            "gen_ai.output.messages",
            "gen_ai.provider.name",
            "gen_ai.tool.call.arguments",
            "gen_ai.tool.call.result",
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.reasoning.output_tokens",
        ],
        CURRENT,
    ),
    (Sdk, &["gen_ai.tool.definitions", "gen_ai.tool.description"], NOT_CARRIED),
    (Sdk, &["process.runtime.name", "process.runtime.version", "thread.id", "thread.name"], PROCESS),
    (Sdk, &["server.address", "server_name"], MACHINE),
    (Ours, &["charm.run_id", "gen_ai.conversation.id", "tags"], FINDING),
    (Ours, &["region", "team-name"], "tags of the operator"),
    (Ours, &["sentry.platform", "sentry.segment.name.source"], "wanted by the specification of such spans"),
    (Sdk, &["same_process_as_parent", "measurements", "sample_rand", "data"], SERVER),
    (Sdk, &["breadcrumbs"], "crumbs of the Python process"),
    (Ours, &["gen_ai.response.finish_reasons", "level", "status"], "told where the SDK leaves it out"),
];

/// Differences of one kind of span alone.
const OF_ONE_KIND: &[(&str, Side, &[&str], &str)] = &[
    (
        "gen_ai.invoke_agent",
        Sdk,
        &[
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.input_tokens.cached",
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.output_tokens.reasoning",
            "gen_ai.usage.total_tokens",
        ],
        TOKENS,
    ),
    ("gen_ai.invoke_agent", Sdk, &["gen_ai.request.model", "gen_ai.response.streaming"], UNKNOWN),
    ("gen_ai.execute_tool", Sdk, &["gen_ai.request.model"], UNKNOWN),
    ("exception fields", Sdk, &["module"], "sent where the error's class has one"),
];

/// Compares the names of one kind and returns the differences that are used.
#[track_caller]
fn check(kind: &str, sdk: &BTreeSet<String>, ours: &BTreeSet<String>, used: &mut BTreeSet<(Side, String)>) {
    let special = |side: Side, name: &str| {
        OF_ONE_KIND.iter().any(|(of, on, names, _)| *of == kind && *on == side && names.contains(&name))
    };
    let general = |side: Side, name: &str| {
        DIFFERENCES.iter().any(|(on, names, _)| *on == side && names.contains(&name))
    };
    for (side, here, there) in [(Sdk, sdk, ours), (Ours, ours, sdk)] {
        for name in here.difference(there) {
            assert!(special(side, name) || general(side, name), "{kind}: `{name}` of {side:?} has no reason");
            used.insert((side, name.clone()));
        }
        for (of, _, names, _) in OF_ONE_KIND.iter().filter(|(of, on, ..)| *of == kind && *on == side) {
            let gone = names.iter().find(|name| !here.contains(**name) || there.contains(**name));
            assert_eq!(gone, None, "{of}: the difference is gone");
        }
    }
}

fn names(object: &Value) -> BTreeSet<String> {
    match object {
        Value::Object(object) => object.keys().cloned().collect(),
        Value::Array(list) => list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn every_difference_from_the_sdk_has_its_reason_and_no_reason_is_left_over() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sdk_2_75_names.json");
    let sdk: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let spans = golden("spans")["items"][0]["payload"]["items"].take();
    let transaction = golden("transaction")["items"][0]["payload"].take();
    let (mut event, mut used) = (golden("event_traceback"), BTreeSet::new());
    for span in spans.as_array().unwrap() {
        let op = span["attributes"]["sentry.op"]["value"].as_str().unwrap();
        let Some(of_sdk) = sdk.get(op) else { continue };
        check(op, &names(of_sdk), &names(&span["attributes"]), &mut used);
        for (name, kind) in of_sdk.as_object().unwrap() {
            let ours = &span["attributes"][name]["type"];
            assert!(ours.is_null() || ours == kind, "{op}: the type of `{name}`");
        }
        assert!(names(span).is_subset(&names(&sdk["span fields"])), "no field that the SDK does not send");
    }
    check("transaction fields", &names(&sdk["transaction fields"]), &names(&transaction), &mut used);
    let of_sdk = names(&sdk["transaction span fields"]);
    check("transaction span fields", &of_sdk, &names(&transaction["spans"][0]), &mut used);
    let header = names(&event["header"]["trace"]);
    check("trace header fields", &names(&sdk["trace header fields"]), &header, &mut used);
    let event = event["items"][0]["payload"].take();
    check("event fields", &names(&sdk["event fields"]), &names(&event), &mut used);
    let values = event["exception"]["values"].as_array().unwrap();
    let exception = names(values.last().unwrap());
    check("exception fields", &names(&sdk["exception fields"]), &exception, &mut used);
    let trace = names(&event["contexts"]["trace"]);
    check("trace context fields", &names(&sdk["trace context fields"]), &trace, &mut used);
    for (side, listed, _) in DIFFERENCES {
        let left = listed.iter().find(|name| !used.contains(&(*side, (**name).to_owned())));
        assert_eq!(left, None, "no difference any more");
    }
}

#[test]
fn the_guide_tells_every_difference() {
    let guide = guide();
    let of_one = OF_ONE_KIND.iter().map(|(_, _, names, reason)| (*names, *reason));
    for (names, reason) in DIFFERENCES.iter().map(|(_, names, reason)| (*names, *reason)).chain(of_one) {
        // The tags of the test are nobody else's.
        let names = names.iter().filter(|name| !["region", "team-name"].contains(name));
        for name in names {
            let told = guide.lines().any(|line| line.contains(&format!("`{name}`")) && line.contains(reason));
            assert!(told, "`{name}`: {reason}");
        }
    }
}
