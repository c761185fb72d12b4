//! Where the crate `charm-runner` comes from.
//!
//! Rule: the same source as the workspace that asks: its own member, what it depends on, or the release that fits us.

use std::path::{Path, PathBuf};

use super::cargo::{self, Metadata, Package};
use crate::error::RunnerError;

/// The source of the runner.
#[derive(Debug, Clone)]
pub(super) struct RunnerSource {
    pub(super) place: Place,
    /// The lock file that fixes the versions to begin with.
    pub(super) lock: PathBuf,
}

#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A folder: the package, as cargo describes it.
    Folder(Box<Package>),
    /// A repository, at a commit.
    Git { url: String, commit: String },
    /// The registry, this version.
    Registry { version: String },
}

/// Looks from the current folder; answers with the folder where cargo builds to.
pub(super) fn find(named: Option<&Path>) -> Result<(RunnerSource, PathBuf), RunnerError> {
    let here = std::env::current_dir().map_err(|error| RunnerError::Source(error.to_string()))?;
    let workspace = cargo::members(&here).map_err(|error| {
        RunnerError::Source(format!(
            "an image is built inside of a Cargo workspace, and this folder is in none:\n{error}"
        ))
    })?;
    let target = workspace.target_directory.clone();
    let source = match named {
        Some(folder) => in_folder(folder)?,
        None => in_workspace(&workspace, &here)?,
    };
    Ok((source, target))
}

fn in_folder(folder: &Path) -> Result<RunnerSource, RunnerError> {
    let missing = |reason: &str| {
        let folder = folder.display();
        RunnerError::Source(format!(
            "`--runner {folder}` is not the crate `{RUNNER}`{reason}; name its folder"
        ))
    };
    if !folder.is_dir() {
        return Err(missing(": there is no such folder"));
    }
    let metadata = cargo::members(folder).map_err(|error| missing(&format!(": {error}")))?;
    member(&metadata).ok_or_else(|| missing(""))
}

fn in_workspace(workspace: &Metadata, here: &Path) -> Result<RunnerSource, RunnerError> {
    if let Some(source) = member(workspace) {
        return Ok(source);
    }
    let lock = workspace.workspace_root.join("Cargo.lock");
    let graph = cargo::graph(here, None)?;
    let package = |name: &str| graph.packages.iter().find(|package| package.name == name);
    if let Some(runner) = package(RUNNER) {
        return Ok(RunnerSource { place: place_of(runner, &runner.version), lock });
    }
    match package(env!("CARGO_PKG_NAME")) {
        // The house is a folder beside us.
        Some(image) if image.source.is_none() => {
            member(&cargo::members(image.folder())?).ok_or_else(not_found)
        }
        Some(image) => Ok(RunnerSource { place: place_of(image, env!("CARGO_PKG_VERSION")), lock }),
        None => {
            Ok(RunnerSource { place: Place::Registry { version: env!("CARGO_PKG_VERSION").into() }, lock })
        }
    }
}

fn member(workspace: &Metadata) -> Option<RunnerSource> {
    let runner = workspace.packages.iter().find(|package| package.name == RUNNER)?;
    let lock = workspace.workspace_root.join("Cargo.lock");
    Some(RunnerSource { place: Place::Folder(Box::new(runner.clone())), lock })
}

/// Cargo writes sources as `registry+URL` and `git+URL?rev=..#COMMIT`.
fn place_of(package: &Package, version: &str) -> Place {
    match package.source.as_deref() {
        None => Place::Folder(Box::new(package.clone())),
        Some(source) => match source.strip_prefix("git+").and_then(|rest| rest.split_once('#')) {
            Some((url, commit)) => {
                Place::Git { url: url.split('?').next().unwrap_or(url).to_owned(), commit: commit.to_owned() }
            }
            None => Place::Registry { version: version.to_owned() },
        },
    }
}

fn not_found() -> RunnerError {
    RunnerError::Source(format!("the crate `{RUNNER}` was not found; name its folder with `--runner DIR`"))
}

/// The crate that runs agents.
pub(super) const RUNNER: &str = "charm-runner";
