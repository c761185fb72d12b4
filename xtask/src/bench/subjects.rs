//! The commands that are compared, ready to run.
//!
//! Rule: everything a subject needs is made here, so that a timed run does only its own work.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{venv, workspace};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    StaticHello,
    Help,
    Validate,
    PythonPass,
    Run,
    ReferenceHelp,
    ReferenceRun,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StaticHello => "static hello world",
            Self::Help => "charm-runner --help",
            Self::Validate => "charm-runner validate",
            Self::PythonPass => "python3 -c pass",
            Self::Run => "charm-runner run (Python agent)",
            Self::ReferenceHelp => "reference: charm --help",
            Self::ReferenceRun => "reference: charm run (same agent)",
        })
    }
}

/// One command, as often as wanted.
pub(super) struct Subject {
    pub(super) name: Name,
    program: PathBuf,
    args: Vec<String>,
    /// What shows that the command did its work.
    pub(super) says: &'static str,
}

impl Subject {
    fn new(name: Name, program: impl Into<PathBuf>, args: &[&str], says: &'static str) -> Self {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Self { name, program: program.into(), args, says }
    }

    /// The command, with the environment's `python3` for ours and for the peers. The agent's bytecode is kept between
    /// runs, as Python does unless it is told not to.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env("PATH", path_with_venv()).env_remove("PYTHONDONTWRITEBYTECODE");
        command
    }
}

/// Builds what has to be built.
pub(super) fn prepare() -> Result<Vec<Subject>> {
    let scratch = workspace::target_dir().join("bench");
    std::fs::create_dir_all(&scratch)?;
    let hello = static_hello(&scratch)?;
    let agent = minimal_agent(&scratch)?;
    let runner = workspace::build_release("charm-runner")?;
    let [python, reference] = ["python3", "charm"].map(|name| venv::path().join("bin").join(name));
    let run = ["run", &agent, "--json", r#"{"input": "hi"}"#];
    Ok(vec![
        Subject::new(Name::StaticHello, hello, &[], "hello"),
        Subject::new(Name::Help, &runner, &["--help"], "Usage"),
        Subject::new(Name::Validate, &runner, &["validate", &agent], ""),
        Subject::new(Name::PythonPass, python, &["-c", "pass"], ""),
        Subject::new(Name::Run, &runner, &run, "done: hi"),
        Subject::new(Name::ReferenceHelp, &reference, &["--help"], "Usage"),
        Subject::new(Name::ReferenceRun, &reference, &run, "done: hi"),
    ])
}

/// The least that a native command costs.
fn static_hello(scratch: &Path) -> Result<PathBuf> {
    let [source, program] = ["hello.rs", "hello"].map(|name| scratch.join(name));
    std::fs::write(
        &source,
        "//! The least that a native command costs.\nfn main() { println!(\"hello\"); }\n",
    )?;
    let mut rustc = Command::new("rustc");
    rustc
        .args(["-O", "--edition", "2024", "-C", "target-feature=+crt-static", "-o"])
        .arg(&program)
        .arg(&source);
    rustc.current_dir(workspace::root());
    workspace::run(rustc)?;
    Ok(program)
}

/// An agent that does nothing, so that what is left is the runner's own time.
fn minimal_agent(scratch: &Path) -> Result<String> {
    let folder = scratch.join("agent");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("agent.py"), "def run(input):\n    return \"done: \" + input\n")?;
    std::fs::write(folder.join("charm.yaml"), MINIMAL_MANIFEST)?;
    Ok(folder.to_str().context("the workspace's path is not UTF-8")?.to_owned())
}

const MINIMAL_MANIFEST: &str = r#"version: "0.4.2"
persona: {name: Minimal, description: Answers at once}
interface: {input: {type: object}, output: {type: object}}
runtime: {adapter: {type: python, entry_point: "agent:run"}}
"#;

fn path_with_venv() -> std::ffi::OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(venv::path().join("bin")).chain(std::env::split_paths(&rest));
    std::env::join_paths(folders).unwrap_or(rest)
}
