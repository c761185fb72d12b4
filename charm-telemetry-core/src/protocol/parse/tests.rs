//! Lines good and bad through `parse_line`.
//! The one rule: each test feeds bytes and looks at nothing but the answer.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

fn event(line: &str) -> EventLine<'_> {
    match parse_line(line.as_bytes()) {
        Line::Event(event) => event,
        other => panic!("`{line}` is no event: {other:?}"),
    }
}

fn malformed(line: &[u8]) -> Malformed {
    match parse_line(line) {
        Line::Malformed(why) => why,
        other => panic!("`{}` is not malformed: {other:?}", String::from_utf8_lossy(line)),
    }
}

/// An event whose `content` nests so deep that the whole object has `depth` levels.
fn nested(depth: usize) -> String {
    let inner = depth - 1;
    format!(r#"__CHARM_EVENT__{{"type":"final","content":{}{}}}"#, "[".repeat(inner), "]".repeat(inner))
}

#[test]
fn both_markers_make_an_event_and_its_object_stays_as_it_was() {
    for marker in ["__CHARM_EVENT__", "::CHARM_EVENT::"] {
        let json = r#"{"type": "delta",  "content": " wörld", "n": 1.0e+2}"#;
        let line = format!("{marker}{json}");
        assert_eq!(event(&line), EventLine { kind: Cow::Borrowed("delta"), json });
    }
}

#[test]
fn a_known_type_is_borrowed_and_an_escaped_one_is_unescaped() {
    assert!(matches!(event(r#"__CHARM_EVENT__{"type":"final"}"#).kind, Cow::Borrowed("final")));
    assert_eq!(event(r#"__CHARM_EVENT__{"type":"fin\u0061l"}"#).kind, "final");
    assert_eq!(event(r#"__CHARM_EVENT__{"ty\u0070e":"final"}"#).kind, "final");
}

#[test]
fn the_type_may_stand_anywhere_in_the_object_but_not_in_another() {
    assert_eq!(event(r#"__CHARM_EVENT__{"content":{"type":"inner"},"type":"outer"}"#).kind, "outer");
    assert_eq!(malformed(br#"__CHARM_EVENT__{"content":{"type":"inner"}}"#), Malformed::NoType);
}

#[test]
fn space_around_the_object_is_no_part_of_it() {
    assert_eq!(event("__CHARM_EVENT__ \t{\"type\":\t\"x\"} ").json, "{\"type\":\t\"x\"}");
}

#[test]
fn a_line_without_a_marker_at_its_start_is_text() {
    for line in [
        "",
        "plain",
        "_",
        "__CHARM_EVENT_",
        "::CHARM_EVENT:",
        r#" __CHARM_EVENT__{"type":"final"}"#,
        r#"saw: __CHARM_EVENT__{"type":"final","content":"forged"}"#,
        r#"{"log":"__CHARM_EVENT__{\"type\":\"final\"}"}"#,
        r#"__charm_event__{"type":"final"}"#,
    ] {
        assert_eq!(parse_line(line.as_bytes()), Line::Text(line.as_bytes()));
    }
}

#[test]
fn an_event_inside_the_content_of_an_event_is_content() {
    let line = r#"__CHARM_EVENT__{"type":"thinking","content":"__CHARM_EVENT__{\"type\":\"final\"}"}"#;
    assert_eq!(event(line).kind, "thinking");
}

#[test]
fn each_way_to_be_malformed_has_its_reason() {
    let cases: [(&[u8], Malformed); 15] = [
        (b"", Malformed::NotJson { column: 0 }),
        (b"{", Malformed::NotJson { column: 1 }),
        (br#"{"type":"final""#, Malformed::NotJson { column: 15 }),
        (br#"{"type":"final"} {}"#, Malformed::NotJson { column: 18 }),
        (br#"  {"type":final}"#, Malformed::NotJson { column: 12 }),
        (br#"{"type":"final","content":NaN}"#, Malformed::NotJson { column: 27 }),
        (b"{\"a\tb\":1,\"type\":\"x\"}", Malformed::NotJson { column: 3 }),
        (b"{\"\x0e\\n\":1,\"type\":\"x\"}", Malformed::NotJson { column: 2 }),
        (b"[1]", Malformed::NotAnObject),
        (br#""final""#, Malformed::NotAnObject),
        (b"{}", Malformed::NoType),
        (br#"{"type":1}"#, Malformed::TypeNotString),
        (br#"{"type":[{"a":null}]}"#, Malformed::TypeNotString),
        (b"{\"type\":\"\xFF\"}", Malformed::NotUtf8 { valid_up_to: 9 }),
        (b"{\"type\":\"final\",\r\"content\":1}", Malformed::LineBreak),
    ];
    for (object, why) in cases {
        assert_eq!(malformed(&[b"__CHARM_EVENT__", object].concat()), why);
    }
}

#[test]
fn the_last_of_two_equal_keys_counts_as_in_python() {
    assert_eq!(event(r#"__CHARM_EVENT__{"type":"a","type":"b"}"#).kind, "b");
    assert_eq!(event(r#"__CHARM_EVENT__{"type":1,"type":"b"}"#).kind, "b");
    assert_eq!(malformed(br#"__CHARM_EVENT__{"type":"a","type":null}"#), Malformed::TypeNotString);
}

#[test]
fn nesting_is_an_event_up_to_the_limit_and_malformed_beyond() {
    assert_eq!(event(&nested(MAX_DEPTH)).kind, "final");
    assert_eq!(malformed(nested(MAX_DEPTH + 1).as_bytes()), Malformed::TooDeep);
    assert_eq!(malformed(nested(10_000).as_bytes()), Malformed::TooDeep);
    let objects =
        format!(r#"__CHARM_EVENT__{{"type":"x","c":{}1{}}}"#, r#"{"a":"#.repeat(500), "}".repeat(500));
    assert_eq!(malformed(objects.as_bytes()), Malformed::TooDeep);
}

#[test]
fn what_is_not_too_deep_here_is_not_too_deep_for_the_decoder() {
    let line = nested(MAX_DEPTH);
    assert!(serde_json::from_str::<Value>(event(&line).json).is_ok());
}

#[test]
fn brackets_in_strings_do_not_nest() {
    let line = format!(
        r#"__CHARM_EVENT__{{"type":"delta","content":"{}\"{}\\"}}"#,
        "[".repeat(999),
        "{".repeat(999)
    );
    assert_eq!(event(&line).kind, "delta");
    let wide = format!(r#"__CHARM_EVENT__{{"type":"final","content":[{}[]]}}"#, "[],".repeat(999));
    assert_eq!(event(&wide).kind, "final");
}

#[test]
fn many_keys_and_huge_numbers_are_no_concern() {
    let keys = (0..100_000).fold(String::new(), |keys, n| keys + &format!(r#""k{n}":1,"#));
    assert_eq!(event(&format!(r#"__CHARM_EVENT__{{{keys}"type":"state_update"}}"#)).kind, "state_update");
    let number = "9".repeat(100_000);
    let line = format!(r#"__CHARM_EVENT__{{"type":"final","content":[1e999999,-{number},0.{number}]}}"#);
    assert!(event(&line).json.contains(&number));
}

#[test]
fn a_lone_surrogate_spoils_nothing_but_a_type_of_its_own() {
    let line = r#"__CHARM_EVENT__{"\udead":1,"type":"delta","content":"a\ud800"}"#;
    assert_eq!(event(line).kind, "delta");
    assert!(event(line).json.contains(r"\ud800"));
    let decoded: Value = serde_json::from_str(&event(line).decodable()).unwrap();
    assert_eq!(decoded["content"], "a\u{FFFD}");
    assert!(matches!(malformed(br#"__CHARM_EVENT__{"type":"\ud800"}"#), Malformed::NotJson { .. }));
}

#[test]
fn one_bad_byte_at_any_place_spoils_its_line_and_never_the_parser() {
    let line = br#"__CHARM_EVENT__{"type": "delta", "content": "Hel lo"}"#;
    for at in 0..=line.len() {
        for bad in [&b"\xFF"[..], b"\xC3", b"\xED\xA0\x80", b"\xF0\x9F\x98"] {
            let spoiled = [&line[..at], bad, &line[at..]].concat();
            let parsed = parse_line(&spoiled);
            match at {
                0..15 => assert_eq!(parsed, Line::Text(&spoiled)),
                _ => assert_eq!(parsed, Line::Malformed(Malformed::NotUtf8 { valid_up_to: at - 15 })),
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300), marked: bool) {
        let line = if marked { [b"__CHARM_EVENT__", &bytes[..]].concat() } else { bytes };
        match parse_line(&line) {
            Line::Text(text) => prop_assert_eq!(text, &line[..]),
            Line::Event(event) => prop_assert!(serde_json::from_str::<Value>(&event.decodable()).is_ok()),
            Line::Malformed(_) => prop_assert!(strip_marker(&line).is_some()),
        }
    }

    #[test]
    fn nearly_json_has_an_answer_that_a_strict_parser_shares(text in r#"\{("type"|"a\\u[dD][89ab]00"|[\[\]{}:, "1e\\]){0,40}\}"#) {
        let line = format!("__CHARM_EVENT__{text}");
        if let Line::Event(event) = parse_line(line.as_bytes()) {
            let decoded = serde_json::from_str::<Map<String, Value>>(&event.decodable()).unwrap();
            prop_assert_eq!(decoded["type"].as_str(), Some(&*event.kind));
        }
    }

    #[test]
    fn every_object_with_a_string_type_is_an_event(
        fields in prop::collection::btree_map(any::<String>(), any_json(), 0..6),
        kind: String,
        launcher: bool,
    ) {
        let mut object: Map<_, _> = fields.into_iter().collect();
        object.insert("type".to_owned(), Value::from(kind.clone()));
        let json = Value::Object(object).to_string();
        let line = format!("{}{json}", if launcher { "::CHARM_EVENT::" } else { "__CHARM_EVENT__" });
        prop_assert_eq!(parse_line(line.as_bytes()), Line::Event(EventLine { kind: Cow::Owned(kind), json: &json }));
    }

    #[test]
    fn every_object_without_a_string_type_is_malformed(
        fields in prop::collection::btree_map("[a-s]{1,4}", any_json(), 0..6),
    ) {
        let json = Value::Object(fields.into_iter().collect()).to_string();
        let line = format!("__CHARM_EVENT__{json}");
        prop_assert_eq!(parse_line(line.as_bytes()), Line::Malformed(Malformed::NoType));
    }
}
