//! How an agent is started: which program, with what, in which environment.
//!
//! Rule: an adapter only prepares a process; what the process says is the same business for all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use charm_telemetry_core::manifest::{AdapterName, Names};
use charm_telemetry_core::trace::TelemetrySettings;
use charm_telemetry_core::{Environment, Problem, RunId, suggest};

use crate::bridge::{Launch, PIPE_ENV, PythonAdapter};
use crate::child::{ChildSpec, LineLimits, Orphans};
use crate::project::Project;
use crate::stderr::say;

use super::input_file::InputFile;

/// The adapters that run a command of the manifest through the shell.
const COMMAND_ADAPTERS: [&str; 2] = ["command", "node"];

/// The adapters that run Python.
const PYTHON_ADAPTERS: [&str; 5] = ["crewai", "custom", "langchain", "langgraph", "python"];

/// What a command writes is its result, and a result may well be one long line.
const LONGEST_RESULT_LINE: usize = 1 << 20;

/// How the agent of a project is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Adapter {
    /// Through the bridge.
    Python(PythonAdapter, String),
    /// As a command of the shell, whose output is the result.
    Command(String),
}

/// The adapter that a manifest names.
pub(crate) fn adapter_of(project: &Project) -> Result<Adapter, Problem> {
    let adapter = &project.manifest.runtime.adapter;
    let entry_point = adapter.entry_point.clone().unwrap_or_default();
    if COMMAND_ADAPTERS.contains(&adapter.kind.as_str()) {
        return Ok(Adapter::Command(entry_point));
    }
    match adapter.kind.parse() {
        Ok(python) => Ok(Adapter::Python(python, entry_point)),
        Err(_) => Err(unknown(&adapter.kind, project.names.adapter.as_ref())),
    }
}

/// What is wrong with the adapter that a manifest names, which itself may have faults.
pub(super) fn unknown_adapter(names: &Names) -> Option<Problem> {
    let adapter = names.adapter.as_ref()?;
    let is_known =
        COMMAND_ADAPTERS.contains(&adapter.kind.as_str()) || adapter.kind.parse::<PythonAdapter>().is_ok();
    (!is_known).then(|| unknown(&adapter.kind, Some(adapter)))
}

impl Adapter {
    /// Whether what the agent writes to stdout is its result.
    pub(super) fn collects_output(&self) -> bool {
        matches!(self, Self::Command(_))
    }

    /// How long the lines may be that the agent writes.
    pub(crate) fn line_limits(&self) -> LineLimits {
        match self {
            Self::Python(..) => LineLimits::default(),
            Self::Command(_) => LineLimits::new(LONGEST_RESULT_LINE, LONGEST_RESULT_LINE),
        }
    }

    /// The process that runs the agent once.
    ///
    /// The file is to be kept until it has ended.
    pub(super) fn child(
        &self,
        project: &Project,
        input: &str,
        run: RunId,
        telemetry: &TelemetrySettings,
    ) -> Result<(ChildSpec, Option<InputFile>)> {
        let (mut command, file) = match self {
            Self::Python(adapter, entry_point) => (python(project, *adapter, entry_point, input)?, None),
            Self::Command(entry_point) => {
                let file = InputFile::write(&project.folder, input, run)?;
                let mut command = command_line(entry_point, Path::new("/bin/sh"));
                command.env("CHARM_INPUT_FILE", file.path());
                (command, Some(file))
            }
        };
        set_environment(&mut command, &project.environment);
        join_trace(&mut command, run, telemetry);
        command
            .env("CHARM_RUN_ID", run.to_string())
            .env("PYTHONUNBUFFERED", "1")
            .current_dir(&project.folder);
        let spec = ChildSpec::new(command)
            .limits(self.line_limits())
            .timeout(project.manifest.policies.execution_timeout)
            .orphans(Orphans::Adopt);
        let spec = match self {
            Self::Python(..) => spec.bridge_pipe(PIPE_ENV),
            Self::Command(_) => spec,
        };
        Ok((spec, file))
    }
}

/// What the agent traces by itself joins the trace of its run.
fn join_trace(command: &mut Command, run: RunId, telemetry: &TelemetrySettings) {
    command.env("TRACEPARENT", telemetry.traceparent_for(run, None).to_string());
    // One that came with no trace, or with a bad one, says nothing of this trace.
    match telemetry.context.tracestate() {
        Some(state) => command.env("TRACESTATE", state),
        None => command.env_remove("TRACESTATE"),
    };
}

fn python(project: &Project, adapter: PythonAdapter, entry_point: &str, input: &str) -> Result<Command> {
    let folder = fs::canonicalize(&project.folder).context("the project's folder")?;
    let launch = Launch::new(folder, adapter, entry_point).inputs(input).cache(Launch::default_cache());
    Ok(launch.python(interpreter(project)).command()?)
}

/// The project's own virtual environment if it has one, else the `python3` of the `PATH`.
fn interpreter(project: &Project) -> PathBuf {
    let own = [".venv", "venv"].map(|name| project.folder.join(name).join("bin/python3"));
    for moved in own.iter().filter(|python| python.is_symlink() && !python.exists()) {
        say(format_args!(
            "warning: `{}` leads nowhere, so this virtual environment is not used; make it again",
            moved.display()
        ));
    }
    let own = own.into_iter().find(|python| python.exists());
    own.and_then(|python| std::path::absolute(python).ok()).unwrap_or_else(|| "python3".into())
}

/// Through the shell. Where there is none, as in an image that stands on nothing, a command of plain words is started by
/// itself; one that needs a shell fails by the shell's name.
fn command_line(entry_point: &str, shell: &Path) -> Command {
    // A shell would only step aside.
    let mut words = entry_point.split_whitespace().skip_while(|&word| word == "exec");
    match words.next().filter(|first| !shell.exists() && !first.contains('=')) {
        Some(program) if !entry_point.contains(SHELL_SIGNS) && !SHELL_WORDS.contains(&program) => {
            let mut command = Command::new(program);
            command.args(words);
            command
        }
        _ => {
            let mut command = Command::new(shell);
            command.arg("-c").arg(entry_point);
            command
        }
    }
}

/// What only a shell can do.
const SHELL_WORDS: [&str; 7] = [".", "cd", "eval", "export", "set", "source", "ulimit"];

/// What means something to a shell.
const SHELL_SIGNS: [char; 20] =
    ['|', '&', ';', '<', '>', '(', ')', '$', '`', '\\', '"', '\'', '*', '?', '[', ']', '#', '~', '{', '\n'];

fn set_environment(command: &mut Command, environment: &Environment) {
    for (name, value) in environment.iter() {
        if std::env::var_os(name).as_ref() != Some(value) {
            command.env(name, value);
        }
    }
}

fn unknown(kind: &str, place: Option<&AdapterName>) -> Problem {
    let mut known: Vec<_> = PYTHON_ADAPTERS.into_iter().chain(COMMAND_ADAPTERS).collect();
    known.sort_unstable();
    let meant = suggest(kind, known.iter().copied())
        .map(|name| format!(" did you mean `{name}`?"))
        .unwrap_or_default();
    let path = "runtime.adapter.type";
    let problem =
        Problem::error(format!("unknown adapter `{kind}`;{meant} known: {}", known.join(", "))).key(path);
    match place {
        Some(adapter) => problem.at(adapter.location.clone()),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(entry_point: &str, shell: &str) -> Vec<String> {
        let command = command_line(entry_point, Path::new(shell));
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_command_of_plain_words_needs_no_shell() {
        assert_eq!(words("./agent --city Oslo", "/bin/sh"), ["/bin/sh", "-c", "./agent --city Oslo"]);
        assert_eq!(words("./agent --city Oslo", "/nonexistent/sh"), ["./agent", "--city", "Oslo"]);
        assert_eq!(words("exec ./agent --city Oslo", "/nonexistent/sh"), ["./agent", "--city", "Oslo"]);
        for line in
            ["./agent | tee log", "A=1 ./agent", "./agent 'Oslo'", "./agent $CITY", "cd agents", "exec"]
        {
            assert_eq!(words(line, "/nonexistent/sh"), ["/nonexistent/sh", "-c", line]);
        }
    }
}
