//! How an agent is started, and what is said when it can not be.
//! The one rule: each message names the file to blame and the way out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use charm_runner::child::{ChildSpec, Exit, Signals, supervise};

use crate::probe::{Probe, Setup};
use crate::recorder::{Recorder, run, sh};

fn refusal(command: Command) -> String {
    let mut signals = Signals::install().unwrap();
    let outcome = supervise(ChildSpec::new(command), &mut signals, &mut Recorder::default());
    outcome.expect_err("this can not be started").to_string()
}

#[test]
fn each_reason_not_to_start_is_told_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let at = folder.path().to_str().unwrap();
    let check = |command: Command, expected: &str| assert_eq!(refusal(command).replace(at, "DIR"), expected);

    check(
        Command::new("no-such-agent"),
        "cannot start `no-such-agent`: not found on `PATH`; install it, or write its full path",
    );
    check(Command::new(format!("{at}/none")), "cannot start `DIR/none`: no such file; check the path");
    check(
        Command::new(file("odd.sh", "#!/no/such/python -u\n", 0o755)),
        "cannot start `DIR/odd.sh`: its first line asks for `/no/such/python`, which does not exist; correct that line or install it",
    );
    check(
        Command::new(file("plain.sh", "#!/bin/sh\n", 0o644)),
        "cannot start `DIR/plain.sh`: permission denied; make it executable with `chmod +x DIR/plain.sh`, or start it through its interpreter",
    );
    check(Command::new(at), "cannot start `DIR`: it is a directory; name the program in it");
    let mut elsewhere = sh("true");
    elsewhere.current_dir(format!("{at}/gone"));
    check(elsewhere, "cannot start `sh` in `DIR/gone`: no such directory; check the path of the project");
    let mut large = sh("true");
    large.arg("x".repeat(4 << 20));
    check(
        large,
        "cannot start `sh`: its arguments and environment are larger than the system allows; hand over large input in a file",
    );
}

#[test]
fn a_program_is_found_on_the_path_that_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my-agent");
    fs::write(&path, "#!/bin/sh\nexit 9\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("my-agent");
    command.env("PATH", folder.path());
    assert_eq!(run(command).0.exit, Exit::Code(9));
}

#[test]
fn the_agent_has_its_own_group_and_an_empty_stdin() {
    let (outcome, sink) =
        run(sh("cat; echo $$; ps -o pgid= -p $$ 2>/dev/null || cut -d' ' -f5 /proc/$$/stat"));
    assert_eq!(outcome.exit, Exit::Code(0));
    let lines: Vec<_> =
        sink.stdout.iter().map(|line| String::from_utf8_lossy(&line.bytes).trim().to_owned()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], lines[1]);
}

#[test]
fn the_agent_holds_no_descriptors_of_ours() {
    let list = "ls /proc/self/fd | tr '\\n' ' '";
    // What this process was started with open is handed on by every program.
    let plain = sh(list).stdin(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    let (_, sink) = run(sh(list));
    assert_eq!(String::from_utf8_lossy(&sink.stdout[0].bytes), String::from_utf8_lossy(&plain.stdout));
}

#[test]
fn the_agent_reads_our_stdin_only_if_it_is_to() {
    for (inherits, lines) in [(true, 2), (false, 1)] {
        let setup = Setup { stdin: inherits.then_some("a line for the agent\n"), ..Setup::default() };
        let mut probe = Probe::start("echo.sh", &setup);
        if inherits {
            assert_eq!(probe.next("line"), "a line for the agent");
        }
        assert_eq!(probe.next("line"), "that was all");
        assert_eq!(probe.outcome()["lines"], lines);
    }
}
