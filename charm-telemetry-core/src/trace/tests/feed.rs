//! What reaches an exporter of spans, and what does not.

use std::time::Duration;

use super::script::*;
use crate::event::{EventKind, LlmStart};
use crate::event_text::{ErrorText, ToolInput};
use crate::exporter::{HookResult, TelemetryExporter, call_hook};
use crate::interest::Interest;
use crate::model_parameters::ModelParameters;
use crate::trace::{
    ContentPolicy, FinishedSpan, Sampler, SpanExporter, SpanFeed, StartedSpan, TelemetrySettings,
    TraceContext, TraceId,
};

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each says how one test wants it")]
pub(super) struct Recorder {
    pub(super) feed: SpanFeed,
    starts: bool,
    keeps_home: bool,
    tells_errors: bool,
    own_rate: Option<f64>,
    fails: bool,
    /// Ends that were shown, sampled or not.
    ended: Vec<String>,
    pub(super) told: Vec<String>,
}

impl SpanExporter for Recorder {
    fn feed(&mut self) -> &mut SpanFeed {
        &mut self.feed
    }

    fn wants_starts(&self) -> bool {
        self.starts
    }

    fn sampler(&self, all: Sampler) -> Sampler {
        self.own_rate.and_then(Sampler::new).unwrap_or(all)
    }

    fn sends_content(&self, policy: ContentPolicy) -> bool {
        policy.allows(!self.keeps_home)
    }

    fn sends_error_texts(&self, policy: ContentPolicy) -> bool {
        self.sends_content(policy) || self.tells_errors
    }

    fn started(&mut self, span: &StartedSpan) -> HookResult {
        let input = span.input.as_ref().map(|input| input.json_text().into_owned()).unwrap_or_default();
        self.told.push(format!("started {} {input}", span.head.name));
        Ok(())
    }

    fn span(&mut self, span: FinishedSpan) -> HookResult {
        let events: String =
            span.events.iter().filter_map(|e| e.content.as_ref()).map(|c| c.text().into_owned()).collect();
        self.told.push(line(&span) + &events);
        if self.fails { Err("the disk is full".into()) } else { Ok(()) }
    }

    fn ended(&mut self, span: &FinishedSpan) -> HookResult {
        self.ended.push(line(span));
        Ok(())
    }

    fn finish(&mut self, _: Duration) -> HookResult {
        self.told.push("finish".to_owned());
        Ok(())
    }
}

fn secret_run() -> [crate::Event; 7] {
    [
        event(0, 0, 0, run_start(r#"{"input":"SECRET"}"#)),
        event(1, 1, 0, tool("t", "SECRET")),
        event(2, 1, 0, tool_error("t", "ValueError: SECRET")),
        event(3, 2, 0, llm("m")),
        event(4, 2, 0, token("SECRET")),
        event(5, 0, 0, action("t", "SECRET")),
        event(6, 0, 0, run_end(r#""SECRET""#)),
    ]
}

pub(super) fn told(
    recorder: Recorder,
    settings: TelemetrySettings,
    events: impl IntoIterator<Item = crate::Event>,
) -> Recorder {
    let mut recorder = recorder;
    recorder.configure(&settings.into());
    let interest = std::cell::Cell::new(Interest::all());
    for event in events {
        call_hook(&mut recorder, &event, &interest).unwrap();
    }
    assert_eq!(interest.get(), Interest::all());
    recorder
}

fn with_content(content: ContentPolicy) -> TelemetrySettings {
    TelemetrySettings { content, ..TelemetrySettings::default() }
}

#[test]
fn failures_are_told_before_their_spans_and_starts_if_they_are_wanted() {
    let recorder = Recorder { starts: true, ..Recorder::default() };
    let events = [
        event(0, 0, 0, run_start("{}")),
        event(1, 1, 0, tool("t", "x")),
        event(2, 1, 0, tool_error("t", "boom")),
        event(3, 0, 0, run_end("1")),
    ];
    assert_eq!(
        told(recorder, TelemetrySettings::default(), events).told,
        [
            "started agent {}",
            r#"started t "x""#,
            r#"tool t 1..2 < agent: error `boom` in="x""#,
            "agent agent 0..3: ok in={} out=1",
        ]
    );
}

#[test]
fn with_content_off_no_content_leaves_whatever_the_vendor_wants() {
    for starts in [false, true] {
        let recorder =
            told(Recorder { starts, ..Recorder::default() }, with_content(ContentPolicy::Off), secret_run());
        assert!(!recorder.told.concat().contains("SECRET"), "{:#?}", recorder.told);
        assert!(recorder.told.concat().contains("tool t 1..2 < agent: error `[content withheld]`"));
    }
}

#[test]
fn the_vendor_decides_unless_the_operator_does() {
    for (content, keeps_home, leaves) in [
        (ContentPolicy::VendorDefault, false, true),
        (ContentPolicy::VendorDefault, true, false),
        (ContentPolicy::On, true, true),
        (ContentPolicy::Off, false, false),
    ] {
        let recorder =
            told(Recorder { keeps_home, ..Recorder::default() }, with_content(content), secret_run());
        assert_eq!(recorder.told.concat().contains("SECRET"), leaves, "{content:?} {keeps_home}");
    }
}

#[test]
fn a_vendor_may_send_the_texts_of_errors_alone_unless_the_operator_forbids_it() {
    let recorder = Recorder { keeps_home: true, tells_errors: true, ..Recorder::default() };
    let told_by_default =
        told(recorder, with_content(ContentPolicy::VendorDefault), secret_run()).told.concat();
    let errors = told_by_default.matches("error `ValueError: SECRET`").count();
    assert!(errors > 0, "{told_by_default}");
    let recorder = Recorder { keeps_home: true, tells_errors: true, ..Recorder::default() };
    let told_when_off = told(recorder, with_content(ContentPolicy::Off), secret_run()).told.concat();
    assert!(!told_when_off.contains("SECRET"), "{told_when_off}");
}

#[test]
fn a_withheld_span_keeps_the_class_of_its_error_and_says_that_content_is_missing() {
    let mut span = spans(secret_run()).remove(0);
    span.withhold_content();
    assert!(span.content_withheld);
    assert_eq!(span.error().unwrap().error_type.as_deref(), Some("ValueError"));
}

/// What a side says of an error, of a tool's input and of a model besides the texts of the hooks.
fn detailed_run() -> Vec<crate::Event> {
    let error = ErrorText::new("no sky")
        .error_type("weather.NoSky")
        .traceback("Traceback SECRET\nweather.NoSky: no sky");
    let input = ToolInput::new("{'city': 'Oslo'}").arguments(&serde_json::json!({ "city": "Oslo" }));
    let parameters: ModelParameters = serde_json::from_str(r#"{"temperature": 0.5, "seed": 7}"#).unwrap();
    vec![
        event(0, 0, 0, run_start("{}")),
        event(1, 1, 0, EventKind::LlmStart(Box::new(LlmStart::new("m").parameters(parameters)))),
        event(2, 1, 0, llm_end()),
        event(3, 2, 0, EventKind::ToolStart { tool_name: "look".into(), input }),
        event(4, 2, 0, EventKind::ToolError { tool_name: "look".into(), error: error.clone() }),
        event(5, 3, 0, tool("plain", "text")),
        event(6, 3, 0, tool_error("plain", "broken")),
        event(7, 0, 0, EventKind::Error { error: ErrorText::new("it failed").error_type("KeyError") }),
    ]
}

#[test]
fn spans_know_the_class_and_the_place_of_an_error_the_arguments_of_a_tool_and_the_parameters_of_a_model() {
    // Through the assembler's own door, and through the hooks.
    let mut recorder = SpanRecorder::default();
    let interest = std::cell::Cell::new(Interest::all());
    recorder.configure(&std::sync::Arc::new(with_content(ContentPolicy::On)));
    for event in detailed_run() {
        call_hook(&mut recorder, &event, &interest).unwrap();
    }
    for spans in [spans(detailed_run()), recorder.spans] {
        let [llm, look, plain, agent] = &spans[..] else { panic!("four spans") };
        assert_eq!((llm.parameters.temperature, llm.parameters.seed), (Some(0.5), Some(7)));
        let error = look.error().unwrap();
        assert_eq!((error.error_type.as_deref(), &*error.message), (Some("weather.NoSky"), "no sky"));
        assert_eq!(error.traceback.as_deref(), Some("Traceback SECRET\nweather.NoSky: no sky"));
        assert_eq!(look.input.as_ref().unwrap().as_json().unwrap().get(), r#"{"city":"Oslo"}"#);
        let error = plain.error().unwrap();
        assert_eq!(
            (error.error_type.as_deref(), error.traceback.as_deref()),
            (None, None),
            "nothing of the one before"
        );
        assert_eq!(plain.input.as_ref().unwrap().text(), "text");
        assert_eq!(agent.error().unwrap().error_type.as_deref(), Some("KeyError"));
    }
}

#[derive(Default)]
struct SpanRecorder {
    feed: SpanFeed,
    spans: Vec<FinishedSpan>,
}

impl SpanExporter for SpanRecorder {
    fn feed(&mut self) -> &mut SpanFeed {
        &mut self.feed
    }

    fn span(&mut self, span: FinishedSpan) -> HookResult {
        self.spans.push(span);
        Ok(())
    }
}

#[test]
fn a_traceback_is_content_and_its_end_is_what_is_kept() {
    let mut span = spans(detailed_run()).remove(1);
    span.withhold_content();
    assert_eq!(span.error().unwrap().traceback, None);
    let long = ErrorText::new("x").traceback(format!("{}the end", "ü".repeat(20_000)));
    let failed = [event(0, 0, 0, run_start("{}")), event(1, 0, 0, EventKind::Error { error: long })];
    let kept = spans(failed).remove(0).error().unwrap().traceback.clone().unwrap();
    assert!(kept.len() <= 16 * 1024 && kept.ends_with("üthe end"), "{}", kept.len());
}

pub(super) fn unsampled(keep_errors: bool) -> TelemetrySettings {
    let sampler = Sampler::new(0.0).unwrap().keep_errors(keep_errors);
    TelemetrySettings { sampler, ..TelemetrySettings::default() }
}

#[test]
fn a_trace_that_is_not_sampled_is_counted_and_not_sent() {
    let recorder = told(Recorder { starts: true, ..Recorder::default() }, unsampled(false), secret_run());
    assert_eq!(recorder.told, [""; 0]);
    assert_eq!(recorder.feed.sampled_out(), 3);
}

#[test]
fn a_run_in_which_something_fails_is_sent_whole_if_errors_are_kept() {
    let events = [
        event(0, 0, 0, run_start("{}")),
        event(1, 1, 0, tool("good", "")),
        event(2, 1, 0, tool_end("good", "")),
        event(3, 2, 0, tool("bad", "")),
        event(4, 2, 0, tool_error("bad", "boom")),
        event(5, 0, 0, run_end("1")),
    ];
    let recorder = told(Recorder::default(), unsampled(true), events);
    assert_eq!(
        recorder.told,
        [
            r#"tool good 1..2 < agent: ok in="" out="""#,
            r#"tool bad 3..4 < agent: error `boom` in="""#,
            "agent agent 0..5: ok in={} out=1",
        ]
    );
    assert_eq!(recorder.feed.sampled_out(), 0);
}

#[test]
fn a_run_without_a_failure_is_not_sent_even_if_errors_are_kept() {
    let events = [event(0, 0, 0, run_start("{}")), event(1, 0, 0, token("a")), event(5, 0, 0, run_end("1"))];
    let recorder = told(Recorder::default(), unsampled(true), events);
    assert_eq!(recorder.told, [""; 0]);
    assert_eq!(recorder.feed.sampled_out(), 2);
}

#[test]
fn the_answer_of_the_sampler_is_that_for_the_trace() {
    let sampler = Sampler::new(0.5).unwrap();
    for number in 0..50 {
        let mut events = secret_run();
        for event in &mut events {
            event.run = run_id(number << 50);
        }
        let settings = TelemetrySettings { sampler, ..TelemetrySettings::default() };
        let recorder = told(Recorder::default(), settings, events);
        assert_eq!(!recorder.told.is_empty(), sampler.keeps(TraceId::of_run(run_id(number << 50))));
    }
}

#[test]
fn a_vendor_may_have_a_rate_of_its_own() {
    let none = Recorder { own_rate: Some(0.0), ..Recorder::default() };
    assert_eq!(told(none, TelemetrySettings::default(), secret_run()).told, [""; 0]);
    let all = Recorder { own_rate: Some(1.0), ..Recorder::default() };
    assert!(!told(all, unsampled(false), secret_run()).told.is_empty());
}

#[test]
fn shutdown_closes_what_is_open_and_then_finishes() {
    let events = [event(0, 0, 0, run_start("{}")), event(7_000, 1, 0, tool("t", ""))];
    let mut recorder = told(Recorder::default(), TelemetrySettings::default(), events);
    recorder.shutdown(Duration::from_secs(1)).unwrap();
    assert_eq!(
        recorder.told,
        [
            r#"tool t 7000..7000 < agent: aborted Shutdown in="""#,
            "agent agent 0..7000: aborted Shutdown in={}",
            "finish",
        ]
    );
}

#[test]
fn an_exporter_that_saw_nothing_still_finishes() {
    let mut recorder = Recorder::default();
    recorder.shutdown(Duration::ZERO).unwrap();
    assert_eq!(recorder.told, ["finish"]);
}

#[test]
fn a_span_that_fails_to_be_sent_fails_the_hook_and_the_others_still_come() {
    let mut recorder = Recorder { fails: true, ..Recorder::default() };
    let interest = std::cell::Cell::new(Interest::all());
    let run: Vec<_> = [
        event(0, 0, 0, run_start("{}")),
        event(1, 1, 0, tool("a", "")),
        event(2, 2, 0, tool("b", "")),
        event(3, 0, 0, run_end("1")),
    ]
    .iter()
    .map(|event| call_hook(&mut recorder, event, &interest).map_err(|error| error.to_string()))
    .collect();
    assert_eq!(run, [Ok(()), Ok(()), Ok(()), Err("the disk is full".to_owned())]);
    assert_eq!(recorder.told.len(), 3);
}

#[test]
fn the_settings_are_those_of_the_manager() {
    let recorder = told(Recorder::default(), named("Weather"), secret_run());
    assert_eq!(recorder.feed.settings().agent_name.as_deref(), Some("Weather"));
    assert!(recorder.told.last().unwrap().starts_with("agent Weather "));
}

#[test]
fn every_end_is_shown_once_whatever_is_sampled_and_without_what_may_not_leave() {
    for (rate, keep_errors) in [(1.0, false), (0.0, false), (0.0, true)] {
        let sampler = Sampler::new(rate).unwrap().keep_errors(keep_errors);
        let settings = TelemetrySettings { sampler, ..with_content(ContentPolicy::Off) };
        let recorder = told(Recorder::default(), settings, secret_run());
        assert_eq!(recorder.ended.len(), 3, "{rate} {keep_errors}: {:#?}", recorder.ended);
        assert!(!recorder.ended.concat().contains("SECRET"));
        assert_eq!(recorder.told.is_empty(), rate == 0.0 && !keep_errors);
    }
}

#[test]
fn under_a_parent_that_is_not_recorded_nothing_is_sent_but_what_fails_if_that_is_asked_for() {
    for (flags, keep_errors, sent) in [("01", false, true), ("00", false, false), ("00", true, true)] {
        let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        let settings = TelemetrySettings {
            context: TraceContext::new(parent.parse().unwrap(), None),
            sampler: Sampler::default().keep_errors(keep_errors),
            ..TelemetrySettings::default()
        };
        assert_eq!(settings.traceparent_for(crate::RunId::new(), None).is_sampled(), flags == "01");
        let recorder = told(Recorder::default(), settings, secret_run());
        assert_eq!(!recorder.told.is_empty(), sent, "{flags} {keep_errors}");
    }
}
