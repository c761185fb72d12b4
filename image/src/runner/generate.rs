//! Writes the crate of the runner.
//!
//! Rule: the same request writes the same files, whatever was there before, and every version in it is fixed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::cargo::{self, Metadata, Package};
use super::crate_manifest::CrateManifest;
use super::graph::Graph;
use super::links::Links;
use super::request::{RunnerRequest, WithCrate, WithSource};
use super::source::{Place, RUNNER, RunnerSource};
use super::{features, fit};
use crate::error::{ImageError, OutputError, RequestError, RunnerError};

/// A crate ready to be compiled.
#[derive(Debug)]
pub(crate) struct Generated {
    pub(crate) folder: PathBuf,
    pub(crate) graph: Graph,
}

pub(super) fn generate(
    folder: &Path,
    source: &RunnerSource,
    request: &RunnerRequest,
    target: &str,
) -> Result<Generated, ImageError> {
    refuse_twins(&request.with)?;
    let local = local_packages(source, request)?;
    fit::check(source, &local)?;
    let links = Links::of(&local)?;
    let features = features::wanted(folder, source, request, target)?;
    let manifest = CrateManifest { source, request, links: &links, local: &local, features };
    write(&folder.join("Cargo.toml"), &manifest.text())?;
    write(&folder.join("src/main.rs"), "fn main() {}\n")?;
    links.write(folder)?;
    let graph = resolve(folder, &manifest, target)?;
    write(&folder.join("src/main.rs"), &main_rs(&graph, &request.with)?)?;
    Ok(Generated { folder: folder.to_owned(), graph })
}

fn refuse_twins(with: &[WithCrate]) -> Result<(), RequestError> {
    let twin =
        with.iter().enumerate().find(|(at, one)| with[..*at].iter().any(|other| other.name == one.name));
    twin.map_or(Ok(()), |(_, twin)| {
        Err(RequestError::Argument(format!("`--with {}` is given twice; give it once", twin.name)))
    })
}

/// The packages of folders, the runner first.
fn local_packages(source: &RunnerSource, request: &RunnerRequest) -> Result<Vec<Package>, RunnerError> {
    let mut local = Vec::new();
    if let Place::Folder(runner) = &source.place {
        local.push(runner.as_ref().clone());
    }
    for with in &request.with {
        if let WithSource::Path(path) = &with.source {
            local.push(package_at(&with.name, path)?);
        }
    }
    Ok(local)
}

fn package_at(name: &str, path: &Path) -> Result<Package, RunnerError> {
    let at = format!("--with {name}={}", path.display());
    let folder = path.canonicalize().map_err(|_| {
        RunnerError::Source(format!(
            "`{at}`: there is no such folder; name the folder of the crate's `Cargo.toml`"
        ))
    })?;
    let metadata =
        cargo::members(&folder).map_err(|error| RunnerError::Source(format!("`{at}`:\n{error}")))?;
    let mut here = metadata.packages.into_iter().filter(|package| package.folder() == folder);
    let package = here.next().ok_or_else(|| {
        RunnerError::Source(format!(
            "`{at}`: that folder holds no package; name the folder of the crate's `Cargo.toml`"
        ))
    })?;
    if package.name != name {
        let found = &package.name;
        let path = path.display();
        return Err(RunnerError::Source(format!(
            "`{at}`: the crate there is `{found}`; write `--with {found}={path}`"
        )));
    }
    Ok(package)
}

/// Fixes every version: by the lock file of the request, else starting from the one of the runner's workspace.
fn resolve(folder: &Path, manifest: &CrateManifest<'_>, target: &str) -> Result<Graph, ImageError> {
    let CrateManifest { source, request, .. } = manifest;
    let lock = folder.join("Cargo.lock");
    let given = request.lock.as_ref().filter(|given| given.is_file());
    let seed = given.unwrap_or(&source.lock);
    let seed_text = std::fs::read_to_string(seed).unwrap_or_default();
    write(&lock, &seed_text)?;
    let floats = |with: &WithCrate| matches!(&with.source, WithSource::Registry(_));
    let graph = || {
        if given.is_none() && request.with.iter().any(floats) {
            cargo::fresh_graph(folder, target)
        } else {
            cargo::graph(folder, Some(target))
        }
    };
    let mut metadata = match (graph(), &source.place) {
        (Err(_), Place::Git { .. }) if given.is_none() => {
            pin_without_features(folder, manifest, target)?;
            graph()?
        }
        (metadata, _) => metadata?,
    };
    if given.is_none() && pin(folder, source, &metadata)? {
        metadata = cargo::graph(folder, Some(target))?;
    }
    let resolved = std::fs::read_to_string(&lock).map_err(OutputError::writing(&lock))?;
    match (given, &request.lock) {
        (Some(given), _) if resolved != seed_text => {
            let given = given.display();
            return Err(RequestError::Argument(format!(
                "`--lock {given}` does not fit these exporters any more; remove it to have it written anew"
            ))
            .into());
        }
        (None, Some(wanted)) => write(wanted, &resolved)?,
        _ => {}
    }
    Ok(Graph::new(metadata)?)
}

/// A repository may have moved on since the workspace's lock file was written, and for a crate that is not in it cargo
/// takes the newest commit: for all that are. Answers whether the lock file had to be changed.
pub(super) fn pin(folder: &Path, source: &RunnerSource, metadata: &Metadata) -> Result<bool, RunnerError> {
    let Place::Git { commit, .. } = &source.place else { return Ok(false) };
    let runner = metadata.packages.iter().find(|package| package.name == RUNNER);
    let found = runner.and_then(|runner| runner.source.as_deref()?.split_once('#'));
    if found.is_some_and(|(_, found)| found == commit) {
        return Ok(false);
    }
    cargo::update(folder, RUNNER, commit).map(|()| true)
}

/// The newest commit may have lost a feature that the one to be taken has, and then there is no graph to be pinned.
fn pin_without_features(folder: &Path, manifest: &CrateManifest<'_>, target: &str) -> Result<(), ImageError> {
    let path = folder.join("Cargo.toml");
    write(&path, &manifest.text_without_features())?;
    pin(folder, manifest.source, &cargo::graph(folder, Some(target))?)?;
    Ok(write(&path, &manifest.text())?)
}

fn main_rs(graph: &Graph, with: &[WithCrate]) -> Result<String, RunnerError> {
    let mut text = String::from("//! A runner with chosen exporters, written by `cargo xtask image`.\n\n");
    let mut libraries = Vec::new();
    for with in with {
        let library = graph.direct(&with.name).and_then(Package::library).ok_or_else(|| {
            RunnerError::Source(format!(
                "`--with {}`: that crate has no library; an exporter is a library",
                with.name
            ))
        })?;
        libraries.push(library);
    }
    libraries.sort();
    for library in libraries {
        let _ = writeln!(text, "use {library} as _;");
    }
    text.push_str("\nfn main() -> std::process::ExitCode {\n    charm_runner::main()\n}\n");
    Ok(text)
}

/// Writes only what changed, so that cargo has no reason to compile again.
pub(super) fn write(path: &Path, text: &str) -> Result<(), OutputError> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(OutputError::writing(parent))?;
    }
    std::fs::write(path, text).map_err(OutputError::writing(path))
}
