//! Why models ended, found in answers of every shape.

use super::script::*;
use crate::event::{EventKind, LlmEnd};
use crate::trace::finish_reason::finish_reasons;
use crate::trace::{Content, FinishedSpan};

#[track_caller]
fn check(output: &str, expected: &[&str]) {
    let found = finish_reasons(&json(output));
    assert_eq!(found.iter().map(|reason| &**reason).collect::<Vec<_>>(), expected, "{output}");
}

fn answered(output: &str) -> EventKind {
    let mut end = LlmEnd::new();
    end.output = Some(json(output));
    EventKind::LlmEnd(Box::new(end))
}

fn span(trace: &mut crate::trace::TraceAssembler, output: &str) -> FinishedSpan {
    let events =
        [event(0, 0, 0, run_start("{}")), event(1, 1, 0, llm("m")), event(2, 1, 0, answered(output))];
    feed(trace, events).remove(0)
}

#[test]
fn the_answers_of_each_provider_say_why_they_ended() {
    for (output, expected) in [
        (r#"{"role":"assistant","content":"hi","finish_reason":"stop"}"#, "stop"),
        (r#"{"choices":[{"finish_reason":"length","message":{"content":"hi"}}]}"#, "length"),
        (
            r#"{"role":"assistant","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn"}"#,
            "end_turn",
        ),
        (r#"{"candidates":[{"content":{},"finishReason":"MAX_TOKENS"}]}"#, "MAX_TOKENS"),
        (r#"{"output":{"message":{"role":"assistant"}},"stopReason":"tool_use"}"#, "tool_use"),
        (
            r#"{"type":"ai","content":"hi","response_metadata":{"finish_reason":"content_filter"}}"#,
            "content_filter",
        ),
        (r#"{"type":"ai","content":"hi","response_metadata":{"done_reason":"load"}}"#, "load"),
        (r#"{"generations":[[{"text":"hi","generation_info":{"finish_reason":"stop"}}]]}"#, "stop"),
        (r#"{"generations":[[{"message":{"response_metadata":{"stop_reason":"refusal"}}}]]}"#, "refusal"),
        (r#"{"messages":[{"role":"assistant","finish_reason":"function_call"}]}"#, "function_call"),
        (r#"{"output":[{"finish_reason":"stop"}]}"#, "stop"),
    ] {
        check(output, &[expected]);
    }
}

#[test]
fn there_is_one_for_each_answer_and_one_only() {
    check(r#"{"choices":[{"finish_reason":"stop"},{"finish_reason":"length"},{}]}"#, &["stop", "length"]);
    check(
        r#"{"finish_reason":"stop","message":{"finish_reason":"stop","response_metadata":{"finish_reason":"stop"}}}"#,
        &["stop"],
    );
    let many = format!("[{}]", vec![r#"{"finish_reason":"stop"}"#; 1000].join(","));
    check(&many, &["stop"; 128]);
}

#[test]
fn what_is_no_word_is_no_reason() {
    for output in [
        r#""stop""#,
        "null",
        r#"{"finish_reason":null}"#,
        r#"{"finish_reason":""}"#,
        r#"{"finish_reason":7}"#,
        r#"{"finish_reason":["stop"]}"#,
        r#"{"finish_reason":"the patient said so"}"#,
        r#"{"finish_reason":"na\u00efve"}"#,
        r#"{"finish_reason":"\ud800"}"#,
        r#"{"content":{"finish_reason":"stop"}}"#,
        r#"{"tool_calls":[{"args":{"finish_reason":"stop"}}]}"#,
    ] {
        check(output, &[]);
    }
    let word = |length: usize| format!(r#"{{"finish_reason":"{}"}}"#, "x".repeat(length));
    check(&word(64), &[&*"x".repeat(64)]);
    check(&word(65), &[]);
    check(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), &[]);
}

#[test]
fn a_reason_is_kept_where_the_answer_is_cut_or_withheld() {
    let output = r#"{"content":"a secret","finish_reason":"stop"}"#;
    let mut cut = span(&mut assembler_with(|limits| limits.content_bytes = 9), output);
    assert!(cut.output.as_ref().is_some_and(Content::is_truncated));
    assert_eq!(cut.finish_reasons, ["stop".into()]);
    cut.withhold_content();
    assert!(cut.output.is_none());
    assert_eq!(cut.finish_reasons, ["stop".into()]);
}

#[test]
fn a_word_that_no_provider_says_is_withheld_with_the_content() {
    let output = r#"[{"finish_reason":"MAX_TOKENS"},{"stop_reason":"diabetes"},{"stop_reason":"end_turn"}]"#;
    let mut span = span(&mut assembler(), output);
    assert_eq!(span.finish_reasons, ["MAX_TOKENS".into(), "diabetes".into(), "end_turn".into()]);
    span.withhold_content();
    assert_eq!(span.finish_reasons, ["MAX_TOKENS".into(), "end_turn".into()]);
}
