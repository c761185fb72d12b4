//! Agents that say odd things, and agents that leave things behind: C1 to C9, from outside.
//! The one rule: whatever an agent does, the events after it arrive and the runner ends.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::project::{Done, Project, assert_goes, read, runs};

/// The first process id that the agent said.
fn said_pid(done: &Done) -> i64 {
    done.contents("thinking")[0].as_str().unwrap().trim().parse().unwrap()
}

/// The memory that the runner said to take in two lines of `/proc/PID/status`, in KiB.
fn grown(said: &[serde_json::Value]) -> i64 {
    let kib = |said: &serde_json::Value| -> i64 {
        said.as_str().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    kib(said.last().unwrap()) - kib(&said[0])
}

#[test]
fn c1_a_line_of_a_gigabyte_costs_less_than_4_mb_of_memory_and_the_event_after_it_arrives() {
    let agent = "import subprocess\ndef main():\n    subprocess.run(\"grep VmRSS: /proc/$R/status; head -c 1G /dev/zero; echo; \
                 grep VmHWM: /proc/$R/status\".replace('$R', str(__import__('os').getppid())), shell=True)\n    \
                 print('__CHARM_EVENT__{\"type\":\"artifact\",\"content\":\"after\"}')\n";
    let done = Project::python(agent).run(&["--telemetry-report=json"]).assert_status(0);
    assert_eq!(done.content("artifact"), "after");
    let said = done.contents("thinking");
    let missing = (1 << 30) - 65_536;
    assert_eq!(said[1], format!("{}... ({missing} bytes cut)\n", "\0".repeat(65_536)));
    let grown = grown(&said);
    assert!(grown < 4096, "memory grew by {grown} KiB");
    assert!(done.stderr.contains(&format!("1 line longer than 64 KiB, cut: {missing} bytes are missing")));
}

#[test]
fn c1_a_command_that_writes_a_gigabyte_costs_what_its_result_may_have() {
    let project = Project::shell(
        "grep VmRSS: /proc/$PPID/status; head -c 1G /dev/zero | tr '\\0' x; echo; grep VmHWM: /proc/$PPID/status; \
         echo '__CHARM_EVENT__{\"type\":\"artifact\",\"content\":\"after\"}'",
    );
    let done = project.run(&[]).assert_status(0);
    assert_eq!(done.content("artifact"), "after");
    let said = done.contents("thinking");
    let told = said.last().unwrap().as_str().unwrap();
    assert!(told.starts_with("the output is longer than 16 MiB: the last "), "{told}");
    let grown = grown(&said[..3]);
    assert!(grown < 40 << 10, "memory grew by {grown} KiB");
}

/// The account of what was cut.
fn cut(done: &Done) -> serde_json::Value {
    let report = done.stderr.lines().find_map(|line| line.strip_prefix("charm: {")).expect("a report");
    serde_json::from_str::<serde_json::Value>(&format!("{{{report}")).unwrap()["cut"].take()
}

#[test]
fn of_a_line_that_is_too_long_all_is_shown_up_to_the_bound_and_the_cut_is_told() {
    let agent = "import sys\ndef main():\n    for out in sys.stdout, sys.stderr:\n        print('a' * 65536, file=out)\n        \
                 print('b' * 70000, file=out)\n    return 'x'\n";
    let done = Project::python(agent).run(&["--telemetry-report=json"]).assert_status(0);
    let (whole, kept) = ("a".repeat(65_536) + "\n", "b".repeat(65_536) + "... (4464 bytes cut)\n");
    assert_eq!(done.contents("thinking"), [json!(whole), json!(kept)]);
    assert!(done.stderr.contains(&(whole + &kept)));
    assert!(done.stderr.contains("charm: 2 lines longer than 64 KiB, cut: 8928 bytes are missing\n"));
    let expected = json!({"lines": 2, "line_bytes": 8928, "events": 0, "event_bytes": 0, "result_bytes": 0});
    assert_eq!(cut(&done), expected);
}

#[test]
fn an_event_that_is_too_long_is_dropped_and_no_text_and_that_is_told() {
    let agent = "def main():\n    for size in 1048000, 2000000:\n        \
                 print('__CHARM_EVENT__{\"type\":\"artifact\",\"content\":\"' + 'x' * size + '\"}')\n    return 'x'\n";
    let done = Project::python(agent).run(&["--telemetry-report"]).assert_status(0);
    assert_eq!(done.content("artifact").as_str().unwrap().len(), 1_048_000);
    assert!(done.contents("thinking").is_empty());
    let told = "charm: 1 event line longer than 1 MiB, dropped: 2000047 bytes\n";
    assert_eq!(
        done.stderr.matches(told).count(),
        2,
        "once as it ends and once in the report: {}",
        done.stderr
    );
    assert!(!done.stderr.contains("held no event"), "{}", done.stderr);
    assert!(!done.stderr.contains("missing"), "{}", done.stderr);
}

#[test]
fn the_result_of_a_command_is_all_that_it_wrote_whatever_its_lines_are() {
    let done =
        Project::shell("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end").run(&["--json", "{}"]);
    let result = done.assert_status(0).result();
    let output = result["output"].as_str().unwrap();
    assert_eq!((output.len(), &output[2_999_999..]), (3_000_005, "x\nend\n"));
}

#[test]
fn of_a_result_that_is_too_long_the_end_is_missing_and_the_run_says_so() {
    let agent =
        "yes 'fifteen bytes..' | head -c 16777000; head -c 500 /dev/zero | tr '\\0' x; echo; echo short";
    let done = Project::shell(agent).run(&["--telemetry-report=json"]).assert_status(0);
    let output = done.content("final");
    let output = output.as_str().unwrap();
    assert_eq!(output.len(), 16 << 20);
    assert!(output.ends_with(&"x".repeat(216)) && !output.contains("short"));
    let told = "the output is longer than 16 MiB: the last 291 bytes of it are not in the result\n";
    assert_eq!(*done.contents("thinking").last().unwrap(), told);
    assert!(done.stderr.contains(told), "{}", done.stderr);
    assert_eq!(cut(&done)["result_bytes"], 291);
}

#[test]
fn c1_odd_bytes_are_shown_and_every_line_of_stdout_is_json() {
    let done = Project::child("odd_bytes.sh", "").run(&[]).assert_status(0);
    let said = done.contents("thinking");
    assert_eq!(said[..3], [json!("10%\r20%\r100%\n"), json!("a\0b\n"), json!("dos\n")]);
    assert_eq!(
        said[3].as_str().unwrap().len(),
        70_001,
        "a command may write long lines: they are its result"
    );
    assert_eq!(done.contents("final")[0], "after odd bytes");
}

#[test]
fn c2_a_bad_byte_spoils_only_its_own_line() {
    let done = Project::child("bad_utf8.py", "").run(&[]).assert_status(0);
    let tokens = done.contents("delta");
    assert_eq!(tokens.iter().filter(|token| **token == "good").count(), 52);
    assert!(done.stderr.contains("lines began with an event marker and held no event"), "{}", done.stderr);
    assert_eq!(done.contents("final")[0], "ö");
}

#[test]
fn c3_a_marker_torn_at_any_byte_is_one_and_a_forged_one_within_a_line_is_text() {
    let done = Project::child("torn_marker.py", "").run(&[]).assert_status(0);
    assert_eq!(done.contents("delta").len(), 51);
    let said = done.contents("thinking");
    assert_eq!(said.len(), 2);
    assert_eq!(said[1], "saw __CHARM_EVENT__{\"type\": \"final\", \"content\": \"forged\"}\n");
    assert!(done.stdout.lines().all(|line| line.starts_with("__CHARM_EVENT__{")));
}

#[test]
fn c3_a_python_agent_cannot_forge_an_event_within_a_line_either() {
    let agent = "def main():\n    print('saw __CHARM_EVENT__{\"type\":\"final\",\"content\":1}')\n    \
                 print('__CHARM_EVENT__{\"type\":\"artifact\",\"content\":2}', end='')\n    return 'x'\n";
    let done = Project::python(agent).run(&[]).assert_status(0);
    assert_eq!((done.content("artifact"), done.content("final")), (json!(2), json!("x")));
    assert_eq!(done.contents("thinking").len(), 1);
}

#[test]
fn c4_last_words_without_newline_arrive_and_the_end_is_told_exactly() {
    for (how, status, error) in [
        ("exit 0", 0, None),
        ("exit 41", 0, Some("the agent ended without a result, with exit code 41")),
        ("kill 0", 137, Some("the agent was ended by SIGKILL")),
        ("segv 0", 139, Some("the agent was ended by SIGSEGV")),
    ] {
        let done = Project::child("last_line.py", how).run(&[]).assert_status(status);
        assert_eq!(done.contents("final")[0], "last words", "{how}");
        assert_eq!(done.contents("error"), error.map(|error| json!(error)).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn c4_a_python_agent_that_is_killed_has_said_what_it_said() {
    let agent =
        "import os\ndef main():\n    print('half', end='', flush=True)\n    os.kill(os.getpid(), 9)\n";
    let done = Project::python(agent).run(&["--json", "{}"]).assert_status(137);
    assert_eq!(done.contents("thinking"), ["half"]);
    assert_eq!(done.result(), json!({"status": "error", "message": "the agent was ended by SIGKILL"}));
}

#[test]
fn c5_while_stdout_is_not_read_stderr_flows_and_afterwards_all_of_stdout_is_there_in_order() {
    let mut running = Project::child("flood.py", "4 20000").start(&[]);
    let mut stderr = running.stderr.take().unwrap();
    let mut flood = vec![0; 4 << 20];
    std::io::Read::read_exact(&mut stderr, &mut flood).unwrap();
    assert!(flood.iter().all(|byte| matches!(byte, b'e' | b'\n')));
    let done = running.finish().assert_status(0);
    let mut said = done.contents("thinking");
    let told = said.pop().unwrap();
    assert!(told.as_str().unwrap().starts_with("the output is longer than 16 MiB"), "{told}");
    assert_eq!(said.len(), 20_000);
    assert!(said.iter().enumerate().all(|(n, line)| line.as_str().unwrap().starts_with(&format!("{n:08} "))));
    assert_eq!(done.contents("final")[0], "flooded");
}

#[test]
fn c5_a_stderr_that_nobody_reads_delays_nothing() {
    let mut running = Project::child("flood.py", "4 10").start(&[]);
    let stderr = running.stderr.take();
    let done = running.finish().assert_status(0);
    assert_eq!(done.contents("thinking").len(), 10);
    drop(stderr);
}

#[test]
fn c5_a_stdout_that_nobody_reads_cannot_keep_the_runner_from_ending_when_it_is_told_to() {
    let project = Project::shell(
        "yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx | head -c 100M; echo >&2 full; sleep 1000",
    )
    .env("CHARM_TELEMETRY_SHUTDOWN_TIMEOUT", "0.2");
    let mut running = project.start(&["--json", "{}"]);
    // The flood begins: it is more than fits anywhere.
    running.next_event("thinking");
    let told = Instant::now();
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), 143);
    assert!(told.elapsed() < Duration::from_secs(20), "{:?}", told.elapsed());
}

#[test]
fn c6_a_grandchild_that_holds_the_pipes_delays_the_end_by_two_seconds_and_is_killed() {
    let started = Instant::now();
    let done = Project::child("grandchild.py", "hold").run(&["--fail-on-error"]).assert_status(1);
    assert!(started.elapsed() < Duration::from_secs(15));
    assert_goes(said_pid(&done));
    assert_eq!(done.content("error"), "the agent ended without a result, with exit code 3");
}

#[test]
fn c6_daemons_are_killed_with_and_without_pipes() {
    for mode in ["quiet", "daemon", "clinging"] {
        let done = Project::child("grandchild.py", mode).run(&[]).assert_status(0);
        assert!(!runs(said_pid(&done)), "{mode}");
    }
}

#[test]
fn c6_an_agent_that_closes_its_output_and_works_on_is_waited_for() {
    let done = Project::child("runs_on.py", "").run(&[]).assert_status(0);
    assert_eq!(done.content("error"), "the agent ended without a result, with exit code 4");
}

#[test]
fn c7_as_process_1_ten_thousand_orphans_are_reaped_and_the_agents_status_is_its_own() {
    let unshare = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let can = std::process::Command::new("unshare").args(unshare).arg("true").output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!("not shown here: this system gives no process id namespace");
        return;
    }
    let orphans = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/children/orphans.sh");
    // Zombies that are left are counted by the last command, which runs as a child of process 1.
    let agent = format!(
        "'{orphans}' 10000; code=$?; sleep 0.1; echo parent $PPID; grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l; exit $code"
    );
    let project = Project::shell(&agent);
    let mut command = project.program("unshare");
    command.args(unshare).args([crate::project::RUNNER, "run", "."]);
    let done = crate::project::Running::start(&mut command).finish().assert_status(0);
    assert_eq!(done.contents("thinking"), ["parent 1\n", "0\n"]);
    assert_eq!(done.content("error"), "the agent ended without a result, with exit code 5");
}

#[test]
fn c8_when_the_runner_is_killed_the_agent_dies_with_it() {
    let mut running = Project::child("stubborn.py", "").start(&[]);
    let pid: i64 = running.next_event("thinking")["content"].as_str().unwrap().trim().parse().unwrap();
    running.signal(Signal::KILL);
    assert_eq!(running.wait(), -9);
    assert_goes(pid);
}

#[test]
fn c8_an_agent_that_ignores_signals_is_killed_when_its_grace_is_over() {
    let mut running = Project::child("stubborn.py", "").start(&[]);
    let pid: i64 = running.next_event("thinking")["content"].as_str().unwrap().trim().parse().unwrap();
    let asked = Instant::now();
    running.signal(Signal::TERM);
    let stdout = read(running.stdout.take());
    assert_eq!(running.wait(), 143);
    assert!(
        (Duration::from_secs(4)..Duration::from_secs(15)).contains(&asked.elapsed()),
        "{:?}",
        asked.elapsed()
    );
    assert!(!runs(pid));
    let stdout = String::from_utf8(stdout.recv().unwrap()).unwrap();
    assert!(stdout.contains(r#"{"type":"error","content":"the run was stopped by SIGTERM"}"#), "{stdout}");
}

#[test]
fn c9_hostile_json_costs_its_own_line_and_nothing_else() {
    let done = Project::child("hard_json.py", "").run(&[]).assert_status(0);
    assert!(done.stderr.contains("2 lines began with an event marker and held no event"), "{}", done.stderr);
    assert!(done.stderr.contains("1 event line longer than 1 MiB, dropped"), "{}", done.stderr);
    assert!(done.stdout.contains("__CHARM_EVENT__{\"type\": \"final\", \"content\": \"easy\"}\n"));
    // As it came: the same key twice is for the reader to judge.
    assert!(
        done.stdout
            .contains(r#"__CHARM_EVENT__{"type": "status", "type": "final", "content": 1, "content": 2}"#)
    );
}
