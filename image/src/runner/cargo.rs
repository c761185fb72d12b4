//! Calls cargo, and reads what `cargo metadata` answers.
//!
//! Rule: cargo alone knows workspaces, versions and targets; nothing of a `Cargo.toml` is parsed here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::error::{RunnerError, plain};
use crate::program;

/// The answer of `cargo metadata`, as far as it is used.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) resolve: Option<Resolve>,
    pub(crate) workspace_root: PathBuf,
    pub(crate) target_directory: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) description: Option<String>,
    /// `None` for a package of a folder.
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    pub(crate) features: Features,
}

/// Names, and what each switches on.
pub(crate) type Features = BTreeMap<String, Vec<String>>;

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The versions that fit.
    pub(crate) req: String,
    /// `None` for one of a folder.
    pub(crate) source: Option<String>,
    pub(crate) path: Option<PathBuf>,
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<NodeDependency>,
    pub(crate) features: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct NodeDependency {
    pub(crate) pkg: String,
    pub(crate) dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DependencyKind {
    pub(crate) kind: Option<String>,
}

impl Package {
    /// The name by which Rust code uses its library.
    pub(crate) fn library(&self) -> Option<String> {
        let is_library = |target: &&Target| {
            target.kind.iter().any(|kind| matches!(kind.as_str(), "lib" | "rlib" | "dylib"))
        };
        self.targets.iter().find(is_library).map(|target| target.name.replace('-', "_"))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().expect("a manifest is in a folder")
    }
}

/// The members of the workspace that this folder is in; nothing is resolved, nothing written.
pub(crate) fn members(folder: &Path) -> Result<Metadata, RunnerError> {
    metadata(folder, &["--no-deps"]).map_err(RunnerError::Source)
}

/// The whole graph as it stands, without going to a registry if possible.
pub(crate) fn graph(folder: &Path, target: Option<&str>) -> Result<Metadata, RunnerError> {
    let filter = target.map(|target| vec!["--filter-platform", target]).unwrap_or_default();
    let offline = [filter.as_slice(), &["--offline"]].concat();
    metadata(folder, &offline).or_else(|_| metadata(folder, &filter)).map_err(RunnerError::Resolve)
}

/// The graph with the newest versions that a registry has of what no lock file fixes.
pub(crate) fn fresh_graph(folder: &Path, target: &str) -> Result<Metadata, RunnerError> {
    metadata(folder, &["--filter-platform", target]).map_err(RunnerError::Resolve)
}

/// The cargo that runs us, or the one on `PATH`.
pub(crate) fn command() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Writes another commit of the repository that this package is from into the lock file.
pub(crate) fn update(folder: &Path, package: &str, commit: &str) -> Result<(), RunnerError> {
    let update = |flags: &[&str]| {
        let mut command = command();
        command.args(["update", "--quiet", package, "--precise", commit]).args(flags).current_dir(folder);
        said(command, folder).map(|_| ())
    };
    update(&["--offline"]).or_else(|_| update(&[])).map_err(RunnerError::Resolve)
}

fn metadata(folder: &Path, flags: &[&str]) -> Result<Metadata, String> {
    let mut command = command();
    command.args(["metadata", "--quiet", "--format-version", "1"]).args(flags).current_dir(folder);
    serde_json::from_slice(&said(command, folder)?)
        .map_err(|error| format!("cargo metadata is not understood: {error}"))
}

/// What it prints, or what it complains of.
fn said(mut command: Command, folder: &Path) -> Result<Vec<u8>, String> {
    let output = program::output(&mut command)
        .map_err(|error| format!("cannot start cargo in `{}`: {}", folder.display(), plain(&error)))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
