//! A project folder: its `charm.yaml`, and the environment that its `.env` makes.
//!
//! Rule: `.env` overrides the environment, as the contract has it, and never changes that of our own process.

use std::path::{Path, PathBuf};

use charm_telemetry_core::manifest::{Checked, Manifest};
use charm_telemetry_core::{Environment, Location, Problem, Problems};

/// The name of the manifest in a project folder.
const MANIFEST: &str = "charm.yaml";

/// A project that can be run.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) folder: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) warnings: Problems,
    pub(crate) environment: Environment,
}

impl Project {
    /// Reads the project in a folder, or the one whose manifest is named.
    pub(crate) fn read(path: &Path) -> Result<Self, Problems> {
        let (folder, file) = places(path);
        let mut problems = Problems::default();
        let environment = read_environment(&folder, &mut problems);
        match Manifest::read(&file) {
            Ok(Checked { manifest, warnings, .. }) if problems.is_empty() => {
                Ok(Self { folder, manifest, warnings, environment })
            }
            Ok(_) => Err(problems),
            Err(others) => {
                problems.extend(others);
                Err(problems)
            }
        }
    }
}

fn places(path: &Path) -> (PathBuf, PathBuf) {
    if path.is_file() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        return (folder.unwrap_or(Path::new(".")).to_owned(), path.to_owned());
    }
    (path.to_owned(), path.join(MANIFEST))
}

fn read_environment(folder: &Path, problems: &mut Problems) -> Environment {
    let mut environment = Environment::from_process();
    let path = folder.join(".env");
    let entries = match dotenvy::from_path_iter(&path) {
        Ok(entries) => entries,
        Err(error) if error.not_found() => return environment,
        Err(error) => {
            problems.push(Problem::error(format!("`{}` cannot be read: {error}", path.display())));
            return environment;
        }
    };
    for entry in entries {
        match entry {
            Ok((name, value)) => environment.set(name, value),
            Err(error) => problems.push(env_problem(&path, &error)),
        }
    }
    environment
}

/// The parser's own words would show the line, which may hold a secret: only the place is told.
fn env_problem(path: &Path, error: &dotenvy::Error) -> Problem {
    let place = match error {
        dotenvy::Error::LineParse(line, at) => line_of(path, line).map(|number| (number, at + 1)),
        _ => None,
    };
    let problem =
        Problem::error("this line is not `NAME=value`; put quotes around values with spaces, `#` or quotes");
    match place {
        Some((line, column)) => problem.at(Location { file: path.display().to_string(), line, column }),
        None => Problem::error(format!("`{}` cannot be read as UTF-8 lines of `NAME=value`", path.display())),
    }
}

fn line_of(path: &Path, wanted: &str) -> Option<usize> {
    let text = std::fs::read_to_string(path).ok()?;
    let wanted = wanted.lines().next()?;
    text.lines().position(|line| line.trim_end() == wanted.trim_end()).map(|index| index + 1)
}
