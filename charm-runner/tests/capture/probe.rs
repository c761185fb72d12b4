//! A process of our own that supervises a child: for tests about signals to the runner, its memory and its orphans.
//! The one rule: it is this test binary started again, so that nothing else has to be built or found.
//!
//! The probe tells what happens on its stderr, a line each: `line TEXT`, `notice TEXT` and at the end `outcome JSON`.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use charm_runner::child::{
    CaptureSink, CapturedLine, ChildSpec, Exit, Notice, Orphans, Signals, Stdin, StopSignal, supervise,
};
use charm_telemetry_core::protocol::{Line, parse_line};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::recorder::child;

/// How long a probe may live.
const BOUND: Duration = Duration::from_secs(90);

/// The child that a probe runs, and how.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    pub(crate) arguments: Vec<&'static str>,
    pub(crate) adopt: bool,
    /// The sink never has room.
    pub(crate) stalled: bool,
    /// SIGTERM comes before the child is started.
    pub(crate) signal_first: bool,
    /// Written before the probe's command: `unshare --pid ..`.
    pub(crate) wrapper: Vec<&'static str>,
    pub(crate) grace: Option<Duration>,
    /// Written to the probe's stdin, which the child then inherits.
    pub(crate) stdin: Option<&'static str>,
}

pub(crate) struct Probe {
    process: Child,
    told: Lines<BufReader<ChildStderr>>,
}

impl Probe {
    pub(crate) fn start(name: &str, setup: &Setup) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = match setup.wrapper.split_first() {
            Some((wrapper, rest)) => {
                let mut command = Command::new(wrapper);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        let mut line = vec![child(name).into_os_string().into_string().unwrap()];
        line.extend(setup.arguments.iter().map(|argument| (*argument).to_owned()));
        let grace = setup.grace.unwrap_or(Duration::from_mins(1));
        let told = json!({
            "command": line, "adopt": setup.adopt, "stalled": setup.stalled, "signal_first": setup.signal_first,
            "inherit": setup.stdin.is_some(), "grace_ms": u64::try_from(grace.as_millis()).unwrap(),
        });
        let mut process = command
            .args(["--exact", "probe::the_process_that_other_tests_start", "--nocapture"])
            .env("CAPTURE_PROBE", told.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(setup.stdin.unwrap_or_default().as_bytes()).unwrap();
        let told = BufReader::new(process.stderr.take().unwrap()).lines();
        Self { process, told }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.process);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// What the probe tells next under this word.
    pub(crate) fn next(&mut self, word: &str) -> String {
        let mut others = Vec::new();
        for line in self.told.by_ref() {
            let line = line.unwrap();
            match line.strip_prefix(word).and_then(|rest| rest.strip_prefix(' ')) {
                Some(rest) => return rest.to_owned(),
                None => others.push(line),
            }
        }
        panic!("the probe ended without `{word}`: {others:#?}");
    }

    /// The process id that the child says first.
    pub(crate) fn child_pid(&mut self) -> u32 {
        self.next("line").parse().expect("the child says its process id first")
    }

    pub(crate) fn outcome(&mut self) -> Value {
        serde_json::from_str(&self.next("outcome")).unwrap()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Says on stderr what it is handed.
#[derive(Default)]
struct Teller {
    events: u64,
    malformed: u64,
    stalled: bool,
}

impl CaptureSink for Teller {
    fn stdout_line(&mut self, line: CapturedLine<'_>) {
        match parse_line(line.bytes) {
            Line::Event(_) => self.events += 1,
            Line::Malformed(_) => self.malformed += 1,
            Line::Text(_) => {}
        }
        let text = String::from_utf8_lossy(line.bytes).replace('\0', "0");
        tell(&format!("line {text}"));
    }

    fn stderr_line(&mut self, line: CapturedLine<'_>) {
        tell(&format!("stderr {}", String::from_utf8_lossy(line.bytes)));
    }

    fn is_full(&self) -> bool {
        self.stalled
    }

    fn notice(&mut self, notice: Notice) {
        tell(&format!("notice {notice:?}"));
    }
}

fn tell(line: &str) {
    // Not `eprintln`, which the test harness would keep for itself. Nobody may listen any more.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Does nothing in an ordinary test run; see the top of this file.
#[test]
fn the_process_that_other_tests_start() {
    let Ok(setup) = std::env::var("CAPTURE_PROBE") else { return };
    std::thread::spawn(|| {
        std::thread::sleep(BOUND);
        tell("the probe took too long");
        std::process::exit(99);
    });
    let setup: Value = serde_json::from_str(&setup).unwrap();
    let mut arguments =
        setup["command"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
    let mut command = Command::new(arguments.next().unwrap());
    command.args(arguments);
    let orphans = if setup["adopt"] == true { Orphans::Adopt } else { Orphans::Leave };
    let grace = Duration::from_millis(setup["grace_ms"].as_u64().unwrap());
    let stdin = if setup["inherit"] == true { Stdin::Inherit } else { Stdin::Null };
    let spec = ChildSpec::new(command).orphans(orphans).grace(grace).stdin(stdin);
    let mut signals = Signals::install().unwrap();
    if setup["signal_first"] == true {
        rustix::process::kill_process(rustix::process::getpid(), Signal::TERM).unwrap();
    }
    let mut sink = Teller { stalled: setup["stalled"] == true, ..Teller::default() };
    let before = reset_peak();
    let outcome = supervise(spec, &mut signals, &mut sink).unwrap();
    let grown = memory("VmHWM:").saturating_sub(before);
    let (code, signal) = match outcome.exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal(signal) => (None, Some(signal)),
        Exit::Unknown => (None, None),
    };
    let told = json!({
        "code": code, "signal": signal, "killed": outcome.killed, "events": sink.events, "malformed": sink.malformed,
        "stopped_by": outcome.stopped_by.map(StopSignal::number), "exit_code": outcome.exit_code(),
        "orphans_killed": outcome.orphans_killed, "orphans_reaped": outcome.orphans_reaped,
        "cut": outcome.stdout.cut, "lines": outcome.stdout.lines, "bytes_discarded": outcome.stdout.bytes_discarded,
        "gave_up_listening": outcome.gave_up_listening, "pid": std::process::id(),
        "grown_kib": grown, "children": children(), "duration_ms": outcome.duration.as_secs_f64() * 1e3,
    });
    tell(&format!("outcome {told}"));
}

/// Sets the peak of our memory to its present size, which is returned in KiB.
fn reset_peak() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    memory("VmRSS:")
}

fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How many children this process has, zombies included.
fn children() -> usize {
    let us = std::process::id().to_string();
    let stats = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    stats
        .filter(|stat| {
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)) == Some(us.as_str())
        })
        .count()
}
