//! `cargo xtask tidy`: the house rules that neither rustfmt nor clippy checks.
//!
//! Rule: a check is a function from one file to its problems; every problem says where it is and what to write.

mod pins;
mod source;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::{console, workspace};

/// What holds nothing that we wrote. `.git` is a file in a linked work tree.
const SKIPPED: &[&str] = &["target", ".git", "node_modules", ".venv", "__pycache__", "corpus", "artifacts"];

/// A file of the repository that is text.
pub(super) struct SourceFile {
    /// From the workspace root, with `/`.
    path: String,
    text: String,
}

impl SourceFile {
    fn has_extension(&self, wanted: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == wanted)
    }

    /// A problem in a line of this file.
    fn problem(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

pub(crate) fn run() -> Result<ExitCode> {
    console::note(&check()?);
    Ok(ExitCode::SUCCESS)
}

/// Checks every file.
pub(crate) fn check() -> Result<String> {
    let files = files()?;
    let mut problems: Vec<_> = files.iter().flat_map(source::problems).collect();
    problems.extend(pins::problems(&files));
    if !problems.is_empty() {
        bail!("{} problems:\n{}", problems.len(), problems.join("\n"));
    }
    Ok(format!("{} files are tidy", files.len()))
}

fn files() -> Result<Vec<SourceFile>> {
    let mut paths = Vec::new();
    walk(workspace::root(), &mut paths)?;
    paths.sort();
    Ok(paths.into_iter().filter_map(|path| read(&path)).collect())
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), found)?;
        } else if entry.file_type()?.is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// What isn't UTF-8 is no text of ours.
fn read(path: &Path) -> Option<SourceFile> {
    let text = std::fs::read_to_string(path).ok()?;
    let path = path.strip_prefix(workspace::root()).ok()?.to_string_lossy().replace('\\', "/");
    Some(SourceFile { path, text })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        if let Err(problems) = super::check() {
            panic!("{problems}");
        }
    }
}
