//! One agent before four vendors at once: the real runner, the agent of the example, four receivers, read back.
//!
//! Rule: the vendors have to agree with each other and with what the agent did; that they answered 200 proves nothing.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that called it")]

use std::path::Path;
use std::process::Command;

use charm_telemetry_core::testing::RecordedRequest;
use charm_telemetry_tests::receivers::{DatadogAgent, LANGSMITH_KEY, LangSmithDouble, OtelTap, SentryDouble};
use charm_telemetry_tests::trees::{self, Node, Tree};
use charm_telemetry_tests::{binaries, process, requires, workspace};
use serde_json::Value;

/// What a frame of zstd begins with.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The example, with four exporters.
fn agent(folder: &Path) {
    workspace::copy_folder(&workspace::root().join("examples/agents/langgraph"), folder);
    let manifest = folder.join("charm.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let list = "  telemetry: [datadog, langsmith, otlp, sentry]\n";
    std::fs::write(&manifest, text.trim_end().to_owned() + "\n" + list).unwrap();
}

/// What the agent does, by its script.
fn expected() -> Vec<Node> {
    let node = |kind, name: &str, parent| {
        let tokens = (kind == "llm").then_some((20, 8));
        Node { kind, name: name.to_owned(), parent, tokens, said: None, failed: false }
    };
    let tool = |name: &str, told: &str, said: &str| Node {
        said: Some((told.to_owned(), said.to_owned())),
        ..node("tool", name, Some(0))
    };
    vec![
        node("agent", "Calculator", None),
        node("llm", "", Some(0)),
        tool("multiply", r#"{"a":6,"b":7}"#, "content='42' name='multiply' tool_call_id='call-1'"),
        node("llm", "", Some(0)),
        tool("spell", r#"{"number":"42"}"#, "content='forty-two' name='spell' tool_call_id='call-2'"),
        node("llm", "", Some(0)),
    ]
}

#[test]
fn four_vendors_have_the_same_tree_the_same_tokens_and_the_same_tools() {
    let Some(venv) = requires::venv() else { return };
    let (Some(tap), Some(datadog)) = (OtelTap::start(), DatadogAgent::start()) else { return };
    let (langsmith, sentry) = (LangSmithDouble::start(), SentryDouble::start());
    let scratch = tempfile::tempdir().unwrap();
    agent(&scratch.path().join("agent"));
    let local = |port| format!("http://127.0.0.1:{port}");
    let mut command = Command::new(binaries::runner());
    command.args(["run", "agent", "--telemetry-report=json", "--json"]);
    command.arg(r#"{"input":"What is 6 times 7 in words?"}"#).current_dir(&scratch);
    command.env_clear().env("PATH", venv.bin()).env("CHARM_STATE_DIR", scratch.path().join("state"));
    command.env("CHARM_TELEMETRY_CONTENT", "on");
    command
        .env("DD_TRACE_AGENT_URL", local(datadog.port))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", local(tap.port));
    command.env("LANGSMITH_API_KEY", LANGSMITH_KEY).env("LANGSMITH_ENDPOINT", langsmith.url());
    command.env("SENTRY_DSN", sentry.dsn("public", "sesame"));
    let finished = process::run(command, scratch.path());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains("in words: forty-two ✨"), "{}", finished.stdout);

    let last = |record: &&Value| record["name"] == "gen_ai.invoke_agent.duration";
    let spans = |records: &[Value]| records.iter().filter(|record| record["spanId"].is_string()).count();
    let records = tap.records(|records| spans(records) == 6 && records.iter().any(|record| last(&record)));
    let otlp = trees::of_otlp(&records);
    assert_eq!(otlp.nodes, expected());
    let others: [(&str, Tree); 3] = [
        ("datadog", trees::of_datadog(&datadog.spans())),
        ("langsmith", trees::of_langsmith(&langsmith.runs())),
        ("sentry", trees::of_sentry(&sentry.items())),
    ];
    for (vendor, tree) in others {
        assert_eq!(tree, otlp, "{vendor} beside otlp");
    }
    let compressed = langsmith.requests().into_iter().filter(|request| request.path != "/info");
    assert!(compressed.map(|request| request.raw_body).all(|body| body.starts_with(&ZSTD)));
    let answers = [
        serde_json::to_string(&records).unwrap(),
        serde_json::to_string(&datadog.spans()).unwrap(),
        langsmith.requests().iter().map(RecordedRequest::text).collect(),
        sentry.requests().iter().map(RecordedRequest::text).collect(),
    ];
    for text in answers {
        // By the last model and by the run.
        assert_eq!(text.matches("in words: forty-two ✨").count(), 2, "{text}");
    }
    assert_eq!(
        tokens_by_metric(&records),
        [("input", 60), ("output", 24)].map(|(kind, sum)| (kind.to_owned(), sum))
    );
    report_adds_up(&finished.stderr);
}

/// The sums of the one metric that counts tokens.
fn tokens_by_metric(records: &[Value]) -> Vec<(String, u64)> {
    let metric = records.iter().find(|record| record["name"] == "gen_ai.client.token.usage").unwrap();
    let points = metric["histogram"]["dataPoints"].as_array().unwrap().iter();
    let of_kind = |point: &Value| {
        let attributes = point["attributes"].as_array().unwrap();
        let kind = attributes.iter().find(|attribute| attribute["key"] == "gen_ai.token.type").unwrap();
        #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "it is a small count")]
        let sum = point["sum"].as_f64().unwrap() as u64;
        (kind["value"]["stringValue"].as_str().unwrap().to_owned(), sum)
    };
    points.map(of_kind).collect()
}

/// Every event has an outcome in every lane, and every span one at every vendor.
fn report_adds_up(stderr: &str) {
    let line = stderr.lines().find_map(|line| line.strip_prefix("charm: {")).expect("there is a report");
    let report: Value = serde_json::from_str(&format!("{{{line}")).unwrap();
    let events = report["events"].as_u64().unwrap();
    assert!(events > 20 && report["late"] == 0, "{report:#}");
    let lanes = report["exporters"].as_array().unwrap();
    let names: Vec<_> = lanes.iter().map(|lane| lane["exporter"].as_str().unwrap()).collect();
    assert_eq!(names, ["datadog", "langsmith", "otlp", "sentry"]);
    for lane in lanes.iter().map(|lane| &lane["outcomes"]).chain([&report["stdout"]]) {
        assert_eq!(lane["issued"], events);
        assert_eq!(lane["delivered"], events, "{report:#}");
    }
    let expected = [
        ("datadog", 6),
        ("langsmith", 6),
        ("otlp", 6),
        ("otlp-metrics", 6),
        ("sentry-errors", 0),
        ("sentry-reports", 0),
        ("sentry-spans", 6),
    ];
    let deliveries = report["deliveries"].as_array().unwrap();
    let delivered: Vec<_> = deliveries
        .iter()
        .map(|delivery| {
            (delivery["destination"].as_str().unwrap(), delivery["outcomes"]["delivered"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(delivered, expected);
    for delivery in deliveries {
        let count = |name: &str| delivery["outcomes"][name].as_u64().unwrap();
        assert_eq!(count("accepted") + count("adopted"), count("delivered"), "{delivery:#}");
        assert_eq!(
            (count("spooled"), count("pending"), &delivery["outcomes"]["dropped"]),
            (0, 0, &serde_json::json!({}))
        );
    }
}
