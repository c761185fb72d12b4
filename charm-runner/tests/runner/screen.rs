//! What a person at a terminal sees.
//! The one rule: everything that a pipe would get is there in words, and nothing that an agent says moves the cursor.

use std::time::Duration;

use crate::project::{Done, Project, RUNNER, Running};

/// Runs `charm-runner ARGUMENTS` with a terminal as its stdout; stdout is what came out of that.
fn at_terminal(project: &Project, arguments: &str) -> Done {
    const PTY: &str = "import os, pty, sys\n\
        status = pty.spawn(['/bin/sh', '-c', sys.argv[1] + ' 2>/dev/null'])\n\
        sys.exit(os.waitstatus_to_exitcode(status))\n";
    let mut command = project.program("python3");
    command.args(["-c", PTY, &format!("'{RUNNER}' {arguments}")]);
    let mut done = Running::start(&mut command).finish();
    done.stdout = done.stdout.replace("\r\n", "\n");
    done
}

/// Runs `charm-runner run .` with a terminal as its stdout and stderr. Ctrl-C is typed once the agent has said `stop me`.
fn at_terminal_with_stderr(project: &Project) -> Done {
    const PTY: &str = "import os, pty, sys\n\
        pid, fd = pty.fork()\n\
        if pid == 0: os.execv(sys.argv[1], [sys.argv[1], 'run', '.'])\n\
        seen, typed = b'', False\n\
        try:\n\
        \x20   while True:\n\
        \x20       seen += os.read(fd, 1000)\n\
        \x20       if b'stop me' in seen and not typed: typed = os.write(fd, b'\\x03')\n\
        except OSError: pass\n\
        sys.stdout.write(seen.decode().replace('\\r\\n', '\\n'))\n\
        sys.stdout.flush()\n\
        os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let mut command = project.program("python3");
    command.args(["-c", PTY, RUNNER]).env("NO_COLOR", "1");
    Running::start(&mut command).finish()
}

const AGENT: &str = r#"
import time
def main(input, callbacks):
    handler = callbacks[0]
    print("10%\r50%\r100%")
    print("\x1b[2J\x1b[31mred\x1b[0m")
    handler.on_tool_start({"name": "weather"}, "Oslo " * 200)
    handler.on_tool_end("3 degrees\nand rain")
    for token in ["Cold", ", ", "3 degrees.\n", "\x1b[1A", "Bye"]:
        handler.on_llm_new_token(token)
    return "unseen: it was streamed"
"#;

#[test]
fn a_run_is_shown_as_it_happens_without_colours_if_none_are_wanted() {
    let project = Project::python(AGENT).env("NO_COLOR", "1").env("TERM", "xterm");
    let done = at_terminal(&project, "run . --input hi").assert_status(0);
    assert!(!done.stdout.contains('\u{1b}'), "{:?}", done.stdout);
    let lines: Vec<_> = done.stdout.lines().collect();
    let expected = [
        "· Initializing Agent Runtime...",
        "│ 100%",
        "│ red",
        &format!("→ weather  {}…", &"Oslo ".repeat(200)[..160]),
        "← weather  3 degrees and rain",
        "Cold, 3 degrees.",
        "Bye",
    ];
    assert_eq!(lines[..7], expected);
    let summary = lines[7];
    assert!(
        summary.starts_with("✓ done in ") && summary.contains(" · 1 tool call · 5 tokens, the first after "),
        "{summary}"
    );
    assert_eq!(lines.len(), 8);
}

#[test]
fn colours_are_used_unless_the_terminal_has_none() {
    for (term, has) in [("xterm-256color", true), ("dumb", false), ("", false)] {
        let project = Project::shell("echo hello").env("TERM", term);
        let done = at_terminal(&project, "run .").assert_status(0);
        assert_eq!(done.stdout.contains("\u{1b}["), has, "{:?}", done.stdout);
    }
}

#[test]
fn a_run_that_fails_is_shown_with_its_error_once() {
    let project = Project::python("def main():\n    raise ValueError('no network')\n").env("NO_COLOR", "1");
    let done = at_terminal(&project, "run . --fail-on-error").assert_status(1);
    assert_eq!(done.stdout.matches("✗ Agent Execution Failed: no network\n").count(), 1, "{}", done.stdout);
    assert!(done.stdout.contains("\n✗ failed in "), "{}", done.stdout);
}

#[test]
fn a_very_long_output_is_shown_whole() {
    let project = Project::python("def main():\n    return 'wide ' * 100_000\n").env("NO_COLOR", "1");
    let done = at_terminal(&project, "run .").assert_status(0);
    assert!(done.stdout.matches("wide").count() == 100_000, "{}", done.stdout.len());
}

#[test]
fn with_json_the_result_is_the_last_line_at_a_terminal_too() {
    let project = Project::python("def main():\n    return 'x'\n").env("NO_COLOR", "1");
    let done = at_terminal(&project, "run . --json '{}'").assert_status(0);
    assert_eq!(done.result()["output"], "x");
}

#[test]
fn ctrl_c_at_a_terminal_ends_the_run() {
    const PTY: &str = "import os, pty, sys, time\n\
        pid, fd = pty.fork()\n\
        if pid == 0: os.execv(sys.argv[1], [sys.argv[1], 'run', '.'])\n\
        seen = b''\n\
        while b'up' not in seen: seen += os.read(fd, 1000)\n\
        os.write(fd, b'\\x03')\n\
        try:\n\
        \x20   while True: seen += os.read(fd, 1000)\n\
        except OSError: pass\n\
        sys.stdout.write(seen.decode())\n\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let project = Project::shell("echo up; exec sleep 1000").env("NO_COLOR", "1");
    let mut command = project.program("python3");
    command.args(["-c", PTY, RUNNER]);
    let started = std::time::Instant::now();
    let done = Running::start(&mut command).finish().assert_status(130);
    assert!(done.stdout.contains("the run was stopped by SIGINT"), "{}", done.stdout);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_terminal_that_was_stopped_does_not_keep_the_pump_from_its_account() {
    // Nobody reads the terminal. The agent is stopped once there is more than it takes.
    const PTY: &str = "import os, pty, signal, subprocess, sys, time\n\
        window, terminal = pty.openpty()\n\
        runner = subprocess.Popen([sys.argv[1], 'run', '.', '--telemetry-report'], stdout=terminal)\n\
        bound = time.monotonic() + 60\n\
        while not os.path.exists('said') and time.monotonic() < bound: time.sleep(0.02)\n\
        runner.send_signal(signal.SIGTERM)\n\
        sys.exit(runner.wait(60))\n";
    let project = Project::shell("yes 'a long line of words' | head -c 300000; touch said; exec sleep 1000")
        .env("NO_COLOR", "1")
        .env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "0.5");
    let mut command = project.program("python3");
    command.args(["-c", PTY, RUNNER]);
    let done = Running::start(&mut command).finish().assert_status(143);
    let account = done.stderr.lines().find(|line| line.starts_with("charm: stdout")).expect("a report");
    assert!(account.contains("shutdown_deadline="), "{account}");
    assert!(account.ends_with("cut off at the deadline"), "{account}");
}

#[test]
fn stderr_has_lines_of_its_own_and_does_not_move_the_cursor_of_the_terminal() {
    let agent = "import sys, time\ndef main(callbacks):\n    token = callbacks[0].on_llm_new_token\n    token('one')\n    time.sleep(0.3)\n    \
                 print('\\x1b[31mred\\x1b[0m\\x1b[2J', file=sys.stderr, flush=True)\n    time.sleep(0.3)\n    token(' two')\n    \
                 time.sleep(0.3)\n    raise ValueError('\\x1b[1Aodd')\n";
    let done = at_terminal_with_stderr(&Project::python(agent)).assert_status(0);
    assert!(!done.stdout.contains('\u{1b}'), "{:?}", done.stdout);
    let lines: Vec<_> = done.stdout.lines().collect();
    assert_eq!(lines[1..5], ["one", "red", " two", "Traceback (most recent call last):"], "{}", done.stdout);
    assert_eq!(lines[7..9], ["ValueError: odd", "✗ Agent Execution Failed: odd"], "{}", done.stdout);
}

#[test]
fn ctrl_c_shows_where_the_agent_was_and_nothing_of_ours() {
    let asleep = "import time\ndef main():\n    print('stop me')\n    time.sleep(1000)\n";
    let awaiting = "import asyncio\nasync def main():\n    print('stop me')\n    await asyncio.sleep(1000)\n";
    let thread = "import threading, time\ndef main():\n    threading.Thread(target=time.sleep, args=(1000,)).start()\n    \
                  print('stop me')\n    return 'x'\n";
    for (agent, last) in
        [(asleep, "agent.py\", line"), (awaiting, "agent.py\", line"), (thread, "\nKeyboardInterrupt\n")]
    {
        let done = at_terminal_with_stderr(&Project::python(agent)).assert_status(130);
        assert!(!done.stdout.contains("<charm-bridge>"), "{}", done.stdout);
        assert!(!done.stdout.contains("\"<string>\""), "{}", done.stdout);
        assert!(done.stdout.contains(last), "{}", done.stdout);
        assert!(done.stdout.contains("\nKeyboardInterrupt\n"), "{}", done.stdout);
    }
}
