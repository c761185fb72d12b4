//! An exporter of spans in a manager, from the environment to the last span.
//!
//! Rule: everything goes the way that it goes in a runner; only the vendor is a list.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use charm_telemetry_core::trace::{FinishedSpan, SpanExporter, SpanFeed, SpanStatus, TelemetrySettings};
use charm_telemetry_core::{
    Environment, EnvironmentReader, HookResult, LlmEnd, LlmStart, Manager, PipeWriter,
};

#[derive(Default)]
struct Spans {
    feed: SpanFeed,
    seen: Arc<Mutex<Vec<FinishedSpan>>>,
}

impl SpanExporter for Spans {
    fn feed(&mut self) -> &mut SpanFeed {
        &mut self.feed
    }

    fn span(&mut self, span: FinishedSpan) -> HookResult {
        self.seen.lock().map_err(|error| error.to_string())?.push(span);
        Ok(())
    }
}

const VARIABLES: [(&str, &str); 3] = [
    ("CHARM_AGENT_NAME", "Weather"),
    ("CHARM_TELEMETRY_CONTENT", "off"),
    ("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
];

#[test]
fn a_run_in_a_manager_becomes_a_tree_of_spans_under_the_remote_one() {
    let exporter = Spans::default();
    let seen = Arc::clone(&exporter.seen);
    let environment = Environment::from_pairs(VARIABLES);
    let settings = TelemetrySettings::read(&mut EnvironmentReader::new(&environment));
    let manager = Manager::builder()
        .environment(environment)
        .exporter("spans", exporter)
        .stdout(PipeWriter::new(tempfile::tempfile().unwrap()))
        .start()
        .unwrap();

    let run = manager.start_run(&serde_json::json!({ "thread_id": "t-1" }));
    let handed_on = settings.traceparent_for(run.id(), None);
    let research = run.tool_call("research", "SECRET");
    let search = research.retriever_call("index", "SECRET");
    search.finish(&["SECRET"]);
    let mut llm = research.llm_call(LlmStart::new("gpt-4o"));
    llm.token("SEC");
    llm.token("RET");
    llm.finish(LlmEnd::new());
    research.fail("ValueError: SECRET");
    run.fail("ValueError: SECRET");
    let report = manager.shutdown(Duration::from_secs(30));
    assert!(report.is_balanced(), "{report}");

    let spans = seen.lock().unwrap();
    let names: Vec<_> =
        spans.iter().map(|span| format!("{} {}", span.head.kind.name(), span.head.name)).collect();
    assert_eq!(names, ["retrieval index", "llm gpt-4o", "tool research", "agent Weather"]);
    let [search, llm, research, agent] = &spans[..] else { panic!("four spans") };
    assert_eq!(search.head.parent_span_id(), Some(research.head.span_id));
    assert_eq!(llm.head.parent_span_id(), Some(research.head.span_id));
    assert_eq!(llm.streaming.unwrap().tokens, 2);
    assert_eq!(agent.head.parent_span_id().unwrap().to_string(), "00f067aa0ba902b7");
    assert_eq!((agent.head.trace_id, agent.head.span_id), (handed_on.trace_id(), handed_on.span_id()));
    assert!(matches!(&agent.status, SpanStatus::Error(error) if error.origin.is_some()));
    assert!(!format!("{spans:?}").contains("SECRET"), "content is off");
}

#[test]
fn wrong_settings_are_told_once_and_keep_the_manager_from_starting() {
    let environment = Environment::from_pairs([("CHARM_TELEMETRY_SAMPLE_RATE", "all")]);
    let problems = Manager::builder()
        .environment(environment)
        .exporter("one", Spans::default())
        .exporter("two", Spans::default())
        .stdout(PipeWriter::new(tempfile::tempfile().unwrap()))
        .start()
        .map(drop)
        .unwrap_err();
    let text = problems.to_string();
    assert_eq!(text.matches("CHARM_TELEMETRY_SAMPLE_RATE").count(), 1, "{text}");
}
