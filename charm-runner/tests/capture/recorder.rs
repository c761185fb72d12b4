//! A sink that remembers.
//! The one rule: it parses each line of stdout as the runner does, and keeps lines as they came.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use charm_runner::child::{CaptureSink, CapturedLine, ChildOutcome, ChildSpec, Notice, Signals, supervise};
use charm_telemetry_core::protocol::{Line, Malformed, parse_line};

/// How long any child of these tests may take: far more than it needs on a busy machine.
const BOUND: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) bytes: Vec<u8>,
    pub(crate) total_len: u64,
    pub(crate) has_newline: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) stdout: Vec<Seen>,
    pub(crate) stderr_lines: u64,
    pub(crate) stderr_bytes: u64,
    pub(crate) stderr_head: Vec<u8>,
    pub(crate) bridge: Vec<u8>,
    /// The object of each event.
    pub(crate) events: Vec<String>,
    pub(crate) malformed: Vec<Malformed>,
    pub(crate) texts: u64,
    pub(crate) notices: Vec<Notice>,
    /// Full until this many bytes of stderr have come.
    pub(crate) full_until_stderr: u64,
    /// Whether anything of stdout came while full, beyond the lines of one read.
    pub(crate) bytes_while_full: usize,
}

impl CaptureSink for Recorder {
    fn stdout_line(&mut self, line: CapturedLine<'_>) {
        if self.is_full() {
            self.bytes_while_full += line.bytes.len();
        }
        match parse_line(line.bytes) {
            Line::Event(event) if !line.is_cut() => self.events.push(event.json.to_owned()),
            Line::Malformed(why) => self.malformed.push(why),
            Line::Event(_) | Line::Text(_) => self.texts += 1,
        }
        let CapturedLine { bytes, total_len, has_newline } = line;
        self.stdout.push(Seen { bytes: bytes.to_vec(), total_len, has_newline });
    }

    fn stderr_line(&mut self, line: CapturedLine<'_>) {
        self.stderr_lines += 1;
        self.stderr_bytes += line.total_len + u64::from(line.has_newline);
        if self.stderr_lines == 1 {
            self.stderr_head = line.bytes.to_vec();
        }
    }

    fn bridge_bytes(&mut self, bytes: &[u8]) {
        self.bridge.extend_from_slice(bytes);
    }

    fn is_full(&self) -> bool {
        self.stderr_bytes < self.full_until_stderr
    }

    fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }
}

impl Recorder {
    /// The first line of stdout as the process id that many of the children say.
    pub(crate) fn said_pid(&self) -> u32 {
        String::from_utf8_lossy(&self.stdout[0].bytes).parse().expect("the child says its process id first")
    }
}

/// A program of `tests/children/`.
pub(crate) fn child(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/children").join(name)
}

pub(crate) fn command(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(child(name));
    command.args(arguments);
    command
}

pub(crate) fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Runs a child in this process and asserts that it needed no bound.
pub(crate) fn run(command: Command) -> (ChildOutcome, Recorder) {
    run_with(command, |spec| spec, Recorder::default())
}

pub(crate) fn run_with(
    command: Command,
    adjust: impl FnOnce(ChildSpec) -> ChildSpec,
    mut sink: Recorder,
) -> (ChildOutcome, Recorder) {
    let started = Instant::now();
    let spec = adjust(ChildSpec::new(command).timeout(Some(BOUND)));
    let mut signals = Signals::install().unwrap();
    let outcome = supervise(spec, &mut signals, &mut sink).unwrap();
    assert!(started.elapsed() < BOUND, "took {:?}: {outcome:?}", started.elapsed());
    (outcome, sink)
}

/// Whether a process runs; a zombie does not.
pub(crate) fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

/// Waits until a process is gone; kills it if it does not go by itself.
pub(crate) fn assert_goes(pid: u32) {
    let _kill = KillLater(pid);
    let deadline = Instant::now() + Duration::from_secs(10);
    while runs(pid) {
        assert!(Instant::now() < deadline, "process {pid} still runs");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Kills a process that a test leaves running, on purpose or by a failure.
pub(crate) struct KillLater(pub(crate) u32);

impl Drop for KillLater {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0).ok().and_then(rustix::process::Pid::from_raw);
        let _ = rustix::process::kill_process(pid.expect("a process id"), rustix::process::Signal::KILL);
    }
}
