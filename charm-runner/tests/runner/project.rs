//! A project in a folder of its own, and what the runner made of it.
//! The one rule: nothing of the machine's environment but `PATH` reaches the runner, and nothing runs longer than
//! [`BOUND`].

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long one start of the runner may take, on a busy machine too.
pub(crate) const BOUND: Duration = Duration::from_mins(2);

/// The binary under test.
pub(crate) const RUNNER: &str = env!("CARGO_BIN_EXE_charm-runner");

const MARKER: &str = "__CHARM_EVENT__";

/// A project that can be run.
pub(crate) struct Project {
    root: Rc<TempDir>,
    folder: PathBuf,
    adapter: &'static str,
    entry_point: String,
    /// More lines of the manifest, at its top level.
    more: String,
    telemetry: String,
    variables: Vec<&'static str>,
    environment: Vec<(String, String)>,
}

impl Project {
    /// Whose agent is a command of the shell.
    pub(crate) fn shell(entry_point: &str) -> Self {
        Self::new("node", entry_point)
    }

    /// Whose agent is one of the badly behaved programs in `tests/children`.
    pub(crate) fn child(program: &str, arguments: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/children").join(program);
        Self::shell(&format!("exec '{}' {arguments}", path.display()))
    }

    /// Whose agent is the function `main` of this Python text.
    pub(crate) fn python(agent: &str) -> Self {
        let project = Self::new("python", "agent:main");
        project.file("agent.py", agent);
        project
    }

    fn new(adapter: &'static str, entry_point: &str) -> Self {
        let root = Rc::new(tempfile::tempdir().unwrap());
        let folder = root.path().join("my project");
        fs::create_dir(&folder).unwrap();
        Self {
            root,
            folder,
            adapter,
            entry_point: entry_point.to_owned(),
            more: String::new(),
            telemetry: String::new(),
            variables: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Writes a file into the folder.
    pub(crate) fn file(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }

    /// Adds lines to the manifest.
    pub(crate) fn manifest(mut self, lines: &str) -> Self {
        writeln!(self.more, "{lines}").unwrap();
        self
    }

    /// Lists exporters.
    pub(crate) fn telemetry(mut self, names: &str) -> Self {
        names.clone_into(&mut self.telemetry);
        self
    }

    /// Names variables of the agent, whose values are secret.
    pub(crate) fn variables(mut self, names: &[&'static str]) -> Self {
        self.variables.extend(names);
        self
    }

    /// Sets a variable of the runner.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The runner in this project's folder, with this project's environment. Writes the manifest.
    pub(crate) fn runner(&self) -> Command {
        self.program(RUNNER)
    }

    /// The same for the runner under another path, or for a program that starts it.
    pub(crate) fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        self.file("charm.yaml", &self.manifest_text());
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.root.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// `charm-runner run . ARGUMENTS`, to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        self.start(arguments).finish()
    }

    /// `charm-runner run . ARGUMENTS`.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.runner();
        command.args(["run", "."]).args(arguments);
        let mut running = Running::start(&mut command);
        running.folder = Some(Rc::clone(&self.root));
        running
    }

    /// `charm-runner ARGUMENTS`, to its end.
    pub(crate) fn call(&self, arguments: &[&str]) -> Done {
        Running::start(self.runner().args(arguments)).finish()
    }

    fn manifest_text(&self) -> String {
        let Self { adapter, more, telemetry, variables, .. } = self;
        let entry_point = serde_json::to_string(&self.entry_point).unwrap();
        let variables = variables.join(", ");
        format!(
            "version: \"0.4\"\npersona: {{name: Tested, description: a test}}\ninterface: {{input: {{type: object}}, \
             output: {{type: string}}}}\nruntime:\n  adapter:\n    type: {adapter}\n    entry_point: {entry_point}\n    \
             environment_variables: [{variables}]\n  telemetry: [{telemetry}]\n{more}"
        )
    }
}

/// A runner on its way. Killed if it is dropped.
pub(crate) struct Running {
    process: Child,
    /// The project is there as long as its agent.
    folder: Option<Rc<TempDir>>,
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
    pub(crate) stderr: Option<BufReader<ChildStderr>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process = command.spawn().unwrap();
        let stdout = process.stdout.take().map(BufReader::new);
        let stderr = process.stderr.take().map(BufReader::new);
        Self { process, stdout, stderr, folder: None }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// The next event of this type.
    pub(crate) fn next_event(&mut self, kind: &str) -> Value {
        let lines = self.stdout.as_mut().unwrap().lines();
        let mut events = lines.map(|line| event_of(&line.unwrap()).unwrap_or_default());
        events.find(|event| event["type"] == kind).expect("the event comes")
    }

    /// Reads to the end.
    pub(crate) fn finish(mut self) -> Done {
        let (stdout, stderr) = (read(self.stdout.take()), read(self.stderr.take()));
        let status = self.wait();
        let read = |receiver: mpsc::Receiver<Vec<u8>>| {
            receiver.recv_timeout(BOUND).expect("pipes close with the runner")
        };
        Done { status, stdout: text(read(stdout)), stderr: text(read(stderr)) }
    }

    /// Waits for the end of the runner itself: its exit code, or -n for signal n.
    pub(crate) fn wait(&mut self) -> i32 {
        let (ended, end) = mpsc::channel::<()>();
        let pid = Pid::from_child(&self.process);
        let watchdog = thread::spawn(move || {
            if end.recv_timeout(BOUND) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        let status = self.process.wait().unwrap();
        drop(ended);
        watchdog.join().unwrap();
        status.code().unwrap_or_else(|| -status.signal().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// The exit code, or -n for signal n.
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// The events, in order.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.lines().filter_map(event_of).collect()
    }

    /// The contents of all events of a type.
    pub(crate) fn contents(&self, kind: &str) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| event["type"] == kind);
        events.into_iter().map(|mut event| event["content"].take()).collect()
    }

    /// The only content of this type.
    pub(crate) fn content(&self, kind: &str) -> Value {
        let mut contents = self.contents(kind);
        assert_eq!(contents.len(), 1, "one `{kind}`: {self:#?}");
        contents.remove(0)
    }

    /// The result object on the last line.
    pub(crate) fn result(&self) -> Value {
        let (_, last) = self.stdout.trim_end_matches('\n').rsplit_once('\n').expect("more than one line");
        assert!(self.stdout.ends_with('\n'));
        serde_json::from_str(last).expect("the last line is JSON")
    }

    #[track_caller]
    pub(crate) fn assert_status(self, status: i32) -> Self {
        assert_eq!(self.status, status, "stdout: {}\nstderr: {}", head(&self.stdout), head(&self.stderr));
        self
    }
}

/// Reads a pipe to its end on a thread of its own.
pub(crate) fn read(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        let _ = send.send(bytes);
    });
    receive
}

/// Whether a process is there, zombies left aside.
pub(crate) fn runs(pid: i64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// Waits until a process has gone.
#[track_caller]
pub(crate) fn assert_goes(pid: i64) {
    let gone = (0..400).any(|_| {
        !runs(pid) || {
            thread::sleep(Duration::from_millis(25));
            false
        }
    });
    assert!(gone, "process {pid} still runs");
}

fn event_of(line: &str) -> Option<Value> {
    let json = line.strip_prefix(MARKER)?;
    // Half a surrogate pair passes through, and this parser does not take it.
    Some(serde_json::from_str(&json.replace("\\ud800", "\\ufffd")).expect("an event is JSON"))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("the runner writes UTF-8")
}

fn head(text: &str) -> String {
    text.chars().take(2000).collect()
}
