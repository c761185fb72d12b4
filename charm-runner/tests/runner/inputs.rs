//! What goes in: the inputs, `.env`, the project's folder; and the result that comes out.
//! The one rule: an agent gets what was given, to the letter.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::project::Project;

const ECHO: &str = "import json\ndef main(inputs):\n    return json.dumps(inputs)\n";

/// What the agents get for these arguments: one of Python, one of the shell.
fn inputs(arguments: &[&str]) -> Value {
    let python = Project::python(ECHO).run(arguments).assert_status(0);
    let shell = Project::shell("cat \"$CHARM_INPUT_FILE\"").run(arguments).assert_status(0);
    let [python, shell] = [python, shell].map(|done| {
        let text = done.content("final");
        serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap()
    });
    assert_eq!(python, shell);
    python
}

#[test]
fn any_json_is_an_input_and_what_is_no_object_is_wrapped() {
    assert_eq!(inputs(&[]), json!({}));
    assert_eq!(inputs(&["--json", "null"]), json!({}));
    assert_eq!(
        inputs(&["--json", r#"{"city": "Tromsø", "n": 1e3, "deep": [{}]}"#]),
        json!({"city": "Tromsø", "n": 1e3, "deep": [{}]})
    );
    assert_eq!(inputs(&["--json", r#""text""#]), json!({"input": "text"}));
    assert_eq!(inputs(&["--json", "[1, null]"]), json!({"input": [1, null]}));
    assert_eq!(inputs(&["--json", " 7 "]), json!({"input": 7}));
}

#[test]
fn a_text_is_an_input_as_it_is() {
    let text = "line\n\"quoted\" \\ 日本語 🙂 --json";
    assert_eq!(inputs(&["--input", text]), json!({"input": text}));
    assert_eq!(inputs(&["-i", "-5 below"]), json!({"input": "-5 below"}));
    assert_eq!(inputs(&["--json", "-5"]), json!({"input": -5}));
}

/// What only Python's own reader has values for, and how it shows them.
const ODD: (&str, &str) = (
    r#"{"half": "a\udbff", "\udc00": [1e999, NaN], "big": 123456789012345678901234567890, "f": 0.30000000000000004}"#,
    r"{'half': 'a\udbff', '\udc00': [inf, nan], 'big': 123456789012345678901234567890, 'f': 0.30000000000000004}",
);

#[test]
fn whatever_python_reads_as_json_comes_to_the_agent_to_the_letter() {
    let (json, shown) = ODD;
    let python = Project::python("def main(inputs):\n    return ascii(inputs)\n");
    assert_eq!(python.run(&["--json", json]).assert_status(0).content("final"), shown);
    python
        .file("cases.json", &format!("[{{\"input\": {json}}}, {{\"name\": \"\\ud800\", \"input\": NaN }}]"));
    let done = python.run(&["--input-file", "cases.json"]).assert_status(0);
    assert_eq!(done.contents("final"), [json!(shown), json!("{'input': nan}")]);
    let shell = Project::shell("cat \"$CHARM_INPUT_FILE\"");
    assert_eq!(shell.run(&["--json", json]).assert_status(0).content("final"), json);
}

#[test]
fn an_agent_with_a_module_named_json_gets_odd_inputs_too() {
    let project = Project::python("import json\ndef main(inputs):\n    return ascii(inputs)\n");
    project.file("json.py", "raise ValueError('not me')\n");
    assert_eq!(project.run(&["--json", ODD.0]).assert_status(0).content("final"), ODD.1);
}

#[test]
fn what_goes_out_is_json_whatever_the_agent_says() {
    let agent = "def main(half, callbacks):\n    print(half)\n    callbacks[0].on_tool_start({'name': half}, half)\n    \
                 if half != 'x': callbacks[0].on_llm_new_token('token' + half)\n    \
                 return {half: half, 'n': [float('inf'), float('nan')]}\n";
    let done = Project::python(agent).run(&["--json", r#"{"half": "\ud800"}"#]).assert_status(0);
    assert_eq!(done.contents("delta"), [json!("token\u{fffd}")]);
    for line in done.stdout.lines() {
        let json = line.strip_prefix("__CHARM_EVENT__").unwrap_or(line);
        serde_json::from_str::<Value>(json).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    assert_eq!(done.result()["output"], json!({"\u{fffd}": "\u{fffd}", "n": [null, null]}));
}

#[test]
fn a_file_of_cases_may_begin_with_a_byte_order_mark_and_may_be_a_pipe() {
    let project = Project::python("def main(n):\n    return n * 2\n");
    project.file("cases.json", "\u{feff}[{\"input\": {\"n\": 4}}]");
    assert_eq!(project.run(&["--input-file", "cases.json"]).assert_status(0).content("final"), 8);
    let mut command = project.program("bash");
    command.args(["-c", "\"$0\" run . --input-file <(cat cases.json)", crate::project::RUNNER]);
    let done = crate::project::Running::start(&mut command).finish().assert_status(0);
    assert_eq!(done.content("final"), 8);
}

#[test]
fn each_case_of_a_file_is_a_run() {
    let project = Project::python("def main(n):\n    return n * 2\n");
    project.file("cases.json", r#"[{"name": "one", "input": {"n": 1}}, {"input": {"n": 21}, "extra": 0}, {"name": "bad", "input": {}}]"#);
    let done = project.run(&["--input-file", "cases.json", "--fail-on-error"]).assert_status(1);
    assert_eq!(done.contents("final"), [json!(2), json!(42)]);
    assert_eq!(done.contents("error").len(), 1, "a case that fails does not keep the others from running");
    assert!(done.stderr.contains("charm: case `one`\n") && done.stderr.contains("charm: case `bad`\n"));
}

#[test]
fn a_file_without_cases_is_told_with_the_way_out() {
    let project = Project::shell("true");
    let deep = format!("[{{\"input\": 1}}, {{\"input\": {}{}}}]", "[".repeat(200), "]".repeat(200));
    for (text, expected) in [
        ("[]", "the array is empty; put a case into it"),
        ("{}", "expected an array of {\"name\": .., \"input\": ..}"),
        ("[{\"name\": \"x\"}]", "missing field `input`"),
        ("", "expected an array of"),
        ("[{\"input\": 1}, {\"input\": [01]}]", "expected an array of"),
        (&deep, "the input of case 2: recursion limit exceeded"),
    ] {
        project.file("cases.json", text);
        let done = project.run(&["--input-file", "cases.json"]).assert_status(2);
        assert!(
            done.stderr.contains("--input-file cases.json: ") && done.stderr.contains(expected),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn the_env_file_overrides_the_environment_and_changes_it_only_for_the_agent() {
    let project = Project::shell("echo \"$A|$B|$C|$D\"").env("A", "outside").env("B", "kept");
    project.file(".env", "A=inside # why\nexport C='it''s' \nC=\"two\\nlines\"\nD=${B}-$A\n");
    let done = project.run(&[]).assert_status(78);
    assert!(done.stderr.contains("./.env:2:14: this is not `NAME=value`"), "{}", done.stderr);
    project.file(".env", "A=inside # why\nC=\"two\\nlines\"\nD=${B}-$A\n");
    let done = project.run(&[]).assert_status(0);
    assert_eq!(done.content("final"), "inside|kept|two\nlines|kept-$A\n");
}

#[test]
fn a_blank_is_no_setting_of_ours_and_a_value_all_the_same() {
    let project =
        Project::shell("echo \"[$GAP][$LINE]\"").env("GAP", " ").env("CHARM_TELEMETRY_ON_ERROR", " ");
    project.file(".env", "LINE=\"a${GAP}b\"\n");
    assert_eq!(project.run(&[]).assert_status(0).content("final"), "[ ][a b]\n");
}

#[test]
fn a_line_of_the_env_file_that_cannot_be_read_is_told_without_what_is_in_it() {
    let project = Project::shell("true");
    project.file(".env", "A=1\nAPI_KEY='sk-very-secret\n");
    for arguments in [&["run", "."][..], &["validate"], &["validate", "--json"]] {
        let done = project.call(arguments).assert_status(78);
        let said = done.stdout + &done.stderr;
        assert!(said.contains("this is not `NAME=value`") && !said.contains("sk-very"), "{said}");
    }
    fs::write(project.folder().join(".env"), b"KEY=sk-very-\xff").unwrap();
    let done = project.run(&[]).assert_status(78);
    assert!(done.stderr.contains("`./.env` is not UTF-8; save it with that encoding"), "{}", done.stderr);
}

#[test]
fn the_result_is_the_last_line_and_one_line_however_large() {
    let agent = "def main(input):\n    print('some', 'text', end='')\n    \
                 return {'status': 'success', 'output': {'text': 'ab\\nü\\u2028' * 300_000, 'echo': input}}\n";
    let done = Project::python(agent).run(&["--json", r#""ping""#]).assert_status(0);
    let result = done.result();
    assert_eq!(result["output"]["echo"], "ping");
    assert_eq!(result["output"]["text"].as_str().unwrap().chars().count(), 1_500_000);
    assert_eq!(done.content("final"), result["output"]);
}

#[test]
fn the_output_of_a_command_is_its_result_with_lines_of_up_to_a_mebibyte() {
    let done =
        Project::shell("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end").run(&["--json", "{}"]);
    let output = done.assert_status(0).result();
    assert_eq!(output["output"].as_str().unwrap().len(), 1_000_005);
}

#[test]
fn a_project_is_named_by_its_folder_or_its_file_from_anywhere() {
    let project = Project::python(ECHO);
    project.call(&["validate"]).assert_status(0);
    let folder = project.folder().to_str().unwrap().to_owned();
    for path in [folder.clone(), format!("{folder}/charm.yaml")] {
        let mut command = project.runner();
        let command = command.current_dir("/").args(["run", &path, "--input", "x"]);
        let done = crate::project::Running::start(command).finish().assert_status(0);
        assert_eq!(done.content("final"), r#"{"input": "x"}"#);
    }
    let mut command = project.runner();
    let command = command.args(["run", "charm.yaml"]);
    crate::project::Running::start(command).finish().assert_status(0);
}

#[test]
fn a_folder_that_cannot_be_written_is_no_obstacle_and_nothing_is_left_elsewhere() {
    let elsewhere = tempfile::tempdir().unwrap();
    let project = Project::shell(
        "echo \"$CHARM_INPUT_FILE\"; cat \"$CHARM_INPUT_FILE\"; stat -c %a \"$CHARM_INPUT_FILE\"",
    )
    .env("TMPDIR", elsewhere.path().to_str().unwrap());
    project.runner();
    // What even the superuser cannot replace by a link.
    fs::create_dir(project.folder().join("input.json")).unwrap();
    fs::set_permissions(project.folder(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = std::process::Command::new(crate::project::RUNNER);
    let command = command
        .args(["run", project.folder().to_str().unwrap(), "--input", "x"])
        .env("TMPDIR", elsewhere.path());
    let command = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let done = crate::project::Running::start(command).finish().assert_status(0);
    fs::set_permissions(project.folder(), fs::Permissions::from_mode(0o755)).unwrap();
    let output = done.content("final");
    let lines: Vec<_> = output.as_str().unwrap().lines().collect();
    assert!(lines[0].starts_with(elsewhere.path().to_str().unwrap()), "{lines:?}");
    assert_eq!(lines[1], r#"{"input":"x"}600"#);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

/// What is in a folder, by name.
fn names(folder: &std::path::Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}

#[test]
fn a_command_finds_its_inputs_by_the_variable_and_by_name_and_neither_file_stays() {
    let elsewhere = tempfile::tempdir().unwrap();
    let agent = "cat \"$CHARM_INPUT_FILE\" input.json; stat -Lc %a \"$CHARM_INPUT_FILE\" input.json";
    let project = Project::shell(agent).env("TMPDIR", elsewhere.path().to_str().unwrap());
    let done = project.run(&["--input", "x"]).assert_status(0);
    assert_eq!(done.content("final"), "{\"input\":\"x\"}{\"input\":\"x\"}600\n600\n");
    assert_eq!(done.stderr, "");
    assert_eq!((names(project.folder()), names(elsewhere.path())), (vec!["charm.yaml".to_owned()], vec![]));
}

#[test]
fn runs_at_the_same_time_in_one_folder_get_their_own_inputs() {
    // Each says that it is there, and waits until all are.
    let project = Project::shell(
        "touch \"here.$$\"; n=0; while [ $(ls here.* | wc -l) -lt 4 ] && [ $n -lt 3000 ]; do sleep 0.02; n=$((n+1)); done; \
         cat \"$CHARM_INPUT_FILE\"",
    );
    // Each writes the manifest: all of them do before the first one reads it.
    let mut commands: Vec<_> = (1..=4).map(|i| (i, project.runner())).collect();
    let start = |(i, command): &mut (i32, std::process::Command)| {
        (*i, crate::project::Running::start(command.args(["run", ".", "--json", &format!("{{\"i\":{i}}}")])))
    };
    let runs: Vec<_> = commands.iter_mut().map(start).collect();
    let done: Vec<_> = runs.into_iter().map(|(i, running)| (i, running.finish().assert_status(0))).collect();
    for (i, done) in &done {
        assert_eq!(done.content("final"), format!("{{\"i\":{i}}}"));
    }
    let told = |done: &crate::project::Done| {
        done.stderr.contains("`input.json` in the project's folder belongs to another run")
    };
    assert_eq!(done.iter().filter(|(_, done)| told(done)).count(), 3);
    assert!(!project.folder().join("input.json").is_symlink());
}

#[test]
fn an_input_json_of_the_user_is_left_as_it_is_and_that_is_told() {
    let project = Project::shell("cat \"$CHARM_INPUT_FILE\"");
    project.file("input.json", "mine");
    let done = project.run(&["--input", "x"]).assert_status(0);
    assert_eq!(done.content("final"), r#"{"input":"x"}"#);
    assert!(done.stderr.contains("`input.json` in the project's folder is not ours and is left as it is"));
    assert_eq!(fs::read_to_string(project.folder().join("input.json")).unwrap(), "mine");
}

#[test]
fn the_inputs_of_a_run_that_was_killed_are_removed_by_the_next_one() {
    let elsewhere = tempfile::tempdir().unwrap();
    let project = Project::shell("cat input.json; echo; [ -e go ] || { touch go; sleep 1000; }")
        .env("TMPDIR", elsewhere.path().to_str().unwrap());
    let mut running = project.start(&["--input", "first"]);
    running.next_event("thinking");
    running.signal(rustix::process::Signal::KILL);
    running.wait();
    assert!(project.folder().join("input.json").is_symlink(), "nobody could remove it");
    project.file("go", "");
    let done = project.run(&["--input", "second"]).assert_status(0);
    assert_eq!(done.content("final"), "{\"input\":\"second\"}\n");
    assert_eq!((done.stderr.as_str(), names(elsewhere.path())), ("", vec![]));
    assert!(!project.folder().join("input.json").is_symlink());
}

#[test]
fn a_folder_without_a_manifest_is_told_with_the_way_out() {
    let project = Project::shell("true");
    let mut command = project.runner();
    fs::remove_file(project.folder().join("charm.yaml")).unwrap();
    let done = crate::project::Running::start(command.args(["run"])).finish().assert_status(78);
    assert_eq!(
        done.stderr,
        "charm: `./charm.yaml` does not exist; run this in the folder of your agent, or name that folder\n"
    );
}

#[test]
fn a_manifest_that_is_no_file_is_refused_at_once() {
    let project = Project::shell("true");
    let made = std::process::Command::new("mkfifo").arg(project.folder().join("pipe.yaml")).status();
    assert!(made.unwrap().success());
    fs::create_dir(project.folder().join("inner")).unwrap();
    std::os::unix::fs::symlink("../pipe.yaml", project.folder().join("inner/charm.yaml")).unwrap();
    for path in ["pipe.yaml", "inner", "/dev/zero"] {
        for command in ["run", "validate"] {
            let done = project.call(&[command, path]).assert_status(78);
            let what = if path == "/dev/zero" { "is a device;" } else { "is a pipe;" };
            assert!(done.stderr.contains(what), "{}", done.stderr);
        }
    }
}

#[test]
fn who_names_the_agents_program_is_told_what_to_name() {
    let project = Project::python("def main(): pass\n");
    fs::create_dir(project.folder().join("sub")).unwrap();
    project.file("sub/tool.js", "");
    let done = project.call(&["run", "agent.py"]).assert_status(78);
    let expected = "charm: `agent.py` is a program and no manifest; name its folder, which has one: `.`\n";
    assert_eq!(done.stderr, expected);
    let done = project.call(&["validate", "sub/tool.js"]).assert_status(78);
    assert!(done.stderr.contains("write a `charm.yaml` beside it"), "{}", done.stderr);
}

#[test]
fn an_env_that_is_no_file_of_variables_is_none_and_one_without_end_is_refused() {
    let project = Project::shell("echo ran");
    // A virtual environment may have that name.
    fs::create_dir(project.folder().join(".env")).unwrap();
    assert_eq!(project.run(&[]).assert_status(0).content("final"), "ran\n");
    fs::remove_dir(project.folder().join(".env")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", project.folder().join(".env")).unwrap();
    let done = project.run(&[]).assert_status(78);
    assert!(done.stderr.contains("`./.env` is larger than 1 MiB"), "{}", done.stderr);
}

#[test]
fn a_virtual_environment_whose_python_has_gone_is_told() {
    let project = Project::python("def main(): return 'ran'\n");
    fs::create_dir_all(project.folder().join(".venv/bin")).unwrap();
    std::os::unix::fs::symlink("/nowhere/python3", project.folder().join(".venv/bin/python3")).unwrap();
    let done = project.run(&[]).assert_status(0);
    assert_eq!(done.content("final"), "ran");
    assert!(done.stderr.contains("`./.venv/bin/python3` leads nowhere"), "{}", done.stderr);
}

#[test]
fn without_python_the_error_says_how_to_get_one() {
    let project = Project::python("def main(): pass\n");
    let mut command = project.program(crate::project::RUNNER);
    let done = crate::project::Running::start(command.args(["run", "."]).env("PATH", "/nowhere")).finish();
    let error = "cannot start `python3`: not found on `PATH`; install Python, or make a virtual environment `.venv` in the \
                 project";
    assert_eq!(done.assert_status(70).content("error"), error);
}

#[test]
fn a_result_that_is_too_large_is_an_error_that_says_so() {
    let done =
        Project::python("def main(): return 'x' * 70_000_000\n").run(&["--json", "{}"]).assert_status(0);
    let error = done.content("error");
    assert!(error.as_str().unwrap().contains("the agent's result has 700000"), "{error}");
    assert_eq!(done.result()["message"], error);
}
