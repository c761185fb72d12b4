//! The agents that both runners run.
//!
//! Rule: a folder with a `charm.yaml` takes part; nobody has to list it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::workspace;

/// Where they are.
const HOMES: &[&str] = &["examples/agents", "tests/agents"];

/// A project folder, and what it is given.
#[derive(Debug, Clone)]
pub struct Agent {
    /// The name of its folder.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The input, in JSON.
    pub payload: String,
    /// The environment under `target` that it needs instead of the usual one: `crewai` is `target/test-crewai`.
    pub environment: Option<String>,
}

impl Agent {
    /// Every agent, sorted by name.
    ///
    /// # Panics
    /// If a folder of agents can't be read.
    pub fn all() -> Vec<Self> {
        let mut agents: Vec<_> =
            HOMES.iter().flat_map(|home| Self::in_folder(&workspace::root().join(home))).collect();
        agents.sort_by(|a, b| a.name.cmp(&b.name));
        agents
    }

    fn in_folder(home: &Path) -> Vec<Self> {
        let entries =
            home.read_dir().unwrap_or_else(|error| panic!("can't read `{}`: {error}", home.display()));
        let folders = entries.map(|entry| entry.expect("the folder can be listed").path());
        folders.filter(|folder| folder.join("charm.yaml").is_file()).map(Self::new).collect()
    }

    fn new(folder: PathBuf) -> Self {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let payload = std::fs::read_to_string(folder.join("payload.json"));
        let payload = payload.map_or_else(|_| r#"{"input":"hi"}"#.to_owned(), |text| text.trim().to_owned());
        let environment = std::fs::read_to_string(folder.join("environment.txt")).ok();
        let environment = environment.map(|text| text.trim().to_owned());
        Self { name, folder, payload, environment }
    }

    /// What we promise to write where the reference writes something else: our stdout, without the prefix.
    ///
    /// # Panics
    /// If the file isn't there or holds something else.
    pub fn promised(&self) -> Promised {
        let file = self.folder.join("promised.jsonl");
        let text =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("`{}`: {error}", file.display()));
        let parse =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("`{line}`: {error}"));
        let mut events: Vec<Value> = text.lines().map(parse).collect();
        let result = events.pop_if(|last| last.get("type").is_none());
        Promised { events, result }
    }
}

/// The events, and the result object of the last line.
#[derive(Debug, Clone, PartialEq)]
pub struct Promised {
    /// In order.
    pub events: Vec<Value>,
    /// The last line, if it is no event.
    pub result: Option<Value>,
}
