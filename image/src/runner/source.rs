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
    /// A repository, as the workspace names it, at the commit that its lock file says.
    Git { url: String, reference: Option<GitReference>, commit: String },
    /// The registry, this version.
    Registry { version: String },
}

/// What `branch`, `tag` or `rev` says of a repository: two that differ in it are two sources, with a core each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GitReference {
    pub(super) key: String,
    pub(super) name: String,
}

/// Looks from the current folder; answers with the folder where cargo builds to.
pub(super) fn find(named: Option<&Path>) -> Result<(RunnerSource, PathBuf), RunnerError> {
    let workspace = workspace_here()?;
    let target = workspace.target_directory.clone();
    let source = match named {
        Some(folder) => in_folder(folder)?,
        None => in_workspace(&workspace)?,
    };
    Ok((source, target))
}

/// The workspace that the current folder is in.
pub(super) fn workspace_here() -> Result<Metadata, RunnerError> {
    let here = std::env::current_dir().map_err(|error| RunnerError::Source(error.to_string()))?;
    cargo::members(&here).map_err(|error| {
        RunnerError::Source(format!(
            "an image is built inside of a Cargo workspace, and this folder is in none:\n{error}"
        ))
    })
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

fn in_workspace(workspace: &Metadata) -> Result<RunnerSource, RunnerError> {
    if let Some(source) = member(workspace) {
        return Ok(source);
    }
    let lock = workspace.workspace_root.join("Cargo.lock");
    let graph = cargo::graph(&workspace.workspace_root, None)?;
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

fn place_of(package: &Package, version: &str) -> Place {
    match package.source.as_deref() {
        None => Place::Folder(Box::new(package.clone())),
        Some(source) => repository(source).unwrap_or_else(|| Place::Registry { version: version.to_owned() }),
    }
}

/// Cargo writes sources as `registry+URL` and `git+URL?branch=NAME#COMMIT`.
fn repository(source: &str) -> Option<Place> {
    let (place, commit) = source.strip_prefix("git+")?.split_once('#')?;
    let (url, query) = place.split_once('?').unwrap_or((place, ""));
    let reference =
        query.split_once('=').map(|(key, name)| GitReference { key: key.to_owned(), name: name.to_owned() });
    Some(Place::Git { url: url.to_owned(), reference, commit: commit.to_owned() })
}

fn not_found() -> RunnerError {
    RunnerError::Source(format!("the crate `{RUNNER}` was not found; name its folder with `--runner DIR`"))
}

/// The crate that runs agents.
pub(super) const RUNNER: &str = "charm-runner";

#[cfg(test)]
mod tests {
    use super::{GitReference, Place, repository};

    #[track_caller]
    fn check(source: &str, expected: Option<(&str, &str)>) {
        let Some(Place::Git { url, reference, commit }) = repository(source) else { panic!("{source}") };
        assert_eq!((url.as_str(), commit.as_str()), ("https://a.b/c.git", "0123"));
        let expected = expected.map(|(key, name)| GitReference { key: key.into(), name: name.into() });
        assert_eq!(reference, expected);
    }

    #[test]
    fn a_repository_keeps_the_words_by_which_a_workspace_names_it() {
        check("git+https://a.b/c.git#0123", None);
        check("git+https://a.b/c.git?branch=feature/x#0123", Some(("branch", "feature/x")));
        check("git+https://a.b/c.git?tag=v1.0#0123", Some(("tag", "v1.0")));
        check("git+https://a.b/c.git?rev=01#0123", Some(("rev", "01")));
        assert!(repository("registry+https://a.b/index").is_none());
    }
}
