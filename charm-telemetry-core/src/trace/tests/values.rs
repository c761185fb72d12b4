//! Small things: contents, classes of errors, sampling.

use crate::RunId;
use crate::trace::error_type::error_type;
use crate::trace::{Content, Sampler, TraceId};

use super::script::json;

#[test]
fn the_class_of_an_error_is_found_in_its_text_or_not_at_all() {
    for (text, expected) in [
        ("ValueError: no such city", Some("ValueError")),
        ("ValueError('no such city')", Some("ValueError")),
        ("builtins.ValueError: x", Some("builtins.ValueError")),
        ("requests.exceptions.Timeout: read", Some("requests.exceptions.Timeout")),
        ("KeyboardInterrupt", Some("KeyboardInterrupt")),
        ("  TypeError: x", Some("TypeError")),
        ("Traceback (most recent call last):\n  File \"a\"\nValueError: x\n", Some("ValueError")),
        ("TypeError: x\n    at main.js:3", Some("TypeError")),
        ("no such city", None),
        ("Error code: 404", None),
        ("Agent Execution Failed: ValueError: x", None),
        ("Oslo: no such city", None),
        ("errors: many", None),
        ("", None),
        ("Traceback ", None),
    ] {
        assert_eq!(error_type(text), expected, "{text}");
    }
}

#[test]
fn contents_show_as_text_and_as_json() {
    let cases = [
        (Content::from_json(&json(r#""a\nb""#)), "a\nb", r#""a\nb""#),
        (Content::from_json(&json(r#"{"a": 1}"#)), r#"{"a": 1}"#, r#"{"a": 1}"#),
        (Content::from_json(&json("12")), "12", "12"),
        (Content::from_text("say \"hi\""), "say \"hi\"", r#""say \"hi\"""#),
        (Content::from_json(&json(r#""\ud800""#)), r#""\ud800""#, r#""\ud800""#),
    ];
    for (content, text, json) in cases {
        assert_eq!((&*content.text(), &*content.json_text()), (text, json));
        assert_eq!(serde_json::to_string(&content).unwrap(), json);
    }
}

#[test]
fn a_sampler_keeps_its_share_and_a_higher_rate_keeps_the_same_traces_and_more() {
    let ids: Vec<_> = (0..20_000).map(|_| TraceId::of_run(RunId::new())).collect();
    let kept = |rate: f64| {
        let sampler = Sampler::new(rate).unwrap();
        ids.iter().filter(|id| sampler.keeps(**id)).copied().collect::<Vec<_>>()
    };
    let (few, more) = (kept(0.1), kept(0.5));
    assert!((1_700..2_300).contains(&few.len()), "{}", few.len());
    assert!((9_500..10_500).contains(&more.len()), "{}", more.len());
    assert!(few.iter().all(|id| more.contains(id)));
    assert_eq!((kept(0.0).len(), kept(1.0).len()), (0, ids.len()));
}

#[test]
fn a_trace_has_the_same_answer_in_every_release() {
    let id = |number: u128| TraceId::from_bytes(number.to_be_bytes()).unwrap();
    let half = Sampler::new(0.5).unwrap();
    let answers: Vec<_> = (1..=16).map(|number| u8::from(half.keeps(id(number)))).collect();
    assert_eq!(answers, [1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
}
