//! Starts find their ends.

use super::script::*;
use crate::event::{EventKind, LlmEnd, LlmStart, TokenUsage};
use crate::trace::{RunTotals, SpanKind};

#[test]
fn a_run_with_a_tool_gives_two_spans_the_tool_first() {
    check(
        [
            event(0, 0, 0, run_start(r#"{"input":"hi"}"#)),
            event(10, 1, 0, tool("search", "Oslo")),
            event(30, 1, 0, tool_end("search", "3 degrees")),
            event(50, 0, 0, run_end(r#"{"status":"success","output":"cold"}"#)),
        ],
        &[
            r#"tool search 10..30 < agent: ok in="Oslo" out="3 degrees""#,
            r#"agent agent 0..50: ok in={"input":"hi"} out="cold""#,
        ],
    );
}

#[test]
fn parallel_calls_of_one_tool_are_kept_apart_by_their_ids() {
    check(
        [
            event(0, 0, 0, run_start("{}")),
            event(1, 1, 0, tool("search", "a")),
            event(2, 2, 0, tool("search", "b")),
            event(3, 1, 0, tool_end("search", "A")),
            event(4, 2, 0, tool_end("search", "B")),
            event(5, 0, 0, run_end("null")),
        ],
        &[
            r#"tool search 1..3 < agent: ok in="a" out="A""#,
            r#"tool search 2..4 < agent: ok in="b" out="B""#,
            "agent agent 0..5: ok in={} out=null",
        ],
    );
}

#[test]
fn nested_calls_hang_under_their_callers() {
    check(
        [
            event(0, 0, 0, run_start("{}")),
            event(1, 1, 0, tool("research", "x")),
            event(2, 2, 1, llm("gpt-4o")),
            event(3, 3, 2, search("index", "q")),
            event(4, 3, 2, found("[]")),
            event(5, 2, 1, llm_end()),
            event(6, 1, 0, tool_end("research", "y")),
            event(7, 0, 0, run_end("null")),
        ],
        &[
            r#"retrieval index 3..4 < gpt-4o: ok in="q" out=[]"#,
            "llm gpt-4o 2..5 < research: ok",
            r#"tool research 1..6 < agent: ok in="x" out="y""#,
            "agent agent 0..7: ok in={} out=null",
        ],
    );
}

#[test]
fn a_call_that_begins_after_its_caller_has_ended_still_hangs_under_it() {
    check(
        [
            event(0, 0, 0, run_start("{}")),
            event(1, 1, 0, tool("outer", "")),
            event(2, 1, 0, tool_end("outer", "")),
            event(3, 2, 1, tool("inner", "")),
            event(4, 2, 1, tool_end("inner", "")),
        ],
        &[r#"tool outer 1..2 < agent: ok in="" out="""#, r#"tool inner 3..4 < outer: ok in="" out="""#],
    );
}

#[test]
fn errors_are_the_status_of_their_spans() {
    check(
        [
            event(0, 0, 0, run_start("{}")),
            event(1, 1, 0, tool("t", "")),
            event(2, 1, 0, tool_error("t", "no such city")),
            event(3, 2, 0, llm("m")),
            event(4, 2, 0, EventKind::LlmError { error: "rate limited".into() }),
            event(5, 3, 0, search("r", "q")),
            event(6, 3, 0, EventKind::RetrieverError { error: "no index".into() }),
            event(7, 0, 0, run_error("gave up")),
        ],
        &[
            r#"tool t 1..2 < agent: error `no such city` in="""#,
            "llm m 3..4 < agent: error `rate limited`",
            r#"retrieval r 5..6 < agent: error `no index` in="q""#,
            "agent agent 0..7: error `gave up` in={}",
        ],
    );
}

#[test]
fn streamed_text_is_the_output_when_the_end_has_none() {
    let [llm, _] = &spans([
        event(0, 0, 0, run_start("{}")),
        event(100, 1, 0, llm("m")),
        event(350, 1, 0, token("Hel")),
        event(400, 1, 0, token("lo")),
        event(450, 1, 0, token("!")),
        event(600, 1, 0, llm_end()),
        event(700, 0, 0, run_end("null")),
    ])[..] else {
        panic!("two spans")
    };
    assert_eq!(line(llm), r#"llm m 100..600 < agent: ok out="Hello!""#);
    let streaming = llm.streaming.unwrap();
    assert_eq!(streaming.tokens, 3);
    assert_eq!(streaming.time_to_first_token.unwrap().as_millis(), 250);
    assert_eq!(millis(streaming.first_token), 350);
    assert_eq!(streaming.time_per_token().unwrap().as_millis(), 50);
    assert_eq!(llm.tokens_per_second(), Some(6.0));
}

#[test]
fn the_answer_at_the_end_wins_over_the_streamed_text_and_usage_over_the_count() {
    let mut usage = TokenUsage::new(7, 30);
    usage.cache_read_tokens = Some(4);
    usage.cache_write_tokens = Some(2);
    let start = LlmStart::new("gpt-4o").provider("openai").input(&["hi"]);
    let end = LlmEnd::new().model("gpt-4o-2026").output("Hello!").usage(usage);
    let [llm, agent] = &spans([
        event(0, 0, 0, run_start("{}")),
        event(0, 1, 0, EventKind::LlmStart(Box::new(start))),
        event(500, 1, 0, token("Hel")),
        event(1000, 1, 0, EventKind::LlmEnd(Box::new(end))),
        event(1000, 0, 0, run_end("null")),
    ])[..] else {
        panic!("two spans")
    };
    assert_eq!(line(llm), r#"llm gpt-4o 0..1000 < agent: ok in=["hi"] out="Hello!""#);
    assert_eq!(llm.model.as_deref(), Some("gpt-4o"));
    assert_eq!(llm.response_model.as_deref(), Some("gpt-4o-2026"));
    assert_eq!(llm.provider.as_deref(), Some("openai"));
    assert_eq!(llm.usage, Some(usage));
    assert_eq!(llm.tokens_per_second(), Some(30.0));
    assert_eq!(agent.usage, None);
    assert_eq!(agent.totals.unwrap(), RunTotals { llm_calls: 1, usage, ..RunTotals::default() });
}

#[test]
fn tokens_without_a_call_are_one_call_of_a_model_from_the_first_to_the_last() {
    let [llm, _] = &spans([
        event(0, 0, 0, run_start("{}")),
        event(10, 0, 0, token("a")),
        event(30, 0, 0, token("b")),
        event(90, 0, 0, run_end("null")),
    ])[..] else {
        panic!("two spans")
    };
    assert_eq!(line(llm), r#"llm llm 10..30 < agent: ok out="ab""#);
    assert_eq!(llm.head.call, None);
    assert_eq!(llm.streaming.unwrap().time_to_first_token, None);
}

#[test]
fn calls_without_ids_are_paired_by_kind_and_name_the_last_first() {
    check(
        [
            event(0, 0, 0, run_start("{}")),
            event(1, 0, 0, tool("a", "1")),
            event(2, 0, 0, tool("b", "2")),
            event(3, 0, 0, tool_end("a", "A")),
            event(4, 0, 0, tool_end("b", "B")),
            event(5, 0, 0, llm("m")),
            event(6, 0, 0, token("x")),
            event(7, 0, 0, llm_end()),
        ],
        &[
            r#"tool a 1..3 < agent: ok in="1" out="A""#,
            r#"tool b 2..4 < agent: ok in="2" out="B""#,
            r#"llm m 5..7 < agent: ok out="x""#,
        ],
    );
}

#[test]
fn two_runs_at_once_do_not_touch_each_other() {
    let mut other = event(1, 1, 0, tool("t", "other"));
    other.run = run_id(1);
    let mut other_end = event(3, 1, 0, tool_end("t", "OTHER"));
    other_end.run = run_id(1);
    let spans =
        spans([event(0, 1, 0, tool("t", "mine")), other, event(2, 1, 0, tool_end("t", "MINE")), other_end]);
    let texts: Vec<_> = spans.iter().map(|span| span.output.as_ref().unwrap().text().into_owned()).collect();
    assert_eq!(texts, ["MINE", "OTHER"]);
    assert_ne!(spans[0].head.span_id, spans[1].head.span_id);
    assert_ne!(spans[0].head.trace_id, spans[1].head.trace_id);
}

#[test]
fn the_error_of_a_run_names_the_call_that_said_it_first() {
    let spans = spans([
        event(0, 0, 0, run_start("{}")),
        event(1, 1, 0, tool("weather", "")),
        event(2, 1, 0, tool_error("weather", "no weather for Paris")),
        event(3, 0, 0, run_error("Agent Execution Failed: no weather for Paris")),
    ]);
    let origin = spans[1].error().unwrap().origin.as_ref().unwrap();
    assert_eq!(origin.span_id, spans[0].head.span_id);
}

#[test]
fn an_error_of_the_run_alone_has_no_other_origin() {
    let spans = spans([
        event(0, 0, 0, run_start("{}")),
        event(1, 1, 0, tool("weather", "")),
        event(2, 1, 0, tool_error("weather", "no weather for Paris")),
        event(3, 0, 0, run_error("KeyError: 'answer'")),
    ]);
    let error = spans[1].error().unwrap();
    assert!(error.origin.is_none());
    assert_eq!(error.error_type.as_deref(), Some("KeyError"));
}

#[test]
fn actions_and_artifacts_are_points_in_the_span_of_the_run() {
    let spans = spans([
        event(0, 0, 0, run_start("{}")),
        event(5, 0, 0, action("search", "Oslo")),
        event(6, 0, 0, stream("status", r#"{"type":"status","content":"x"}"#)),
        event(7, 0, 0, stream("artifact", r#"{"type":"artifact","content":{"name":"a"}}"#)),
        event(8, 0, 0, run_end("null")),
    ]);
    let events: Vec<_> = spans[0]
        .events
        .iter()
        .map(|e| (&*e.name, millis(e.time), e.content.as_ref().unwrap().json_text()))
        .collect();
    assert_eq!(
        events,
        [
            ("agent_action", 5, r#"{"tool":"search","tool_input":"Oslo"}"#.into()),
            ("artifact", 7, r#"{"type":"artifact","content":{"name":"a"}}"#.into()),
        ]
    );
}

#[test]
fn a_suspended_run_says_so_and_a_thread_is_the_conversation_of_all_its_spans() {
    let spans = spans([
        event(0, 0, 0, run_start(r#"{"thread_id":"t-1"}"#)),
        event(1, 1, 0, tool("t", "")),
        event(2, 1, 0, tool_end("t", "")),
        event(3, 0, 0, run_end(r#"{"status":"suspended","thread_id":"t-1"}"#)),
    ]);
    assert!(spans[1].suspended);
    assert!(spans.iter().all(|span| span.conversation.as_deref() == Some("t-1")));
}

#[test]
fn other_ways_to_name_the_conversation() {
    for (inputs, expected) in [
        (r#"{"__charm_thread_id__":"x"}"#, Some("x")),
        (r#"{"thread_id":42}"#, Some("42")),
        (r#"{"thread_id":""}"#, None),
        (r#"{"thread_id":{"a":1}}"#, None),
        (r#"{"thread_id":null,"__charm_thread_id__":"y"}"#, Some("y")),
        ("[1]", None),
        ("null", None),
    ] {
        let spans = spans([event(0, 0, 0, run_start(inputs)), event(1, 0, 0, run_end("null"))]);
        assert_eq!(spans[0].conversation.as_deref(), expected, "{inputs}");
    }
}

#[test]
fn the_span_of_the_run_has_the_name_of_the_agent() {
    let mut trace =
        crate::trace::TraceAssembler::new(&named("Weather"), crate::trace::TraceLimits::default());
    let spans = feed(&mut trace, [event(0, 0, 0, run_start("{}")), event(1, 0, 0, run_end("null"))]);
    assert_eq!(&*spans[0].head.name, "Weather");
    assert_eq!(spans[0].head.kind, SpanKind::Agent);
}

#[test]
fn tokens_that_show_that_they_were_counted_apart_are_counted_in_and_all_others_stay() {
    /// Input, output, sum, read from the cache, written to it, reasoning.
    type Counts = [Option<u64>; 6];
    let usage_of = |[input_tokens, output_tokens, total, read, written, reasoning]: Counts| {
        let mut usage = TokenUsage { input_tokens, output_tokens, ..TokenUsage::default() };
        (usage.total_tokens, usage.reasoning_tokens) = (total, reasoning);
        (usage.cache_read_tokens, usage.cache_write_tokens) = (read, written);
        usage
    };
    let check = |told: Counts, expected: Counts| {
        let end = LlmEnd::new().usage(usage_of(told));
        let spans = spans([
            event(0, 0, 0, run_start("{}")),
            event(1, 1, 0, llm("m")),
            event(2, 1, 0, EventKind::LlmEnd(Box::new(end))),
            event(3, 0, 0, run_end("null")),
        ]);
        let [llm, agent] = &spans[..] else { panic!("two spans") };
        assert_eq!(llm.usage, Some(usage_of(expected)), "{told:?}");
        assert_eq!(agent.totals.unwrap().usage, usage_of(expected), "{told:?}");
    };
    let same = |counts: Counts| check(counts, counts);
    // As the conventions have it, also where everything came from the cache.
    same([Some(20), Some(9), Some(29), Some(15), Some(5), Some(9)]);
    same([Some(20), Some(9), Some(31), None, None, None]);
    // What is not known is not made up.
    same([None, None, Some(8), Some(15), None, Some(3)]);
    check(
        [Some(3), Some(5), Some(8), Some(100), Some(20), None],
        [Some(123), Some(5), Some(128), Some(100), Some(20), None],
    );
    // Each of the two fits in, both do not.
    check(
        [Some(20), None, Some(25), Some(15), Some(6), None],
        [Some(41), None, None, Some(15), Some(6), None],
    );
    check(
        [Some(1), Some(2), None, None, None, Some(30)],
        [Some(1), Some(32), Some(33), None, None, Some(30)],
    );
    // The part would fit, but the sum holds it besides.
    check(
        [Some(100), Some(5), Some(185), Some(60), Some(20), None],
        [Some(180), Some(5), Some(185), Some(60), Some(20), None],
    );
    check(
        [Some(100), Some(50), Some(180), Some(7), None, Some(30)],
        [Some(100), Some(80), Some(180), Some(7), None, Some(30)],
    );
    check(
        [Some(100), Some(50), Some(187), Some(7), None, Some(30)],
        [Some(107), Some(80), Some(187), Some(7), None, Some(30)],
    );
    // Which of the two it holds, or what else, is not known.
    same([Some(100), Some(50), Some(180), Some(30), None, Some(30)]);
    same([Some(100), Some(50), Some(151), Some(30), None, Some(10)]);
    same([Some(100), Some(50), Some(150), Some(0), Some(0), Some(0)]);
}

#[test]
fn two_models_that_stream_at_once_are_kept_apart() {
    let usage = |tokens| EventKind::LlmEnd(Box::new(LlmEnd::new().usage(TokenUsage::new(10, tokens))));
    let spans = spans([
        event(0, 0, 0, run_start("{}")),
        event(100, 1, 0, llm("slow")),
        event(200, 2, 0, llm("fast")),
        event(300, 2, 0, token("f1 ")),
        event(400, 1, 0, token("s1 ")),
        event(500, 2, 0, token("f2 ")),
        event(600, 2, 0, token("f3 ")),
        event(900, 1, 0, token("s2")),
        event(1_200, 2, 0, usage(30)),
        event(2_100, 1, 0, llm_end()),
    ]);
    let seen: Vec<_> = spans
        .iter()
        .map(|span| {
            let stream = span.streaming.unwrap();
            let text = span.output.as_ref().unwrap().text().into_owned();
            let first = (stream.time_to_first_token.unwrap().as_millis(), millis(stream.first_token));
            let gap = stream.time_per_token().unwrap().as_millis();
            (&*span.head.name, text, stream.tokens, first, gap, span.tokens_per_second())
        })
        .collect();
    assert_eq!(
        seen,
        [
            // Thirty tokens in a second, as the provider counts them; two in two seconds, as they came.
            ("fast", "f1 f2 f3 ".to_owned(), 3, (100, 300), 150, Some(30.0)),
            ("slow", "s1 s2".to_owned(), 2, (300, 400), 500, Some(1.0)),
        ]
    );
}
