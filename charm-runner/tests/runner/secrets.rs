//! Secrets, in everything that the process writes.
//! The one rule: each secret is known to reach the place that is searched, by the name that stands there instead.

use crate::project::{Done, Project, RUNNER, Running};

/// With what JSON escapes, what it may escape, and quotes.
const NAMED: &str = "sk-ünï\"quo/ted\\42";
const IN_ENV_FILE: &str = "env-file-secret-7";
const INTERPOLATED: &str = "pa$$w0rd-with-dollars";

/// How a secret may be spelt.
fn spellings(secret: &str) -> Vec<String> {
    let once = serde_json::to_string(secret).unwrap();
    let once = once.trim_matches('"').to_owned();
    let ascii: String = once
        .chars()
        .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) })
        .collect();
    let twice = |text: &str| text.replace('\\', "\\\\");
    let mut all = vec![secret.to_owned(), once.replace('/', "\\/"), twice(&once), twice(&ascii), once, ascii];
    all.dedup();
    all
}

/// The texts of the tokens together, as a person reads them.
fn streamed(done: &Done) -> String {
    done.contents("delta").iter().filter_map(|token| token.as_str()).collect()
}

#[track_caller]
fn assert_clean(done: &Done, name: &str) {
    let all = format!("{}\n{}\n{}", done.stdout, done.stderr, streamed(done));
    for secret in [NAMED, IN_ENV_FILE, INTERPOLATED] {
        for spelling in spellings(secret) {
            assert!(!all.contains(&spelling), "{name}: `{spelling}` in {all}");
        }
    }
}

/// Says the secrets in every way there is, then does `last`.
fn blabber(last: &str) -> String {
    let agent = r#"
import json, os, sys, time
def main(input, callbacks, **rest):
    handler = callbacks[0]
    secrets = [os.environ["API_THING"], os.environ["DB_PASSWORD"], os.environ["OTHER_KEY"]]
    for secret in secrets:
        print("plain", secret)
        print("json", json.dumps(secret), json.dumps(secret, ensure_ascii=False), json.dumps({secret: [secret]}))
        print("to stderr", secret, file=sys.stderr)
        print("__CHARM_EVENT__" + json.dumps({"type": "artifact", "content": {"name": secret}}))
        print("__CHARM_EVENT__" + json.dumps({"type": "odd", "x" + secret: secret}, ensure_ascii=False))
        print("__CHARM_EVENT__" + secret)
        handler.on_tool_start({"name": "tool"}, "with " + secret)
        handler.on_tool_end("got " + secret)
        handler.on_tool_start({"name": "tool"}, secret)
        handler.on_tool_error(ValueError(secret))
        for size in (1, 2, 3, 7, 100):
            handler.on_llm_new_token("<")
            for at in range(0, len(secret), size):
                handler.on_llm_new_token(secret[at:at + size])
            handler.on_llm_new_token(">")
    LAST
"#;
    agent.replace("LAST", last)
}

fn project(last: &str) -> Project {
    let project = Project::python(&blabber(last))
        .variables(&["API_THING"])
        .env("API_THING", NAMED)
        .env("OTHER_KEY", "overridden");
    project.file(".env", &format!("DB_PASSWORD={IN_ENV_FILE}\nOTHER_KEY='{INTERPOLATED}'\n"));
    project
}

#[test]
fn nothing_that_a_run_writes_holds_a_secret_whatever_becomes_of_it() {
    for (last, status) in [
        ("return ' '.join(secrets)", 0),
        ("return {'status': 'success', 'output': {s: [s] for s in secrets}}", 0),
        (
            "return {'status': 'suspended', 'thread_id': secrets[0], 'next_step': secrets, 'charm_state': secrets}",
            0,
        ),
        ("raise ValueError(' '.join(secrets))", 0),
        ("sys.exit(' '.join(secrets))", 0),
        ("print(' '.join(secrets), end='', flush=True); os.kill(os.getpid(), 9)", 137),
    ] {
        let project = project(last);
        let done = project.run(&["--json", "{\"input\": \"x\"}", "--telemetry-report"]).assert_status(status);
        assert_clean(&done, last);
        for name in ["API_THING", "DB_PASSWORD", "OTHER_KEY"] {
            let sign = format!("[{name}_REDACTED]");
            assert!(
                done.stdout.matches(&sign).count() > 10,
                "{last}: {name} reaches stdout: {}",
                done.stdout
            );
            assert!(done.stderr.contains(&sign), "{last}: {name} reaches stderr: {}", done.stderr);
        }
    }
}

#[test]
fn a_secret_that_a_stream_cuts_is_named_once_for_each_time_it_was_said() {
    let done = project("return 'x'").run(&["--input", "x"]).assert_status(0);
    let expected: String = ["API_THING", "DB_PASSWORD", "OTHER_KEY"]
        .map(|name| format!("<[{name}_REDACTED]>").repeat(5))
        .concat();
    assert_eq!(streamed(&done), expected);
    assert!(done.contents("delta").iter().all(|token| token != ""));
}

#[test]
fn a_secret_in_the_inputs_is_taken_out_of_what_is_told_of_them() {
    let project = Project::python("def main(input):\n    raise ValueError('cannot use ' + input)\n")
        .variables(&["API_THING"])
        .env("API_THING", NAMED);
    let input = serde_json::to_string(NAMED).unwrap();
    let done = project.run(&["--json", &input]).assert_status(0);
    assert_clean(&done, "inputs");
    assert_eq!(done.content("error"), "Agent Execution Failed: cannot use [API_THING_REDACTED]");
}

#[test]
fn a_command_that_says_its_secrets_is_redacted_in_its_result_too() {
    let project = Project::shell(
        "printf '%s\\n' \"$API_THING\"; printf '%s\\n' \"$API_THING\" >&2; cat \"$CHARM_INPUT_FILE\" >&2",
    )
    .variables(&["API_THING"])
    .env("API_THING", NAMED);
    let input = serde_json::to_string(&serde_json::json!({ "k": NAMED })).unwrap();
    let done = project.run(&["--json", &input]).assert_status(0);
    assert_clean(&done, "command");
    assert_eq!(done.result()["output"], "[API_THING_REDACTED]\n");
    assert!(done.stderr.starts_with("[API_THING_REDACTED]\n"));
}

/// Says a secret across each place where something too long is cut.
const LONG_BLABBER: &str = r#"
import json, os, sys
def main(callbacks):
    for secret in (os.environ["API_THING"], json.dumps(os.environ["API_THING"])[1:-1]):
        for before in range(len(secret.encode()) + 1):
            text = "x" * (65536 - before) + secret + "y" * 70000
            for stream in (sys.stdout, sys.stderr):
                print(text, file=stream)
        print("__CHARM_EVENT__" + json.dumps({"type": "odd", "x": "x" * (1 << 20) + secret}))
        print("x" * 240 + secret + "y" * 70000)
        print("x" * 240 + secret + "y" * 70000, file=sys.stderr)
    return "told"
"#;

/// What a cut could leave of the secret: its first characters, which follow no `x` otherwise.
#[track_caller]
fn assert_no_beginning(text: &str) {
    let begun = text.find("xsk").map(|at| text[at..].chars().take(40).collect::<String>());
    assert_eq!(begun, None, "the beginning of a secret");
    assert!(!text.contains("xs...") && !text.contains("xs\\n"), "the first character of a secret");
}

#[test]
fn a_secret_that_lies_across_the_cut_of_something_too_long_is_shown_nowhere_in_part() {
    let project = Project::python(LONG_BLABBER).variables(&["API_THING"]).env("API_THING", NAMED);
    let done = project.run(&["--telemetry-report", "--fail-on-error"]).assert_status(0);
    assert_clean(&done, "a pipe");
    for text in [&done.stdout, &done.stderr] {
        assert_no_beginning(text);
        assert!(text.matches("[API_THING_REDACTED]yyy").count() == 2, "what is whole is named");
        assert!(text.matches(" bytes cut)").count() > 40, "lines are cut");
    }
    let project = project.env("NO_COLOR", "1");
    let mut command = project.program("python3");
    command.args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])", RUNNER, "run", "."]);
    let done = Running::start(&mut command).finish();
    assert_clean(&done, "a terminal");
    assert_no_beginning(&done.stdout);
    assert!(done.stdout.contains(" bytes cut)"));
}

#[test]
fn a_result_that_is_cut_within_a_secret_holds_none_of_it() {
    for before in [1, 9, 17] {
        let agent = format!(
            "head -c {} /dev/zero | tr '\\0' x; printf '%s' \"$API_THING\"; echo yyy",
            (16 << 20) - before
        );
        let project = Project::shell(&agent).variables(&["API_THING"]).env("API_THING", NAMED);
        let done = project.run(&["--json", "{}"]).assert_status(0);
        assert_clean(&done, "a result");
        assert_no_beginning(&done.stdout);
        assert_eq!(done.result()["output"].as_str().unwrap().len(), (16 << 20) - before);
    }
}

#[test]
fn a_secret_of_several_lines_is_taken_out_line_by_line() {
    let agent = "import os, sys\ndef main():\n    key = os.environ['PRIVATE_KEY']\n    print(key)\n\
                 \x20   print(key, file=sys.stderr)\n    raise ValueError(key)\n";
    let project = Project::python(agent);
    let begin_and_end = ["-----BEGIN KEY-----", "-----END KEY-----"];
    let key = format!("{}\nMIIfirst+line\nsecond/line==\n{}", begin_and_end[0], begin_and_end[1]);
    project.file(".env", &format!("PRIVATE_KEY=\"{key}\"\n"));
    let done = project.run(&["--json", "{}"]).assert_status(0);
    let all = format!("{}\n{}", done.stdout, done.stderr);
    assert!(all.contains("[PRIVATE_KEY_REDACTED]"), "{all}");
    for line in ["MIIfirst", "second/line"] {
        assert!(!all.contains(line), "`{line}` in {all}");
    }
}

#[test]
fn no_other_command_shows_a_secret() {
    let project = project("return 'x'").telemetry("datadgo");
    for arguments in [
        &["validate"][..],
        &["validate", "--json"],
        &["exporters"],
        &["exporters", "--json"],
        &["run", "."],
        &["--help"],
        &["run", "--help"],
    ] {
        assert_clean(&project.call(arguments), &arguments.join(" "));
    }
}

#[test]
fn a_problem_that_quotes_a_variable_does_not_quote_a_secret() {
    // A variable of ours that the manifest calls secret, with a value that cannot be used.
    let project = Project::shell("true")
        .variables(&["CHARM_TELEMETRY_ON_ERROR"])
        .env("CHARM_TELEMETRY_ON_ERROR", IN_ENV_FILE);
    for arguments in [&["run", "."][..], &["validate"], &["validate", "--json"]] {
        let done = project.call(arguments).assert_status(78);
        assert_clean(&done, &arguments.join(" "));
        assert!((done.stdout + &done.stderr).contains("[CHARM_TELEMETRY_ON_ERROR_REDACTED]"));
    }
}

#[test]
fn the_live_view_shows_no_secret_either() {
    let project = project("return ' '.join(secrets)").env("NO_COLOR", "1");
    let mut command = project.program("python3");
    command.args(["-c", "import pty, sys; pty.spawn(sys.argv[1:])", RUNNER, "run", ".", "--json", "\"x\""]);
    let done = Running::start(&mut command).finish();
    assert_clean(&done, "terminal");
    assert!(done.stdout.contains("<[API_THING_REDACTED]>"), "{}", done.stdout);
}
