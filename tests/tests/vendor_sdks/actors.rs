//! Those who tell the story: a script with the vendor's SDK, and the runner with our exporter.
//!
//! Rule: both get the same variables and send to the same kind of receiver; nothing of this machine's environment reaches them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use charm_telemetry_core::testing::{ReceiverDouble, RecordedRequest};
use charm_telemetry_tests::{binaries, process, python_tool, requires, workspace};
use serde_json::Value;

/// The Pythons that both need.
pub(crate) struct Stage {
    sdks: PathBuf,
    agent: requires::Venv,
}

/// The question that makes the run fail, and the one that does not, are in the story.
fn story() -> Value {
    let text = fs::read(folder().join("story.json")).expect("the story is in the repository");
    serde_json::from_slice(&text).expect("it is JSON")
}

fn folder() -> PathBuf {
    workspace::root().join("tests/sdks")
}

/// The variables that a test gives, with the address of the receiver.
pub(crate) type Variables<'a> = &'a dyn Fn(&ReceiverDouble) -> Vec<(&'static str, String)>;

impl Stage {
    /// `None` after saying that the test is skipped.
    pub(crate) fn set() -> Option<Self> {
        Some(Self { sdks: python_tool::program("sdks", "python3")?, agent: requires::venv()? })
    }

    /// What a script with an SDK sends.
    pub(crate) fn sdk(
        &self,
        script: &str,
        arguments: &[&str],
        receiver: &ReceiverDouble,
        variables: Variables<'_>,
    ) -> Vec<RecordedRequest> {
        let scratch = tempfile::tempdir().expect("a scratch folder can be made");
        let mut command = Command::new(&self.sdks);
        command.arg(folder().join(script)).args(arguments);
        bare(&mut command, scratch.path(), &self.sdks);
        command.envs(variables(receiver)).env("PYTHONDONTWRITEBYTECODE", "1");
        let finished = process::run(command, scratch.path());
        assert_eq!(finished.code, Some(0), "{script}: {}{}", finished.stdout, finished.stderr);
        receiver.take_requests()
    }

    /// What our runner sends for the same agent: a run that ends well and one that fails.
    pub(crate) fn ours(
        &self,
        exporter: &str,
        receiver: &ReceiverDouble,
        variables: Variables<'_>,
    ) -> Vec<RecordedRequest> {
        let story = story();
        for (question, status) in [("question", "success"), ("failing_question", "error")] {
            let input = serde_json::json!({ "input": story[question], "thread_id": story["thread"] });
            let project = project(&story, exporter);
            let mut command = Command::new(binaries::runner());
            command.arg("run").arg(project.path()).args(["--json", &input.to_string()]);
            bare(&mut command, project.path(), &self.agent.program("python3"));
            command.envs(variables(receiver)).env("CHARM_SPOOL_MAX_BYTES", "0");
            let finished = process::run(command, project.path());
            let ended = finished.stdout.contains(&format!("{{\"status\":\"{status}\""));
            assert!(ended && finished.code == Some(0), "{}{}", finished.stdout, finished.stderr);
        }
        receiver.take_requests()
    }
}

/// Nothing but a home of its own and the programs of one environment.
fn bare(command: &mut Command, home: &Path, python: &Path) {
    let path = std::env::var("PATH").unwrap_or_default();
    let bin = python.parent().expect("a program is in a folder").display();
    command.env_clear().env("PATH", format!("{bin}:{path}")).env("HOME", home).current_dir(home);
}

fn project(story: &Value, exporter: &str) -> tempfile::TempDir {
    let project = tempfile::tempdir().expect("a scratch folder can be made");
    let agent = story["agent"].as_str().expect("the agent has a name");
    let manifest = format!(
        "version: \"0.4.2\"\npersona: {{name: {agent}, version: 1.2.3, description: tells the story}}\n\
         interface: {{input: {{type: object}}, output: {{type: string}}}}\n\
         runtime:\n  adapter: {{type: langchain, entry_point: \"agent:chain\"}}\n  telemetry: [{exporter}]\n"
    );
    fs::write(project.path().join("charm.yaml"), manifest).expect("the project can be written");
    for (from, to) in [("agent/agent.py", "agent.py"), ("story.json", "story.json")] {
        fs::copy(folder().join(from), project.path().join(to)).expect("the agent can be copied");
    }
    project
}

/// Whether a request carries spans to that path.
pub(crate) fn to<'a>(requests: &'a [RecordedRequest], path: &str) -> Vec<&'a RecordedRequest> {
    let found: Vec<_> = requests.iter().filter(|request| request.path.starts_with(path)).collect();
    let paths: Vec<_> = requests.iter().map(|request| &request.path).collect();
    assert!(!found.is_empty(), "nothing came to {path}: {paths:?}");
    found
}
