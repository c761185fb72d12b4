//! A project folder: its `charm.yaml`, and the environment that its `.env` makes.
//!
//! Rule: `.env` overrides the environment, as the contract has it, and never changes that of our own process.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use charm_telemetry_core::manifest::{Checked, Manifest, Names};
use charm_telemetry_core::{Environment, Location, Problem, Problems, Redactor};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;

use crate::env_file::{EnvFile, sounds_secret};
use crate::stderr::say;

/// The name of the manifest in a project folder.
const MANIFEST: &str = "charm.yaml";

/// The longest `.env` that is read.
const MOST_BYTES: u64 = 1 << 20;

/// Most of them fit in this.
const USUAL_BYTES: usize = 1024;

/// So long a `.env` that is a pipe may give nothing before that is told.
const MOMENT: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// What the names of agents' programs end in, and those of manifests never.
const PROGRAMS: [&str; 8] = ["py", "js", "mjs", "cjs", "ts", "sh", "ipynb", "rs"];

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
#[derive(Debug, Default)]
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
        if let Some(problem) = no_file(&file).or_else(|| no_manifest(&folder, &file)) {
            return Err(Box::new(Faulty { problems: problem.into(), ..Faulty::default() }));
        }
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

/// Problems without the values of these variables.
pub(crate) fn clean(problems: Problems, environment: &Environment, secrets: &[String]) -> Problems {
    let value = |name: &String| Some((name.clone(), environment.get(name)?.to_owned()));
    let redactor = Redactor::new(secrets.iter().filter_map(value));
    let clean =
        |problem: Problem| Problem { message: redactor.text(&problem.message).into_owned(), ..problem };
    problems.into_iter().map(clean).collect()
}

fn places(path: &Path) -> (PathBuf, PathBuf) {
    if path.exists() && !path.is_dir() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        return (folder.unwrap_or(Path::new(".")).to_owned(), path.to_owned());
    }
    (path.to_owned(), path.join(MANIFEST))
}

/// A pipe has no end until somebody writes to it, and a device may have none at all.
fn no_file(path: &Path) -> Option<Problem> {
    let kind = fs::metadata(path).ok()?.file_type();
    let what = match kind {
        kind if kind.is_file() || kind.is_dir() => return None,
        kind if kind.is_fifo() => "pipe",
        kind if kind.is_socket() => "socket",
        _ => "device",
    };
    let path = path.display();
    Some(Problem::error(format!(
        "`{path}` is a {what}; put the manifest into a file and name that or its folder"
    )))
}

/// Somebody has named the agent's program.
fn no_manifest(folder: &Path, file: &Path) -> Option<Problem> {
    let extension = file.extension()?;
    if !PROGRAMS.iter().any(|program| extension == *program) {
        return None;
    }
    let (file, shown) = (file.display(), folder.display());
    let way_out = if folder.join(MANIFEST).exists() {
        format!("name its folder, which has one: `{shown}`")
    } else {
        format!(
            "write a `{MANIFEST}` beside it, with the program as `runtime.adapter.entry_point`, and name the folder"
        )
    };
    Some(Problem::error(format!("`{file}` is a program and no manifest; {way_out}")))
}

/// The environment of the project's agent and exporters, and the variables of it whose values nobody should see.
fn read_environment(folder: &Path, problems: &mut Problems) -> (Environment, Vec<String>) {
    let mut environment = Environment::from_process();
    let path = folder.join(".env");
    let mut text = String::with_capacity(USUAL_BYTES);
    match open(&path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text)) {
        Ok(length) if length as u64 > MOST_BYTES => {
            let message = format!("`{}` is larger than 1 MiB; is this the right file?", path.display());
            problems.push(Problem::error(message));
            return (environment, Vec::new());
        }
        Ok(_) => {}
        Err(error) => {
            problems.extend(unreadable(&path, &error));
            return (environment, Vec::new());
        }
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let file = EnvFile::parse(text, |name| as_set(&environment, name));
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

/// A value as it was set: what is blank is no setting of ours, and may be a part of one of the agent's.
fn as_set(environment: &Environment, name: &str) -> Option<String> {
    let (_, value) = environment.iter().find(|(known, _)| *known == name)?;
    value.to_str().filter(|value| !value.is_empty()).map(str::to_owned)
}

/// Opens a file. One that gives nothing at first, because it is a pipe that a password manager is to write to, say, is
/// waited for, and whoever waits is told.
fn open(path: &Path) -> io::Result<fs::File> {
    // A pipe opens only when there is a writer, unless it is asked not to block.
    let non_blocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = fs::OpenOptions::new().read(true).custom_flags(non_blocking).open(path)?;
    let mut ready = [PollFd::new(&file, PollFlags::IN)];
    if poll(&mut ready, Some(&MOMENT)) == Ok(0) {
        say(format_args!("waiting for `{}`: it is a pipe, and nobody has written to it yet", path.display()));
        // Interrupted by a signal that does not end us, it is begun again.
        while poll(&mut ready, None) == Err(Errno::INTR) {}
    }
    fcntl_setfl(&file, OFlags::empty())?;
    Ok(file)
}

/// Most projects have no such file.
fn unreadable(path: &Path, error: &io::Error) -> Option<Problem> {
    let path = path.display();
    match error.kind() {
        // A virtual environment may have that name.
        ErrorKind::NotFound | ErrorKind::IsADirectory => None,
        // The error's own words would not help.
        ErrorKind::InvalidData => {
            Some(Problem::error(format!("`{path}` is not UTF-8; save it with that encoding")))
        }
        _ => Some(Problem::error(format!("`{path}` cannot be read: {error}"))),
    }
}
