//! Brings crates of folders under the generated crate, as links.
//!
//! Rule: cargo mixes the path of a crate outside of the workspace into its bytes, so nothing is outside: a folder of
//! crates is linked as a whole, and folders whose crates name each other by path are linked in the same relation.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::cargo::{self, Metadata, Package};
use crate::error::{ImageError, OutputError, RunnerError};

/// Folders of crates, and where each is linked.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Below the generated crate -> the real folder.
    links: BTreeMap<PathBuf, PathBuf>,
}

impl Links {
    /// Finds every folder that these packages need. The first package of each island names its links.
    pub(super) fn of(packages: &[Package]) -> Result<Self, RunnerError> {
        let mut islands: Vec<Island> = Vec::new();
        for package in packages {
            let mut island = Island { name: package.name.clone(), roots: roots(package)? };
            // Islands that share a folder are one.
            let (touched, apart) = islands.into_iter().partition(|other: &Island| island.touches(other));
            islands = apart;
            for other in touched {
                island = Island { name: other.name, roots: &island.roots | &other.roots };
            }
            islands.push(island);
        }
        let mut links = Self::default();
        for island in &islands {
            links.add(island);
        }
        Ok(links)
    }

    /// Where the folder is, as seen from the generated crate.
    pub(super) fn path_of(&self, folder: &Path) -> Option<PathBuf> {
        let (link, real) = self.links.iter().find(|(_, real)| folder.starts_with(real))?;
        Some(join(link, folder.strip_prefix(real).ok()?))
    }

    /// Makes the links, and removes those of an earlier build.
    pub(super) fn write(&self, folder: &Path) -> Result<(), ImageError> {
        let deps = folder.join(DEPS);
        remove_tree(&deps).map_err(OutputError::writing(&deps))?;
        for (link, real) in &self.links {
            let link = folder.join(link);
            let parent = link.parent().expect("a link is below the generated crate");
            std::fs::create_dir_all(parent).map_err(OutputError::writing(parent))?;
            std::os::unix::fs::symlink(real, &link).map_err(OutputError::writing(&link))?;
        }
        Ok(())
    }

    fn add(&mut self, Island { name, roots }: &Island) {
        let below = |root: &PathBuf| roots.iter().any(|other| root != other && root.starts_with(other));
        let tops: Vec<_> = roots.iter().filter(|root| !below(root)).collect();
        let name = Path::new(DEPS).join(name);
        let common = common_ancestor(&tops);
        for root in &tops {
            let relative = root.strip_prefix(&common).expect("it is an ancestor of each");
            self.links.insert(join(&name, relative), (*root).clone());
        }
    }
}

/// Folders of crates that name each other by path.
struct Island {
    name: String,
    roots: BTreeSet<PathBuf>,
}

impl Island {
    fn touches(&self, other: &Self) -> bool {
        let nested = |one: &PathBuf, two: &PathBuf| one.starts_with(two) || two.starts_with(one);
        self.roots.iter().any(|one| other.roots.iter().any(|two| nested(one, two)))
    }
}

const DEPS: &str = "deps";

/// The roots of the workspaces of a package and of all that it depends on by path.
fn roots(package: &Package) -> Result<BTreeSet<PathBuf>, RunnerError> {
    let mut workspaces: Vec<Metadata> = Vec::new();
    let mut roots = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![package.folder().to_owned()];
    while let Some(folder) = open.pop() {
        if !seen.insert(folder.clone()) {
            continue;
        }
        let holds =
            |workspace: &Metadata| workspace.packages.iter().any(|package| package.folder() == folder);
        if !workspaces.iter().any(holds) {
            workspaces.push(cargo::members(&folder)?);
        }
        let workspace = workspaces.iter().find(|workspace| holds(workspace));
        let workspace = workspace.ok_or_else(|| no_package(&folder))?;
        roots.insert(workspace.workspace_root.clone());
        let found = workspace.packages.iter().find(|package| package.folder() == folder);
        let needed = found.into_iter().flat_map(|package| &package.dependencies);
        let needed = needed.filter(|dependency| dependency.kind.as_deref() != Some("dev"));
        open.extend(needed.filter_map(|dependency| dependency.path.as_deref()).map(normal));
    }
    Ok(roots)
}

fn no_package(folder: &Path) -> RunnerError {
    RunnerError::Source(format!("`{}` is not the folder of a crate; correct the path", folder.display()))
}

/// Without `..`, as cargo does it: by the text alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

fn common_ancestor(paths: &[&PathBuf]) -> PathBuf {
    let mut common = paths.first().map(|&path| path.clone()).unwrap_or_default();
    while !paths.iter().all(|path| path.starts_with(&common)) {
        common.pop();
    }
    common
}

/// Without the slash that joining nothing leaves at the end.
fn join(folder: &Path, relative: &Path) -> PathBuf {
    if relative.as_os_str().is_empty() { folder.to_owned() } else { folder.join(relative) }
}

/// Removes links and the folders that hold them, and never follows one.
fn remove_tree(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
    }
}

#[cfg(test)]
mod tests {
    use super::{common_ancestor, normal};
    use std::path::{Path, PathBuf};

    #[test]
    fn a_path_is_shortened_by_its_text() {
        assert_eq!(normal(Path::new("/a/b/../c/./d")), Path::new("/a/c/d"));
    }

    #[test]
    fn folders_that_know_each_other_keep_their_relation() {
        let paths = [PathBuf::from("/w/main"), PathBuf::from("/w/x/mine")];
        assert_eq!(common_ancestor(&paths.iter().collect::<Vec<_>>()), Path::new("/w"));
    }
}
