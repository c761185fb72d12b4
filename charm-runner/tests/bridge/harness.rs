//! Runs one agent through the bridge and writes down all that came of it.
//! The one rule: an interpreter that is missing is told by name, and is a failure where everything is required.

use std::io::Read;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use charm_runner::bridge::{Frame, FrameDecoder, Launch, PIPE_ENV, PythonAdapter, Record};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use tempfile::TempDir;

/// Far more than any of these agents takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// The versions that the bridge promises to work with: 3.9 to 3.13.
const MINORS: std::ops::RangeInclusive<u32> = 9..=13;

/// What came of a run. The lines of `told` are in their order: `o:` what was printed, `c:` the same of another process, `t:CALL:TOKEN`, `j:` a record.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) told: Vec<String>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: ExitStatus,
}

impl Seen {
    /// What is wrong with it, if its only record is not this result.
    #[track_caller]
    pub(crate) fn gives(&self, result: &str) {
        self.tells(&[&format!(r#"j:{{"result":{result},"type":"result"}}"#)]);
    }

    #[track_caller]
    pub(crate) fn tells(&self, expected: &[&str]) {
        assert_eq!(self.told, expected, "stderr: {}", self.stderr);
        assert!(self.status.success(), "{self:?}");
    }
}

impl Seen {
    /// With `#1`, `#2`... for run ids, in order of appearance.
    pub(crate) fn with_numbered_ids(mut self) -> Self {
        let mut ids: Vec<String> = Vec::new();
        for line in &mut self.told {
            while let Some(id) = uuid(line) {
                let at = ids.iter().position(|known| *known == id).unwrap_or_else(|| {
                    ids.push(id.clone());
                    ids.len() - 1
                });
                *line = line.replace(&id, &format!("#{}", at + 1));
            }
        }
        self
    }
}

fn uuid(line: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_hexdigit() || c == '-';
    line.split(|c: char| !is_part(c))
        .find(|word| word.len() == 36 && word.matches('-').count() == 4)
        .map(str::to_owned)
}

/// An agent of one file, `agent.py`, with the entry point `agent:main`.
pub(crate) struct Agent {
    pub(crate) project: TempDir,
    launch: Launch,
}

impl Agent {
    pub(crate) fn new(python: &Path, source: &str) -> Self {
        Self::of(python, PythonAdapter::Python, "agent:main", source)
    }

    pub(crate) fn of(python: &Path, adapter: PythonAdapter, entry: &str, source: &str) -> Self {
        let project = tempfile::tempdir().expect("a temporary directory can be made");
        std::fs::write(project.path().join("agent.py"), source).expect("the agent can be written");
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bridge-cache");
        let launch = Launch::new(project.path(), adapter, entry).python(python).cache(Some(cache));
        Self { project, launch }
    }

    pub(crate) fn launched(mut self, change: impl FnOnce(Launch) -> Launch) -> Self {
        self.launch = change(self.launch);
        self
    }

    pub(crate) fn run(&self, inputs: &str) -> Seen {
        self.start(inputs).wait()
    }

    pub(crate) fn start(&self, inputs: &str) -> Running {
        let mut command = self.launch.clone().inputs(inputs).command().expect("the launch is sound");
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe can be made");
        command.env(PIPE_ENV, write.as_raw_fd().to_string()).env_remove("PYTHONUNBUFFERED");
        inherit(&mut command, write);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the interpreter starts");
        drop(command);
        let stdout = collect(child.stdout.take().expect("stdout is piped"));
        let stderr = collect(child.stderr.take().expect("stderr is piped"));
        Running { child, frames: collect(std::fs::File::from(read)), stdout, stderr }
    }
}

/// A started agent. It is killed if the test ends before it.
pub(crate) struct Running {
    pub(crate) child: Child,
    frames: Receiver<Vec<u8>>,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
}

impl Running {
    /// Waits until the agent has said `text` on its pipe.
    pub(crate) fn until(&mut self, text: &str) -> Vec<u8> {
        let mut so_far = Vec::new();
        while !String::from_utf8_lossy(&so_far).contains(text) {
            let more = self.frames.recv_timeout(PATIENCE).expect("the agent says it");
            assert!(!more.is_empty(), "the agent ended before it said `{text}`");
            so_far.extend(more);
        }
        so_far
    }

    pub(crate) fn wait(self) -> Seen {
        self.wait_after(Vec::new())
    }

    pub(crate) fn wait_after(mut self, mut frames: Vec<u8>) -> Seen {
        frames.extend(all(&self.frames));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (stdout, stderr) = (text(all(&self.stdout)), text(all(&self.stderr)));
        let status = self.child.wait().expect("it is our child");
        Seen { told: transcript(&frames), stdout, stderr, status }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After `wait` there is nothing to kill, and this does nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every Python that is promised and at hand.
pub(crate) fn pythons() -> &'static [PathBuf] {
    static FOUND: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let found: Vec<_> = MINORS
            .filter_map(|minor| python(minor).or_else(|| missing(&format!("python3.{minor}"))))
            .collect();
        assert!(!found.is_empty(), "none of Python 3.9 to 3.13 is at hand");
        found
    })
}

/// The interpreter of the virtual environment with CrewAI.
pub(crate) fn crew_python() -> Option<PathBuf> {
    let venv = root().join("target/test-crewai");
    let python = venv.join("bin/python");
    // The stamp: an install that was interrupted is none.
    let is_whole = venv.join("charm-requirements.txt").is_file() && python.exists();
    if is_whole { Some(python) } else { missing(&python.display().to_string()) }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in a workspace")
}

/// The interpreter of the virtual environment with the frameworks.
pub(crate) fn framework_python() -> Option<PathBuf> {
    let venv =
        std::env::var_os("CHARM_TEST_VENV").map_or_else(|| root().join("target/test-venv"), PathBuf::from);
    let python = venv.join("bin/python");
    if python.exists() { Some(python) } else { missing(&python.display().to_string()) }
}

fn missing(what: &str) -> Option<PathBuf> {
    assert!(
        std::env::var_os("CHARM_TEST_REQUIRE_ALL").is_none_or(|v| v != "1"),
        "{what} is required and missing"
    );
    eprintln!("SKIPPED: {what} is missing; CHARM_TEST_REQUIRE_ALL=1 makes this a failure");
    None
}

fn python(minor: u32) -> Option<PathBuf> {
    let root = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".pyenv")));
    let versions = root.and_then(|root| std::fs::read_dir(root.join("versions")).ok());
    let managed = versions.into_iter().flatten().flatten().map(|version| version.path());
    let prefix = format!("3.{minor}.");
    let named =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
    let mut candidates: Vec<_> = managed.filter(named).map(|path| path.join("bin/python3")).collect();
    candidates.push(PathBuf::from(format!("python3.{minor}")));
    candidates.into_iter().find_map(|candidate| real(&candidate, minor))
}

/// The program behind a name, which may be a shim that finds no such version.
fn real(candidate: &Path, minor: u32) -> Option<PathBuf> {
    let ask = "import sys; print(sys.version_info[1], sys.executable)";
    let output = Command::new(candidate).args(["-c", ask]).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let (version, path) = said.trim().split_once(' ')?;
    (version == minor.to_string()).then(|| PathBuf::from(path))
}

#[expect(
    unsafe_code,
    reason = "clearing close-on-exec for one child alone can only be done between fork and exec"
)]
fn inherit(command: &mut Command, fd: OwnedFd) {
    let keep = move || Ok(fcntl_setfd(&fd, FdFlags::empty())?);
    // SAFETY: one system call on a descriptor that the closure owns.
    unsafe { command.pre_exec(keep) };
}

/// Reads in a thread, so that no pipe fills while another is read. An empty piece is the end.
fn collect(mut source: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (give, take) = channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let len = source.read(&mut buffer).unwrap_or(0);
            if give.send(buffer[..len].to_vec()).is_err() || len == 0 {
                return;
            }
        }
    });
    take
}

fn all(pieces: &Receiver<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(piece) = pieces.recv_timeout(PATIENCE) {
        if piece.is_empty() {
            return bytes;
        }
        bytes.extend(piece);
    }
    panic!("the agent hangs; so far: {}", String::from_utf8_lossy(&bytes))
}

fn transcript(bytes: &[u8]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut decoder = FrameDecoder::new();
    let mut printed = Vec::new();
    let mut each = |frame: Frame<'_>| {
        if let Frame::Stdout(bytes) = frame {
            printed.extend_from_slice(bytes);
            return;
        }
        print(&mut told, &mut printed);
        told.push(match frame {
            Frame::Stdout(_) => unreachable!("handled above"),
            Frame::ChildStdout { bytes, .. } => format!("c:{}", String::from_utf8_lossy(bytes)),
            Frame::Token { call, token } => format!("t:{call}:{token}"),
            Frame::Record(json) => format!("j:{}", checked(json)),
        });
    };
    // Cut like a pipe that is read in small pieces.
    for piece in bytes.chunks(1000) {
        decoder.feed(piece, &mut each).expect("the bridge writes whole frames");
    }
    decoder.finish().expect("the bridge ends after a frame");
    print(&mut told, &mut printed);
    told
}

fn print(told: &mut Vec<String>, printed: &mut Vec<u8>) {
    if !printed.is_empty() {
        told.push(format!("o:{}", String::from_utf8_lossy(printed)));
        printed.clear();
    }
}

/// The record with its keys sorted; every one must be of a known kind.
fn checked(json: &[u8]) -> serde_json::Value {
    let record = Record::parse(json).expect("the bridge writes known records");
    assert_ne!(record, Record::Unknown);
    let mut value: serde_json::Value = serde_json::from_slice(json).expect("it was just parsed");
    // Paths and line numbers of tracebacks have tests of their own.
    if value["type"] == "result" || value["type"] == "crash" {
        let record = value.as_object_mut().expect("a record is an object");
        record.remove("traceback");
        if record.contains_key("result") {
            record.remove("is_shown");
        }
    }
    value
}
