//! One agent through both runners.
//!
//! Rule: after the rewrites of the listed differences, everything has to be equal.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::agent::Agent;
use super::differences::Difference;
use super::outcome::Outcome;
use super::rewrites::rewrite_named;
use crate::requires::Venv;
use crate::{binaries, process, workspace};

/// What came of one comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The agent's name.
    pub agent: String,
    /// The listed differences that it really showed.
    pub used: Vec<String>,
    /// What is different and not listed.
    pub problem: Option<String>,
}

/// Runs the agent through the reference and through ours.
///
/// # Panics
/// If a runner can't be started, or a listed difference has no rewrite.
pub fn check(agent: &Agent, venv: &Venv, differences: &[Difference]) -> Checked {
    let reference = Outcome::of(&run(agent, venv, &venv.program("charm")));
    let ours = Outcome::of(&run(agent, venv, binaries::runner()));
    let mut promised = reference.clone();
    let concerning = differences.iter().filter(|difference| difference.concerns(&agent.name));
    let used = concerning.filter(|difference| {
        let rewrite = rewrite_named(&difference.id).expect("a test of its own checks the names");
        rewrite(&mut promised, agent)
    });
    let used = used.map(|difference| difference.id.clone()).collect();
    Checked { agent: agent.name.clone(), used, problem: describe(&promised, &ours, &reference) }
}

/// As the cloud starts it: under the name `charm`, in the project. In a copy of it, because a runner may write there,
/// and with an environment that holds nothing else.
fn run(agent: &Agent, venv: &Venv, runner: &Path) -> process::Finished {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let [home, project] = [scratch.path().join("home"), scratch.path().join("project")];
    std::fs::create_dir(&home).expect("the scratch folder is ours");
    workspace::copy_folder(&agent.folder, &project);
    let command_name = scratch.path().join("charm");
    std::os::unix::fs::symlink(runner, &command_name).expect("the scratch folder is ours");
    let mut command = Command::new(command_name);
    command.args(["run", ".", "--json", &agent.payload]).current_dir(&project);
    command.env_clear().env("PATH", path(venv)).env("HOME", &home).env("LANG", "C.UTF-8");
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONHASHSEED", "0").env("LANGSMITH_TRACING", "false");
    let mut finished = process::run(command, scratch.path());
    finished.stdout = finished.stdout.replace(venv.folder(), "$VENV");
    finished
}

fn path(venv: &Venv) -> std::ffi::OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(venv.bin()).chain(std::env::split_paths(&rest)))
        .expect("the folders of PATH have no separator in them")
}

/// Where ours is not what the rewritten reference promises.
fn describe(promised: &Outcome, ours: &Outcome, reference: &Outcome) -> Option<String> {
    let mut text = String::new();
    if promised.events != ours.events {
        text += &diff(&promised.events, &ours.events);
    }
    if promised.result() != ours.result_as(promised) {
        let _ =
            writeln!(text, "  result promised: {:?}\n  result written:  {:?}", promised.result, ours.result);
    }
    if ours.result.is_some() && ours.result_value().is_none() {
        let _ = writeln!(text, "  our result is not one valid line: {:?}", ours.result);
    }
    if promised.others != ours.others {
        let _ = writeln!(
            text,
            "  other lines promised: {:?}\n  other lines written:  {:?}",
            promised.others, ours.others
        );
    }
    if (promised.glued, promised.code) != (ours.glued, ours.code) {
        let [promised, ours] = [promised, ours].map(|it| format!("exit {:?}, {} glued", it.code, it.glued));
        let _ = writeln!(text, "  promised: {promised}\n  ours:     {ours}");
    }
    (!text.is_empty()).then(|| format!("{text}  the reference: {reference:?}\n"))
}

/// The events around the first that differs.
fn diff(promised: &[Value], ours: &[Value]) -> String {
    let first = promised.iter().zip(ours).take_while(|(a, b)| a == b).count();
    let shown = |events: &[Value]| match events.get(first..) {
        None | Some([]) => "    (no more)\n".to_owned(),
        Some(rest) => rest.iter().take(4).fold(String::new(), |text, event| format!("{text}    {event}\n")),
    };
    format!("  after {first} equal events\n  promised:\n{}  ours:\n{}", shown(promised), shown(ours))
}
