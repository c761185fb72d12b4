//! What is taken out, and what is left alone.
//! Rule: whatever is done to JSON, it is JSON afterwards.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};

use super::*;
use crate::event_text::ToolInput;

fn check(value: &str, json: &str, expected: &str) {
    let redactor = Redactor::new([("KEY", value)]);
    let clean = redactor.json(json);
    assert_eq!(clean, expected);
    serde_json::from_str::<serde_json::Value>(&clean).expect("what was JSON stays JSON");
}

#[test]
fn a_secret_is_found_in_every_spelling_of_json() {
    check("s\"cret/ü", r#"{"a":"x s\"cret/ü y"}"#, r#"{"a":"x [KEY_REDACTED] y"}"#);
    check("s\"cret/ü", r#"{"a":"s\"cret/\u00fc"}"#, r#"{"a":"[KEY_REDACTED]"}"#);
    check("a/b/cdef", r#"["a\/b\/cdef"]"#, r#"["[KEY_REDACTED]"]"#);
}

#[test]
fn a_secret_is_found_in_what_python_shows_of_a_dict() {
    let redactor = Redactor::new([("KEY", "s\"cr\\et'ü\n")]);
    let shown = r#"{'a': 's"cr\\et\'ü\n', "b": "s\"cr\\et'ü\n"}"#;
    assert_eq!(redactor.text(shown), r#"{'a': '[KEY_REDACTED]', "b": "[KEY_REDACTED]"}"#);
    let within = serde_json::to_string(shown).unwrap();
    assert_eq!(redactor.json(&within), r#""{'a': '[KEY_REDACTED]', \"b\": \"[KEY_REDACTED]\"}""#);
    check("a\"b\\cde", r#"{"a":"'a\"b\\\\cde'"}"#, r#"{"a":"'[KEY_REDACTED]'"}"#);
}

#[test]
fn white_space_around_a_value_does_not_hide_it() {
    let redactor = Redactor::new([("KEY", "sk-verysecret-1\n")]);
    assert_eq!(redactor.text("it is sk-verysecret-1."), "it is [KEY_REDACTED].");
    assert_eq!(Redactor::new([("KEY", "  12  ")]).text("12"), "12", "still too short");
}

#[test]
fn a_part_that_is_a_secret_by_itself_is_taken_out_alone() {
    let headers = Redactor::new([("HEADERS", "authorization=Bearer%20abc-123456,x-tenant=seven-7")]);
    assert_eq!(headers.text("Bearer abc-123456 for seven-7"), "[HEADERS_REDACTED] for seven-7");
    assert_eq!(headers.text("abc-123456"), "[HEADERS_REDACTED]");
    let address = Redactor::new([("DSN", "https://0123456789abcdef@host/1")]);
    assert_eq!(address.text("https://0123456789abcdef@host/1"), "[DSN_REDACTED]");
    assert_eq!(address.text("key 0123456789abcdef at host"), "key [DSN_REDACTED] at host");
}

#[test]
fn an_escape_that_looks_like_a_secret_is_left_alone() {
    check("nabcdef", r#"{"a":"\nabcdef"}"#, r#"{"a":"\nabcdef"}"#);
    check("nabcdef", r#"{"a":"\\nabcdef"}"#, r#"{"a":"\\[KEY_REDACTED]"}"#);
}

#[test]
fn a_secret_that_is_a_number_becomes_a_string() {
    check("123456", r#"{"a":-1234567.5,"b":"x123456"}"#, r#"{"a":"[KEY_REDACTED]","b":"x[KEY_REDACTED]"}"#);
    check("123456", "123456", r#""[KEY_REDACTED]""#);
}

#[test]
fn a_secret_never_matches_across_the_syntax_of_json() {
    check(r#"a":"bcd"#, r#"{"a":"bcd"}"#, r#"{"a":"bcd"}"#);
}

#[test]
fn what_an_event_has_besides_its_texts_is_clean_too() {
    let redactor = Redactor::new([("KEY", "abcdef")]);
    let error = ErrorText::new("abcdef").error_type("abcdef").traceback("in abcdef");
    let input = ToolInput::new("abcdef").arguments(&["abcdef"]);
    let mut events = [
        EventKind::LlmError { error: error.clone() },
        EventKind::ToolError { tool_name: "t".into(), error },
        EventKind::ToolStart { tool_name: "t".into(), input },
    ];
    for event in &mut events {
        redactor.event(event);
        let said = format!("{event:?}");
        assert!(said.contains("[KEY_REDACTED]") && !said.contains("abcdef"), "{said}");
    }
}

#[test]
fn the_longer_of_two_secrets_wins() {
    let redactor = Redactor::new([("SHORT", "abcdef"), ("LONG", "abcdefgh")]);
    assert_eq!(redactor.text("abcdefgh abcdef"), "[LONG_REDACTED] [SHORT_REDACTED]");
}

#[test]
fn names_of_tools_and_models_are_texts_like_any_other() {
    let redactor = Redactor::new([("KEY", "sk-12345")]);
    let mut tool = EventKind::ToolEnd { tool_name: "call sk-12345".into(), output: String::new() };
    redactor.event(&mut tool);
    assert!(matches!(&tool, EventKind::ToolEnd { tool_name, .. } if &**tool_name == "call [KEY_REDACTED]"));
    let mut model = EventKind::LlmStart(Box::new(crate::event::LlmStart::new("sk-12345")));
    redactor.event(&mut model);
    assert!(matches!(&model, EventKind::LlmStart(start) if start.model.as_deref() == Some("[KEY_REDACTED]")));
}

#[test]
fn short_values_are_left_alone() {
    assert_eq!(Redactor::new([("MODE", "prod1")]).text("prod1"), "prod1");
}

#[test]
fn the_spellings_of_other_writers_of_json_are_found() {
    let secret = "a<b>&'c/\"d\\é😀+`";
    // PHP, with all of its flags; .NET; Go; Gson; and one that nobody would write.
    for spelt in [
        r"a\u003Cb\u003E\u0026\u0027c\/\u0022d\\\u00e9\ud83d\ude00+`",
        r"a\u003Cb\u003E\u0026\u0027c/\u0022d\\\u00E9\uD83D\uDE00\u002B\u0060",
        r#"a\u003cb\u003e\u0026'c/\"d\\é😀+`"#,
        r#"a\u003cb\u003e\u0026\u0027c/\"d\\\u00e9\uD83d\ude00+`"#,
        r"\u0061<b>&'\u0063\u002f\u0022\u0064\u005C\u00e9😀\u002b`",
    ] {
        check(secret, &format!(r#"{{"a":"x{spelt}y"}}"#), r#"{"a":"x[KEY_REDACTED]y"}"#);
        let redactor = Redactor::new([("KEY", secret)]);
        assert_eq!(redactor.text(&format!("x{spelt}y")), "x[KEY_REDACTED]y");
        let twice = serde_json::to_string(&format!(r#"{{"a":"x{spelt}y"}}"#)).unwrap();
        check(secret, &twice, r#""{\"a\":\"x[KEY_REDACTED]y\"}""#);
    }
}

#[test]
fn half_a_pair_and_what_is_no_escape_hide_nothing() {
    let redactor = Redactor::new([("KEY", "abcdef")]);
    for around in
        [r"\ud83d", r"\ude00", r"\ud83d\u0041", r"\x", r"\u12", r"\u12g4", r"\ud83d\u00", "\\", "ü\\"]
    {
        let text = format!("{around} abcdef{around}");
        assert_eq!(redactor.text(&text), format!("{around} [KEY_REDACTED]{around}"));
        let json = serde_json::to_string(&text).unwrap();
        assert_eq!(redactor.json(&json), json.replace("abcdef", "[KEY_REDACTED]"));
    }
    assert_eq!(redactor.json(r#"{"a":"\ud83dabcdef"}"#), r#"{"a":"\ud83d[KEY_REDACTED]"}"#);
    assert_eq!(redactor.json(r#"{"abcdef":"abcdef"#), r#"{"[KEY_REDACTED]":"[KEY_REDACTED]"#, "cut off");
}

#[test]
fn of_a_text_that_is_cut_anywhere_nothing_of_a_secret_is_left() {
    let redactor = Redactor::new([("API_KEY", "s\u{fc}/\"3cret-0123")]);
    for spelt in ["s\u{fc}/\"3cret-0123", r#"s\u00fc\/\"3cret-0123"#, r"s\\u00fc/\\\u00223cret-0123"] {
        let text = format!("a {spelt} b {spelt} c");
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            let (clean, taken) = redactor.cut_text(&text[..end]);
            let whole = redactor.text(&text[..taken]);
            assert_eq!(clean, whole, "at {end}");
            let rest = clean.replace("[API_KEY_REDACTED]", "").replace(['a', 'b', 'c', ' '], "");
            assert_eq!(rest, "", "at {end}");
        }
    }
}

/// The character as JSON may spell it, by choice.
fn spell(character: char, choice: u8, json: &mut String) {
    match (choice % 4, character) {
        (0, character) if !matches!(character, '"' | '\\' | '\0'..='\u{1f}') => json.push(character),
        (1, '"' | '\\' | '/') => json.extend(['\\', character]),
        (choice, character) => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let spelt = if choice == 2 { format!("{unit:04X}") } else { format!("{unit:04x}") };
                write!(json, "\\u{spelt}").unwrap();
            }
        }
    }
}

fn spelt(text: &str, choices: &[u8]) -> String {
    let mut json = String::new();
    text.chars()
        .zip(choices.iter().cycle())
        .for_each(|(character, choice)| spell(character, *choice, &mut json));
    json
}

proptest! {
    #[test]
    fn however_it_is_spelt_in_json_and_in_text_within_json_the_secret_is_taken_out(
        secret in "[a-c/\"\\\\&<é😀\n]{6,12}",
        before in "[x\"]{0,3}",
        once in prop::collection::vec(any::<u8>(), 1..20),
        twice in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let redactor = Redactor::new([("KEY", &secret)]);
        let clean_inner = format!("\"{}[KEY_REDACTED]\"", spelt(&before, &once));
        let inner = format!("\"{}\"", spelt(&format!("{before}{secret}"), &once));
        prop_assume!(format!("{before}{secret}").find(&secret) == Some(before.len()));
        prop_assert_eq!(redactor.json(&inner), clean_inner.as_str());
        let outer = format!("[\"{}\"]", spelt(&inner, &twice));
        let clean: [String; 1] = serde_json::from_str(&redactor.json(&outer)).unwrap();
        prop_assert_eq!(&clean[0], &clean_inner);
    }
}

/// How much processor time it takes, whatever else the machine does, to clean `length` bytes in which everything looks a little like a secret.
fn time_of(length: usize) -> Duration {
    let redactor = Redactor::new([("KEY", "123456"), ("OTHER", "aaaaab")]);
    let json = format!("[{}\"{}\"]", "123456,\"\\\\\",".repeat(length / 24), r"\u0061a".repeat(length / 14));
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("it begins at zero");
    let started = now();
    assert!(redactor.json(&json).contains("[KEY_REDACTED]"));
    now().saturating_sub(started)
}

#[test]
fn the_time_that_json_takes_grows_with_its_length_alone() {
    const FACTOR: u32 = 16;
    // Quadratic growth would be 256 times as long.
    let short = (0..5).map(|_| time_of(20_000)).min().unwrap();
    let long = (0..3).map(|_| time_of(20_000 * FACTOR as usize)).min().unwrap();
    assert!(long < short * FACTOR * 5, "{short:?} for the short one, {long:?} for the long one");
}
