//! How a run ends, for whoever started it.
//! The one rule: the exit code and the `error` event say the same thing, and nothing hangs.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::project::{Project, assert_goes, read};

const FAILS: &str = "def main():\n    raise ValueError('no network')\n";

#[test]
fn a_run_that_succeeds_ends_with_0() {
    let done = Project::python("def main():\n    return 'hello'\n").run(&[]).assert_status(0);
    assert_eq!(done.content("final"), "hello");
    assert!(done.stderr.is_empty(), "{}", done.stderr);
}

#[test]
fn a_run_that_fails_ends_with_0_and_with_1_if_that_was_asked_for() {
    for (arguments, status) in [(&[][..], 0), (&["--fail-on-error"], 1)] {
        let done = Project::python(FAILS).run(arguments).assert_status(status);
        assert_eq!(done.content("error"), "Agent Execution Failed: no network");
        assert!(done.stderr.contains("ValueError: no network"), "its author sees where: {}", done.stderr);
    }
    let done = Project::shell("echo partial; exit 7").run(&["--fail-on-error"]).assert_status(1);
    assert_eq!(done.content("error"), "the agent ended without a result, with exit code 7");
}

#[test]
fn a_command_line_that_is_not_right_ends_with_2_before_anything_starts() {
    let project = Project::shell("touch started");
    for arguments in [
        &["run", ".", "--jsno", "{}"][..],
        &["run", ".", "--json", "{", "--input", "x"],
        &["run", ".", "--json", "{\"a\":"],
        &["run", ".", "--input-file", "none.json"],
        &["walk"],
        &[],
    ] {
        let done = project.call(arguments).assert_status(2);
        assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "{arguments:?}: {done:?}");
    }
    assert!(!project.folder().join("started").exists());
}

#[test]
fn json_that_is_none_is_told_with_the_way_out() {
    let done = Project::shell("true").run(&["--json", "{city: Oslo}"]).assert_status(2);
    assert!(done.stderr.starts_with("charm: --json is not JSON: "), "{}", done.stderr);
    assert!(done.stderr.contains("put single quotes around it in a shell"));
}

#[test]
fn configuration_that_is_not_right_ends_with_78() {
    let done = Project::shell("true")
        .manifest("policies: {execution_timeout_seconds: 0}")
        .run(&[])
        .assert_status(78);
    assert!(done.stderr.contains("charm.yaml:"), "{}", done.stderr);
    assert!(done.stdout.is_empty());
    let done =
        Project::shell("true").env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "soon").run(&[]).assert_status(78);
    assert!(done.stderr.contains("`CHARM_TELEMETRY_SHUTDOWN_TIMEOUT` is not a number of seconds; try `5`"));
}

#[test]
fn a_run_over_its_time_limit_ends_with_124() {
    let project = Project::shell("echo begun; exec sleep 1000");
    let done = project
        .manifest("policies: {execution_timeout_seconds: 1}")
        .run(&["--json", "{}"])
        .assert_status(124);
    let error = "the run took longer than policies.execution_timeout_seconds and was stopped";
    assert_eq!(done.content("error"), error);
    assert_eq!(done.result(), json!({"status": "error", "message": error}));
}

#[test]
fn a_result_counts_though_a_thread_of_the_agent_runs_on_to_the_time_limit() {
    let agent = "import threading, time\ndef main():\n    threading.Thread(target=time.sleep, args=(1000,)).start()\n    \
                 return 'done in time'\n";
    let limited = |agent| Project::python(agent).manifest("policies: {execution_timeout_seconds: 2}");
    let done = limited(agent).run(&["--json", "{}"]).assert_status(124);
    assert_eq!((done.content("final"), done.contents("error").len()), (json!("done in time"), 0));
    assert_eq!(done.result()["status"], "success");
    assert!(done.stderr.contains("the agent gave its result and did not end"), "{}", done.stderr);

    let late = "import signal, time\ndef late(*_): raise InterruptedError\ndef main():\n    \
                signal.signal(signal.SIGTERM, late)\n    try: time.sleep(1000)\n    \
                except InterruptedError: return 'too late'\n";
    let done = limited(late).run(&["--json", "{}"]).assert_status(124);
    assert_eq!((done.contents("final").len(), &done.result()["status"]), (0, &json!("error")));
}

#[test]
fn the_result_is_told_when_it_is_known_behind_all_that_was_printed_before_it() {
    let agent = "import os, subprocess, threading, time\ndef late():\n    for _ in range(600):\n        \
                 if os.path.exists('go'): break\n        time.sleep(0.1)\n    print('late')\ndef main():\n    \
                 subprocess.run(['printf', 'no newline'])\n    threading.Thread(target=late).start()\n    \
                 print('mine', end='')\n    return 'known'\n";
    let project = Project::python(agent);
    let mut running = project.start(&["--json", "{}"]);
    let mut before = [(); 2].map(|()| running.next_event("thinking")["content"].to_string());
    before.sort_unstable();
    assert_eq!(before, [r#""mine""#, r#""no newline""#]);
    assert_eq!(running.next_event("final")["content"], "known");
    std::fs::write(project.folder().join("go"), "").unwrap();
    let done = running.finish().assert_status(0);
    assert_eq!(done.contents("thinking"), ["late\n"]);
    assert_eq!((done.contents("final").len(), &done.result()["output"]), (0, &json!("known")));
}

#[test]
fn what_happens_to_an_agent_after_its_result_changes_the_exit_code_alone() {
    for (end, status) in [("os.kill(os.getpid(), 9)", 137), ("os._exit(3)", 0), ("os.abort()", 134)] {
        let agent =
            format!("import atexit, os\natexit.register(lambda: {end})\ndef main():\n    return 'known'\n");
        let done = Project::python(&agent).run(&["--json", "{}"]).assert_status(status);
        assert_eq!((done.content("final"), done.contents("error").len()), (json!("known"), 0), "{end}");
        assert_eq!(done.result()["status"], "success");
    }
}

#[test]
fn tools_whose_end_nobody_told_are_none_of_the_end_users_business() {
    let agent = "def main(callbacks):\n    for n in range(9): callbacks[0].on_tool_start({'name': 't%d' % n}, '')\n    \
                 callbacks[0].on_tool_start({'name': 'same'}, '', run_id=1)\n    \
                 callbacks[0].on_tool_start({'name': 'same'}, '', run_id=1)\n    return 'done'\n";
    for body in [agent.to_owned(), agent.replace("return", "raise")] {
        let done = Project::python(&body).run(&[]).assert_status(0);
        let told = done.contents("thinking");
        assert_eq!(told.len(), 11);
        assert!(told.iter().all(|text| text.as_str().unwrap().starts_with("Using Tool: ")), "{told:?}");
    }
}

#[test]
fn a_python_that_is_too_old_is_told_with_the_way_out() {
    let project = Project::python("def main():\n    return 'x'\n");
    std::fs::create_dir_all(project.folder().join(".venv/bin")).unwrap();
    let python = project.folder().join(".venv/bin/python3");
    let old = "#!/usr/bin/env python3\nimport sys\nsys.version_info = (3, 7, 16, 'final', 0)\n\
               exec(sys.argv[sys.argv.index('-c') + 1])\n";
    std::fs::write(&python, old).unwrap();
    std::fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let done = project.run(&[]).assert_status(78);
    let error = done.content("error");
    let error = error.as_str().unwrap();
    assert!(error.starts_with("the agent needs Python 3.9 or later, and `"), "{error}");
    assert!(error.contains("` is 3.7.16: put a virtual environment `.venv`"), "{error}");
    assert!(!done.stderr.contains("Traceback"), "{}", done.stderr);
}

#[test]
fn a_text_that_the_agent_leaves_with_is_told_and_shown_once() {
    let done = Project::python("import sys\ndef main():\n    sys.exit('no key')\n").run(&[]).assert_status(0);
    assert_eq!(done.content("error"), "the agent called sys.exit: no key");
    assert_eq!(done.stderr, "no key\n");
}

#[test]
fn a_record_that_is_cut_off_by_the_end_of_its_process_is_counted() {
    let agent = "import os, signal\ndef main(callbacks):\n    pid = os.fork()\n    if pid == 0:\n        \
                 write, n = os.write, [0]\n        def some(file, data):\n            n[0] += 1\n            \
                 if n[0] > 3: os._exit(0)\n            return write(file, data)\n        os.write = some\n        \
                 callbacks[0].on_tool_start({'name': 't'}, 'x' * 100_000)\n    os.waitpid(pid, 0)\n    return 'x'\n";
    let done = Project::python(agent).run(&[]).assert_status(0);
    assert!(done.contents("thinking").is_empty());
    assert!(done.stderr.contains("1 record of the agent's handlers did not arrive"), "{}", done.stderr);
}

#[test]
fn a_traceback_is_shown_once_and_behind_what_the_agent_said_before() {
    let fails = "raise ValueError('kaput')";
    let closed = "import os; os.close(2); raise ValueError('kaput')";
    let caught = "import io, sys; sys.stderr = io.StringIO(); raise ValueError('kaput')";
    for body in [fails, closed, caught] {
        let done = Project::python(&format!("def main():\n    {body}\n")).run(&[]).assert_status(0);
        assert_eq!(done.stderr.matches("\nValueError: kaput").count(), 1, "{body}: {}", done.stderr);
        assert_eq!(done.stderr.matches("line 2, in main").count(), 1, "{body}: {}", done.stderr);
    }
    for load in ["import missing_module\n", "def main(:\n"] {
        let done = Project::python(load).run(&[]).assert_status(0);
        assert_eq!(done.stderr.matches("agent.py\", line 1").count(), 1, "{}", done.stderr);
    }
    let agent = "import sys\ndef main():\n    for n in range(2000): sys.stderr.write('before %d\\n' % n)\n    raise KeyError('x')\n";
    let stderr = Project::python(agent).run(&[]).assert_status(0).stderr;
    assert!(stderr.find("before 1999").unwrap() < stderr.find("Traceback").unwrap());
}

#[test]
fn a_signal_to_us_is_passed_on_and_the_agent_gets_its_grace() {
    for (signal, number, name) in [
        (Signal::TERM, 15, "SIGTERM"),
        (Signal::INT, 2, "SIGINT"),
        (Signal::HUP, 1, "SIGHUP"),
        (Signal::QUIT, 3, "SIGQUIT"),
    ] {
        let mut running = Project::child("polite.py", "").start(&[]);
        let pid: i64 = running.next_event("thinking")["content"].as_str().unwrap().trim().parse().unwrap();
        running.signal(signal);
        let done = running.finish().assert_status(128 + number);
        assert_eq!(done.contents("final"), [json!(number)], "the agent said goodbye");
        assert_eq!(done.content("error"), format!("the run was stopped by {name}"));
        assert_goes(pid);
    }
}

#[test]
fn every_other_signal_that_would_end_us_asks_the_agent_to_end_and_leaves_none_behind() {
    let named = [Signal::ALARM, Signal::VTALARM, Signal::PROF, Signal::XCPU];
    let linux = [Signal::IO, Signal::POWER, Signal::STKFLT];
    for signal in named.into_iter().chain(linux) {
        let mut running = Project::child("polite.py", "").start(&[]);
        let pid: i64 = running.next_event("thinking")["content"].as_str().unwrap().trim().parse().unwrap();
        running.signal(signal);
        let done = running.finish().assert_status(128 + signal.as_raw());
        assert_eq!(done.contents("final"), [json!(15)], "the agent said goodbye");
        assert_goes(pid);
    }
}

#[test]
fn signals_of_the_agents_own_are_passed_on_and_end_nothing_by_themselves() {
    let mut running = Project::child("polite.py", "").start(&[]);
    running.next_event("thinking");
    running.signal(Signal::USR1);
    assert_eq!(running.next_event("thinking")["content"], "told\n");
    // This one the agent does not handle: it is ended, and so is the run.
    running.signal(Signal::USR2);
    let done = running.finish().assert_status(128 + Signal::USR2.as_raw());
    assert_eq!(done.content("error"), "the agent was ended by SIGUSR2");
}

#[test]
fn what_the_agent_started_ends_with_it_whatever_signal_comes() {
    let agent = "sh -c 'echo $$; trap \"\" QUIT USR1 TERM; while :; do sleep 1; done' & wait";
    for signal in [Signal::QUIT, Signal::USR1] {
        let mut running = Project::shell(agent).start(&[]);
        let pid: i64 = running.next_event("thinking")["content"].as_str().unwrap().trim().parse().unwrap();
        running.signal(signal);
        running.finish().assert_status(128 + signal.as_raw());
        assert_goes(pid);
    }
}

#[test]
fn a_file_that_may_not_grow_ends_the_run_and_the_agent_with_it() {
    let project =
        Project::shell("echo $$ > pid; while :; do echo 0123456789012345678901234567890123456789; done");
    let mut command = project.program("sh");
    command.args(["-c", "ulimit -f 64; exec \"$0\" run . > out", crate::project::RUNNER]);
    let done = crate::project::Running::start(&mut command).finish().assert_status(70);
    assert!(done.stderr.contains("stdout cannot be written: File too large"), "{}", done.stderr);
    let pid = std::fs::read_to_string(project.folder().join("pid")).unwrap();
    assert_goes(pid.trim().parse().unwrap());
}

#[test]
fn a_python_agent_that_is_interrupted_is_told_as_stopped() {
    let agent = "import time\ndef main():\n    print('up', flush=True)\n    time.sleep(1000)\n";
    let mut running = Project::python(agent).start(&["--json", "{}"]);
    running.next_event("thinking");
    running.signal(Signal::INT);
    let done = running.finish().assert_status(130);
    let error = done.content("error");
    assert!(error.as_str().unwrap().starts_with("the run was stopped by SIGINT"), "{error}");
    assert_eq!(done.result()["message"], error);
}

#[test]
fn an_agent_that_a_signal_ends_is_told_by_the_exit_code() {
    let done = Project::shell("kill -9 $$").run(&[]).assert_status(137);
    assert_eq!(done.content("error"), "the agent was ended by SIGKILL");
}

#[test]
fn when_the_reader_of_stdout_has_gone_the_agent_is_ended_and_so_are_we_with_141() {
    let project = Project::shell("echo $$; while :; do echo more; sleep 0.05; done");
    let mut running = project.start(&[]);
    let pid: i64 = running.next_event("thinking")["content"].as_str().unwrap().trim().parse().unwrap();
    let stderr = read(running.stderr.take());
    drop(running.stdout.take());
    assert_eq!(running.wait(), 141);
    assert_goes(pid);
    assert_eq!(stderr.recv().unwrap(), b"", "`| head` is nothing to complain of");
}

#[test]
fn a_reader_that_goes_before_the_last_line_is_told_by_141_too() {
    let mut running = Project::shell("sleep 0.3; echo late").start(&["--json", "{}"]);
    running.next_event("status");
    drop(running.stdout.take());
    assert_eq!(running.wait(), 141);
}

#[test]
fn a_pipe_into_head_ends() {
    let project =
        Project::python("def main():\n    for n in range(200_000):\n        print(n)\n    return 'x'\n");
    let mut command = project.program("sh");
    command.args(["-c", "\"$0\" run . | head -1; echo done", crate::project::RUNNER]);
    let started = Instant::now();
    let done = crate::project::Running::start(&mut command).finish().assert_status(0);
    assert_eq!(done.stdout.lines().count(), 2);
    assert!(done.stdout.ends_with("done\n") && started.elapsed() < Duration::from_mins(1));
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
}

#[test]
fn a_full_disk_under_stdout_ends_with_70_and_says_so() {
    let project = Project::shell("echo $$; sleep 1000");
    let mut command = project.program("sh");
    command.args(["-c", "\"$0\" run . > /dev/full", crate::project::RUNNER]);
    let done = crate::project::Running::start(&mut command).finish().assert_status(70);
    assert!(done.stderr.contains("stdout cannot be written: No space left on device"), "{}", done.stderr);
}

#[test]
fn what_cannot_be_written_is_told_by_every_command() {
    let project = Project::shell("echo ran > ran");
    let commands =
        ["--help", "run --help", "--version", "validate", "validate --json", "exporters", "completions zsh"];
    for (place, why) in [(">&-", "it is closed"), ("> /dev/full", "No space left on device")] {
        for arguments in commands.iter().chain(&["run ."]) {
            let mut command = project.program("sh");
            command.args(["-c", &format!("\"$0\" {arguments} {place}"), crate::project::RUNNER]);
            let done = crate::project::Running::start(&mut command).finish().assert_status(70);
            let expected = format!("charm: stdout cannot be written: {why}");
            assert!(done.stderr.starts_with(&expected), "{arguments} {place}: {}", done.stderr);
        }
        assert!(place != ">&-" || !project.folder().join("ran").exists(), "nobody would have seen it run");
    }
    // Not to be taken for a closed one, which looks like this once Rust has started.
    let mut command = project.program("sh");
    command.args(["-c", "\"$0\" --help <> /dev/null >&0", crate::project::RUNNER]);
    crate::project::Running::start(&mut command).finish().assert_status(0);
}

#[test]
fn every_command_survives_that_nobody_reads_it() {
    let project = Project::shell("true");
    for arguments in
        ["--help", "validate", "validate --json", "exporters", "exporters --json", "completions bash"]
    {
        let mut command = project.program("sh");
        // The reader has gone before anything is written.
        command.args([
            "-c",
            &format!("{{ sleep 0.2; \"$0\" {arguments}; echo $? >&2; }} | true"),
            crate::project::RUNNER,
        ]);
        let done = crate::project::Running::start(&mut command).finish().assert_status(0);
        assert_eq!(done.stderr.trim(), "0", "{arguments}");
    }
}

#[test]
fn a_closed_stderr_is_nobodys_problem() {
    let project = Project::shell("echo lost >&2; echo said");
    let mut command = project.program("sh");
    command.args(["-c", "\"$0\" run . 2>&-", crate::project::RUNNER]);
    let done = crate::project::Running::start(&mut command).finish().assert_status(0);
    assert_eq!(done.content("final"), "said\n");
}

#[test]
fn a_reader_who_takes_his_time_gets_everything() {
    let project = Project::python(
        "def main():\n    for n in range(20_000):\n        print('x' * 100)\n    return 'end'\n",
    )
    .env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "0.1");
    let mut running = project.start(&["--json", "{}"]);
    running.next_event("thinking");
    // Much longer than the exporters have; the pipe is full from the start.
    std::thread::sleep(Duration::from_millis(1500));
    let done = running.finish().assert_status(0);
    assert_eq!(done.contents("thinking").len(), 19_999);
    assert_eq!(done.content("final"), "end");
    assert_eq!(done.result()["output"], "end");
}
