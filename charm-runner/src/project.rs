//! A project folder: its `charm.yaml`, and the environment that its `.env` makes.
//!
//! Rule: `.env` overrides the environment, as the contract has it, and never changes that of our own process.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use charm_telemetry_core::manifest::{Checked, Manifest};
use charm_telemetry_core::{Environment, Location, Problem, Problems, Redactor};

use crate::env_file::{EnvFile, sounds_secret};

/// The name of the manifest in a project folder.
const MANIFEST: &str = "charm.yaml";

/// A project that can be run.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) folder: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) warnings: Problems,
    pub(crate) environment: Environment,
    /// The variables whose values are taken out of everything: those that the manifest names, and those of `.env` that
    /// sound secret.
    pub(crate) secrets: Vec<String>,
}

impl Project {
    /// Reads the project in a folder, or the one whose manifest is named.
    pub(crate) fn read(path: &Path) -> Result<Self, Problems> {
        let (folder, file) = places(path);
        let mut problems = Problems::default();
        let (environment, mut secrets) = read_environment(&folder, &mut problems);
        match Manifest::read(&file) {
            Ok(Checked { manifest, warnings, .. }) if problems.is_empty() => {
                let named = &manifest.runtime.adapter.environment_variables;
                secrets.extend(named.models.iter().chain(&named.tools).cloned());
                Ok(Self { folder, manifest, warnings, environment, secrets })
            }
            Ok(_) => Err(problems),
            Err(others) => {
                problems.extend(others);
                Err(problems)
            }
        }
    }

    /// The values of the secrets that are known before any exporter is.
    fn redactor(&self) -> Redactor {
        let value = |name: &String| Some((name.clone(), self.environment.get(name)?.to_owned()));
        Redactor::new(self.secrets.iter().filter_map(value))
    }

    /// Problems without secrets: some quote the value of a variable, which the manifest may call secret.
    pub(crate) fn clean(&self, problems: Problems) -> Problems {
        let redactor = self.redactor();
        let clean =
            |problem: Problem| Problem { message: redactor.text(&problem.message).into_owned(), ..problem };
        problems.into_iter().map(clean).collect()
    }
}

/// The environment that the `.env` of a folder makes, and the variables of it whose values nobody should see. The folder
/// need not be a project.
#[cfg(feature = "delivery")]
pub(crate) fn environment_of(path: &Path) -> Result<(Environment, Vec<String>), Problems> {
    let mut problems = Problems::default();
    let environment = read_environment(&places(path).0, &mut problems);
    if problems.is_empty() { Ok(environment) } else { Err(problems) }
}

/// Whether the folder is a project.
#[cfg(feature = "delivery")]
pub(crate) fn has_manifest(path: &Path) -> bool {
    places(path).1.exists()
}

fn places(path: &Path) -> (PathBuf, PathBuf) {
    if path.is_file() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        return (folder.unwrap_or(Path::new(".")).to_owned(), path.to_owned());
    }
    (path.to_owned(), path.join(MANIFEST))
}

/// The environment of the project's agent and exporters, and the variables of it whose values nobody should see.
fn read_environment(folder: &Path, problems: &mut Problems) -> (Environment, Vec<String>) {
    let mut environment = Environment::from_process();
    let path = folder.join(".env");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            problems.extend(unreadable(&path, &error));
            return (environment, Vec::new());
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let file = EnvFile::parse(text, |name| environment.get(name).map(str::to_owned));
    for (line, column) in file.faults {
        let message = "this is not `NAME=value`; put quotes around values with spaces, `#` or quotes";
        problems.push(Problem::error(message).at(Location {
            file: path.display().to_string(),
            line,
            column,
        }));
    }
    let secret = file.variables.iter().map(|(name, _)| name).filter(|name| sounds_secret(name));
    let secret = secret.cloned().collect();
    file.variables.into_iter().for_each(|(name, value)| environment.set(name, value));
    (environment, secret)
}

/// Most projects have no such file.
fn unreadable(path: &Path, error: &io::Error) -> Option<Problem> {
    let path = path.display();
    match error.kind() {
        ErrorKind::NotFound => None,
        // The error's own words would not help.
        ErrorKind::InvalidData => {
            Some(Problem::error(format!("`{path}` is not UTF-8; save it with that encoding")))
        }
        _ => Some(Problem::error(format!("`{path}` cannot be read: {error}"))),
    }
}
