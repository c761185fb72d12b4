//! Tracebacks as Python and Node write them, and what becomes of them.
//!
//! Rule: what is true of a traceback was taken from the live objects, by `tests/data/tracebacks/make.py` and `make.mjs`.

use std::time::{Duration, Instant};

use charm_telemetry_core::trace::SpanStatus;
use serde_json::{Value, json};

use super::payloads::envelope_of;
use super::script::{failure, profile};
use super::strict::Envelope;
use crate::encode::MAX_ITEM_BYTES;
use crate::event::event_item;
use crate::rate_limits::Category;
use crate::traceback::{Frame, Language, Traceback};

const PYTHONS: [&str; 5] = ["3.9", "3.10", "3.11", "3.12", "3.13"];

fn captured(name: &str) -> Value {
    let file = format!("{}/tests/data/tracebacks/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// A traceback of one Python.
pub(super) fn told(version: &str, case: &str) -> String {
    captured(&format!("python-{version}"))[case]["text"].as_str().unwrap().to_owned()
}

/// What was read, in the words of the files.
fn as_truth(traceback: &Traceback<'_>) -> Value {
    let told = |frame: &Frame<'_>| match traceback.language {
        Language::Python => json!({
            "path": frame.file, "line": frame.line, "function": frame.function, "source": frame.source,
        }),
        Language::Node => json!({ "path": frame.file, "line": frame.line, "column": frame.column }),
    };
    let frame = |frame: &Frame<'_>| std::iter::repeat_n(told(frame), frame.times as usize);
    let raised = traceback.raised.iter().map(|raised| {
        json!({
            "class": raised.class,
            "text": raised.text,
            "frames": raised.frames.iter().flat_map(frame).collect::<Vec<_>>(),
            "parent": raised.parent.map(|(parent, _)| parent),
            "link": raised.parent.map(|(_, link)| link.source()),
        })
    });
    raised.collect()
}

/// The item of the event of a tool that failed so.
pub(super) fn item(class: &str, message: &str, traceback: &str) -> Vec<u8> {
    let mut spans = failure(message, false);
    let SpanStatus::Error(error) = &mut spans[0].status else { panic!("it failed") };
    (error.error_type, error.traceback) = (Some(class.to_owned()), Some(traceback.to_owned()));
    event_item(&spans[0], spans[0].error().unwrap(), &profile()).unwrap()
}

fn event(class: &str, message: &str, traceback: &str) -> Value {
    let item = item(class, message, traceback);
    assert!(item.len() <= MAX_ITEM_BYTES, "{}", item.len());
    Envelope::read(&envelope_of(Category::Error, &[item])).unwrap().items[0].1.clone()
}

fn frames(event: &Value) -> &Vec<Value> {
    let values = event["exception"]["values"].as_array().unwrap();
    values.last().unwrap()["stacktrace"]["frames"].as_array().unwrap()
}

#[test]
fn what_each_python_writes_is_read_as_what_was_raised() {
    for version in PYTHONS {
        let cases = captured(&format!("python-{version}"));
        for (name, case) in cases.as_object().unwrap() {
            let text = case["text"].as_str().unwrap();
            let traceback = Traceback::read(text).unwrap_or_else(|| panic!("{version} {name}: none"));
            let mut truth = case["raised"].clone();
            for raised in truth.as_array_mut().unwrap() {
                // The empty lines at the end of a text.
                raised["text"] = raised["text"].as_str().unwrap().trim_end().into();
            }
            assert_eq!(traceback.language, Language::Python);
            assert_eq!(as_truth(&traceback), truth, "{version} {name}: {text}");
        }
        let count = cases.as_object().unwrap().len();
        assert!(count >= 18, "{version}: {count} cases");
    }
}

#[test]
fn what_node_writes_is_read_as_what_was_raised() {
    let cases = captured("node");
    for (name, case) in cases.as_object().unwrap() {
        let text = case["text"].as_str().unwrap();
        let traceback = Traceback::read(text).unwrap_or_else(|| panic!("{name}: none"));
        assert_eq!(traceback.language, Language::Node);
        assert_eq!(as_truth(&traceback), case["raised"], "{name}: {text}");
    }
    assert!(cases.as_object().unwrap().len() >= 5);
}

#[test]
fn frames_are_from_the_outermost_on_with_their_files_from_the_project_or_the_library_on() {
    let event = event("ValueError", "no weather for Oslo", &told("3.12", "library"));
    assert_eq!(event["platform"], "python", "Sentry reads them as what they are");
    assert!(event.get("extra").is_none(), "the text says nothing more");
    let expected = json!([
        { "filename": "agent.py", "abs_path": "/app/agent.py", "function": "library", "lineno": 47,
          "context_line": "toolkit.tools.call(look_up, \"Oslo\")", "in_app": true },
        { "filename": "toolkit/tools.py", "abs_path": "/app/venv/lib/python3/site-packages/toolkit/tools.py",
          "function": "call", "module": "toolkit.tools", "lineno": 2, "context_line": "return function(argument)",
          "in_app": false },
        { "filename": "agent.py", "abs_path": "/app/agent.py", "function": "look_up", "lineno": 15,
          "context_line": "raise ValueError(\"no weather for \" + place)", "in_app": true },
    ]);
    assert_eq!(event["exception"]["values"][0]["stacktrace"]["frames"], expected);
    assert!(event["exception"]["values"][0]["mechanism"].get("exception_id").is_none(), "there is but one");
}

#[test]
fn what_led_to_a_failure_stands_before_it_and_says_to_what_it_led() {
    let event = event("RuntimeError", "no answer", &told("3.13", "chained"));
    let values = event["exception"]["values"].as_array().unwrap();
    let said: Vec<_> = values.iter().map(|one| (&one["type"], &one["value"], &one["mechanism"])).collect();
    let cause = json!({ "type": "chained", "handled": true, "source": "__cause__", "exception_id": 2, "parent_id": 1 });
    let context = json!({ "type": "chained", "handled": true, "source": "__context__", "exception_id": 1, "parent_id": 0 });
    let failed = json!({ "type": "charm", "handled": true, "exception_id": 0 });
    let expected = [
        (&json!("ValueError"), &json!("no weather for Paris"), &cause),
        (&json!("KeyError"), &json!("'Paris'"), &context),
        (&json!("RuntimeError"), &json!("no answer"), &failed),
    ];
    assert_eq!(said, expected);
    assert_eq!(values[0]["stacktrace"]["frames"].as_array().unwrap().len(), 4, "each has its own frames");
}

#[test]
fn the_members_of_a_group_are_there_each_with_its_group() {
    let event = event("RuntimeError", "after", &told("3.11", "groups"));
    let values = event["exception"]["values"].as_array().unwrap();
    let groups: Vec<_> = values
        .iter()
        .filter(|one| one["mechanism"]["is_exception_group"] == true)
        .map(|one| &one["value"])
        .collect();
    assert_eq!(groups, ["two (2 sub-exceptions)", "outer (3 sub-exceptions)\na note"]);
    for one in values {
        let parent = &one["mechanism"]["parent_id"];
        let known = values.iter().any(|other| other["mechanism"]["exception_id"] == *parent);
        assert!(known || one["type"] == "RuntimeError" && one["value"] == "after", "{one:#}");
    }
    assert_eq!(values.last().unwrap()["mechanism"]["type"], "charm");
}

#[test]
fn what_was_told_of_a_failure_counts_and_the_traceback_adds_module_and_notes() {
    let notes = event("ValueError", "no weather for Paris", &told("3.13", "notes"));
    assert_eq!(notes["exception"]["values"][0]["value"], "no weather for Paris\nasked by: x\ntwo\nlines");
    let told_otherwise = event("RuntimeError", "Agent Execution Failed: no", &told("3.13", "chained"));
    assert_eq!(told_otherwise["exception"]["values"][2]["value"], "Agent Execution Failed: no");
    let class = event("JSONDecodeError", "Expecting", &told("3.10", "standard"));
    let exception = &class["exception"]["values"][0];
    assert_eq!(
        (&exception["module"], &exception["type"]),
        (&json!("json.decoder"), &json!("JSONDecodeError"))
    );
    let standard = &frames(&class)[1];
    assert_eq!((&standard["module"], &standard["in_app"]), (&json!("json"), &json!(false)));
}

#[test]
fn a_text_that_is_a_traceback_is_read_as_one() {
    let spans = failure(&told("3.12", "many_lines"), false);
    let item = event_item(&spans[0], spans[0].error().unwrap(), &profile()).unwrap();
    let event = &Envelope::read(&envelope_of(Category::Error, &[item])).unwrap().items[0].1;
    let exception = &event["exception"]["values"][0];
    assert_eq!((&exception["type"], frames(event).len()), (&json!("ValueError"), 1));
    assert_eq!(exception["value"], "one\n  File \"x\" is none\n\n    two\nthree: \u{2614}");
}

#[test]
fn a_recursion_has_the_calls_that_sentry_keeps_the_outermost_and_the_innermost() {
    let text = told("3.12", "recursion");
    let few = event("RecursionError", "deep", &text);
    assert_eq!(frames(&few).len(), 31, "as many as there were");
    let many = event("RecursionError", "deep", &text.replace("repeated 27 more", "repeated 4000000000 more"));
    assert_eq!(frames(&many).len(), 250);
    assert_eq!(frames(&many)[249]["lineno"], 31, "where it was raised");
    assert_eq!(frames(&many)[0]["lineno"], 32);
    let block = text.replace("repeated 27 more", "repeated 990 more");
    let link = "\nDuring handling of the above exception, another exception occurred:\n\n";
    let chain = event("RecursionError", "deep", &vec![block.as_str(); 60].join(link));
    let values = chain["exception"]["values"].as_array().unwrap();
    assert_eq!(values.len(), 50, "those raised last");
    assert!(
        values.iter().all(|one| !one["stacktrace"]["frames"].as_array().unwrap().is_empty()),
        "with fewer frames"
    );
}

#[test]
fn a_traceback_whose_beginning_is_missing_has_what_is_left() {
    let text = told("3.13", "chained");
    let whole = Traceback::read(&text).unwrap();
    for start in text.char_indices().map(|(start, _)| start).filter(|start| *start < text.len() - 120) {
        let Some(rest) = Traceback::read(&text[start..]) else { panic!("{}", &text[start..]) };
        let (last, of_whole) = (&rest.raised[0], &whole.raised[0]);
        assert_eq!((last.class, &last.text), (of_whole.class, &of_whole.text), "{}", &text[start..]);
        let known = whole.raised.iter().flat_map(|raised| &raised.frames).collect::<Vec<_>>();
        let cut = rest.raised.iter().flat_map(|raised| &raised.frames).find(|frame| !known.contains(frame));
        assert_eq!(cut, None, "nothing is made up");
    }
}

#[test]
fn what_is_no_traceback_stays_a_text() {
    let garbage = [
        "",
        "Traceback ...",
        "Traceback (most recent call last):\n  nothing\nValueError: x",
        "it is at noon (in the room: 3)",
        "  File \"x\", line three, in y",
        "  + Exception Group Traceback (most recent call last):\n  | nothing\n  +-+---- 1 ----\n    +----",
        "\u{2614}\u{2614}\n\n\n  | \n +-+-\n\0",
    ];
    for text in garbage {
        assert!(Traceback::read(text).is_none(), "{text}");
    }
    let event = event("ValueError", "x", garbage[2]);
    assert_eq!((&event["extra"]["traceback"], &event["platform"]), (&json!(garbage[2]), &json!("other")));
    assert!(event["exception"]["values"][0].get("stacktrace").is_none());
}

#[test]
fn code_of_the_agent_is_told_from_code_of_others_wherever_python_is() {
    let files = [
        ("/srv/bot/agent.py", "agent.py", true),
        ("/srv/bot/tools/library/python3.py", "tools/library/python3.py", true),
        ("/srv/bot/.venv/lib/python3.12/site-packages/a/b.py", "a/b.py", false),
        ("/usr/lib/python3/dist-packages/c/__init__.py", "c/__init__.py", false),
        ("/home/x/.pyenv/versions/3.12.1/lib/python3.12/json/decoder.py", "json/decoder.py", false),
        ("/usr/lib64/python3.9/asyncio/base_events.py", "asyncio/base_events.py", false),
        ("C:\\Python312\\Lib\\json\\decoder.py", "json\\decoder.py", false),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>", false),
        ("<string>", "<string>", false),
    ];
    let frame = |(file, ..): &(&str, &str, bool)| format!("  File \"{file}\", line 1, in f\n");
    let text: String = files.iter().map(frame).collect();
    let event = event("E", "x", &format!("Traceback (most recent call last):\n{text}E: x\n"));
    for (frame, (file, name, in_app)) in frames(&event).iter().zip(files) {
        assert_eq!((&frame["filename"], &frame["in_app"]), (&json!(name), &json!(in_app)), "{file}");
        assert_eq!(frame["abs_path"], file);
    }
    let modules: Vec<_> = frames(&event).iter().filter_map(|frame| frame["module"].as_str()).collect();
    assert_eq!(modules, ["a.b", "c", "json.decoder", "asyncio.base_events", "json.decoder"]);
    let nowhere = "Traceback (most recent call last):\n  File \"\", line 1, in f\nE: x\n";
    assert!(Traceback::read(nowhere).is_none(), "a place has a name");
}

#[test]
fn long_names_and_lines_are_cut_before_sentry_cuts_them() {
    let long = "\u{2614}".repeat(2000);
    let text = format!(
        "Traceback (most recent call last):\n  File \"/{long}.py\", line 1, in {long}\n    {long}\nE: x\n"
    );
    let event = event("E", "x", &text);
    let frame = &frames(&event)[0];
    for (name, most) in [("filename", 512), ("abs_path", 512), ("function", 512), ("context_line", 1024)] {
        let cut = frame[name].as_str().unwrap();
        assert!(cut.len() <= most && cut.ends_with("...[cut]"), "{name}: {}", cut.len());
    }
}

#[test]
fn a_stack_of_node_is_turned_round_and_says_which_code_is_the_agent_s() {
    let text = "TypeError [ERR_INVALID_ARG_TYPE]: The \"path\" argument\n    at Object.readFileSync (node:fs:452:35)\n    \
                at C:\\app\\node_modules\\lib\\index.js:1:2\n    at async answer (file:///app/agent.mjs:3:9) {\n  code: 'X'\n}";
    let event = event("TypeError", "The \"path\" argument", text);
    assert_eq!(event["platform"], "node");
    let exception = &event["exception"]["values"][0];
    assert_eq!(
        (&exception["type"], &exception["value"]),
        (&json!("TypeError"), &json!("The \"path\" argument"))
    );
    let expected = json!([
        { "filename": "agent.mjs", "abs_path": "/app/agent.mjs", "function": "answer", "lineno": 3, "colno": 9,
          "in_app": true },
        { "filename": "lib\\index.js", "abs_path": "C:\\app\\node_modules\\lib\\index.js", "lineno": 1, "colno": 2,
          "in_app": false },
        { "filename": "node:fs", "abs_path": "node:fs", "function": "Object.readFileSync", "lineno": 452, "colno": 35,
          "in_app": false },
    ]);
    assert_eq!(exception["stacktrace"]["frames"], expected);
}

#[test]
fn the_time_to_read_a_long_text_is_no_square_of_its_length() {
    // Each is hard for a reader that looks back or ahead too far.
    let hard: [fn(usize) -> String; 6] = [
        |n| "\n".repeat(n),
        |n| "  File \"x\", line 1, in f\n".repeat(n / 26),
        |n| "\nThe above exception was the direct cause of the following exception:\n\n".repeat(n / 74),
        |n| {
            format!(
                "  + Exception Group Traceback (most recent call last):\n{}",
                "  +-+--- 1 ---\n".repeat(n / 15)
            )
        },
        |n| (0..).map(|depth| format!("{}+-+-1\n", " ".repeat(depth))).take((2 * n).isqrt()).collect(),
        |n| "\", line ".repeat(n / 8),
    ];
    // A second at most, on a machine that is not busy; minutes, if the time grew with the square.
    for (number, make) in hard.iter().enumerate() {
        let (text, start) = (make(256 * 1024), Instant::now());
        drop(Traceback::read(&text));
        assert!(start.elapsed() < Duration::from_secs(20), "{number}: {:?}", start.elapsed());
    }
}
