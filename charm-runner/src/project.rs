//! A project folder: its `charm.yaml`, and the environment that its `.env` makes.
//!
//! Rule: `.env` overrides the environment, as the contract has it, and never changes that of our own process.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use charm_telemetry_core::manifest::{Checked, Manifest, Names};
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
    pub(crate) names: Names,
    pub(crate) environment: Environment,
    /// The variables whose values are taken out of everything: those that the manifest names, and those of `.env` that
    /// sound secret.
    pub(crate) secrets: Vec<String>,
}

/// A project that cannot be run, and what of it can be looked at all the same.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) problems: Problems,
    pub(crate) names: Names,
    pub(crate) environment: Environment,
    pub(crate) secrets: Vec<String>,
    /// `.env` could be read, all of it: what is not set is really not set.
    pub(crate) has_whole_environment: bool,
}

impl Project {
    /// Reads the project in a folder, or the one whose manifest is named.
    pub(crate) fn read(path: &Path) -> Result<Self, Box<Faulty>> {
        let (folder, file) = places(path);
        let mut problems = Problems::default();
        let (environment, mut secrets) = read_environment(&folder, &mut problems);
        let has_whole_environment = problems.is_empty();
        let examined = Manifest::examine_file(&file);
        let names = examined.names;
        secrets.extend(names.variables.iter().cloned());
        match examined.outcome {
            Ok(Checked { manifest, warnings, .. }) if has_whole_environment => {
                return Ok(Self { folder, manifest, warnings, names, environment, secrets });
            }
            Ok(Checked { warnings, .. }) => problems.extend(warnings),
            Err(others) => problems.extend(others),
        }
        Err(Box::new(Faulty { problems, names, environment, secrets, has_whole_environment }))
    }

    /// Problems without secrets: some quote the value of a variable, which the manifest may call secret.
    pub(crate) fn clean(&self, problems: Problems) -> Problems {
        clean(problems, &self.environment, &self.secrets)
    }
}

/// Problems without the values of these variables.
pub(crate) fn clean(problems: Problems, environment: &Environment, secrets: &[String]) -> Problems {
    let value = |name: &String| Some((name.clone(), environment.get(name)?.to_owned()));
    let redactor = Redactor::new(secrets.iter().filter_map(value));
    let clean =
        |problem: Problem| Problem { message: redactor.text(&problem.message).into_owned(), ..problem };
    problems.into_iter().map(clean).collect()
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
