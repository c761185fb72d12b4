//! From a file to a manifest.
//! One rule: each step runs if the one before has left it something to look at, and all that they find is told.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::{Problem, Problems};

use super::check::{check, locate};
use super::compose::compose;
use super::fault::Fault;
use super::marks::Marks;
use super::names::Names;
use super::node::{Node, Position};
use super::tabs;
use super::typed::Manifest;

/// No manifest is anywhere near as large.
const MOST_BYTES: u64 = 1024 * 1024;

/// Most manifests fit in this.
const USUAL_BYTES: usize = 4096;

/// A valid manifest, with what looks wrong in it all the same.
///
/// ```
/// # use charm_telemetry_core::Manifest;
/// # let text = "
/// # version: '0.4'
/// # persona: {name: Hello, description: Says hello}
/// # interface: {input: {}, output: {}}
/// # runtime: {adapter: {type: python, entry_point: 'main:agent'}, telemetery: [otlp]}
/// # ";
/// // runtime: {adapter: {type: python, entry_point: 'main:agent'}, telemetery: [otlp]}
/// let checked = Manifest::parse(text.as_bytes(), "charm.yaml")?;
/// assert!(checked.manifest.runtime.telemetry.is_empty());
/// assert!(checked.warnings.to_string().contains("did you mean `telemetry`?"));
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The manifest.
    pub manifest: Manifest,
    /// Warnings only, in the order of the file.
    pub warnings: Problems,
}

/// What is in a file that may not be a valid manifest.
///
/// ```
/// use charm_telemetry_core::Manifest;
///
/// let examined = Manifest::examine(b"runtime: {telemetry: [otlp]}", "charm.yaml");
/// assert!(examined.outcome.unwrap_err().to_string().contains("`persona` is required"));
/// assert_eq!(examined.names.telemetry[0].name, "otlp");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Examined {
    /// The manifest, or all that is wrong with it by itself.
    pub outcome: Result<Checked, Problems>,
    /// What it names.
    pub names: Names,
}

impl Manifest {
    /// Reads and checks a file. It is named in problems as `path` is written.
    ///
    /// ```
    /// use charm_telemetry_core::Manifest;
    ///
    /// let problems = Manifest::read("no/such/charm.yaml".as_ref()).unwrap_err();
    /// assert!(problems.to_string().starts_with("`no/such/charm.yaml` does not exist"));
    /// ```
    ///
    /// # Errors
    ///
    /// All problems, errors and warnings, if there is an error among them; see [`Manifest::parse`]. A file that
    /// cannot be read is one.
    pub fn read(path: &Path) -> Result<Checked, Problems> {
        Self::examine_file(path).outcome
    }

    /// Checks the contents of a file called `file_name`.
    ///
    /// Files are accepted and refused as the reference does it, with YAML 1.1 as it reads it: `no` is a boolean
    /// without quotes, `<<` merges, of a repeated key the last one counts (with a warning). Unknown keys are
    /// accepted with a warning. What we refuse and the reference does not:
    ///
    /// * more than 1 MiB, 100 levels or 100,000 values with every alias written out, and aliases that stand
    ///   within what they name;
    /// * what `serde_yaml` cannot read: a `%YAML` line of any version but 1.1 and 1.2, halves of surrogate pairs
    ///   (`"\ud83d"`), `key:` right before a comma or a bracket, a byte order mark within the file;
    /// * `!!str` and its like on a mapping.
    ///
    /// ```
    /// use charm_telemetry_core::Manifest;
    ///
    /// let text = "
    /// version: 0.4
    /// persona: {name: Hello, description: Says hello}
    /// interface: {input: {}, output: {}}
    /// runtime:
    ///   adapter: {type: python}
    /// ";
    /// let problems = Manifest::parse(text.as_bytes(), "charm.yaml").unwrap_err();
    /// assert_eq!(problems.len(), 2); // `0.4` is a number, and there is no entry point
    /// assert!(problems.to_string().starts_with("charm.yaml:2:10: version: expected"));
    /// ```
    ///
    /// # Errors
    ///
    /// All problems, errors and warnings, in the order of the file, if there is an error among them.
    pub fn parse(bytes: &[u8], file_name: &str) -> Result<Checked, Problems> {
        Self::examine(bytes, file_name).outcome
    }

    /// As [`Manifest::read`], with the names that are in the file also if it is refused.
    ///
    /// ```
    /// use charm_telemetry_core::Manifest;
    ///
    /// let examined = Manifest::examine_file("no/such/charm.yaml".as_ref());
    /// assert!(examined.outcome.is_err() && examined.names.telemetry.is_empty());
    /// ```
    pub fn examine_file(path: &Path) -> Examined {
        match bytes(path) {
            Ok(bytes) => Self::examine(&bytes, &path.display().to_string()),
            Err(problem) => Examined { outcome: Err(problem.into()), names: Names::default() },
        }
    }

    /// As [`Manifest::parse`], with the names that are in the file also if it is refused: whoever knows which adapters and
    /// exporters there are tells what is wrong with them together with all the rest. See [`Names`] for an example.
    pub fn examine(bytes: &[u8], file_name: &str) -> Examined {
        let (root, found) = match tree(bytes, file_name) {
            Ok(read) => read,
            Err(problems) => return Examined { outcome: Err(problems), names: Names::default() },
        };
        let names = Names::of(file_name, &root);
        Examined { outcome: Self::checked(file_name, root, &names, found), names }
    }

    fn checked(file: &str, root: Node, names: &Names, mut found: Problems) -> Result<Checked, Problems> {
        let (value, more) = check(file, &root);
        found.extend(more);
        let warnings = found.sorted();
        if warnings.has_errors() {
            return Err(warnings);
        }
        let manifest = Self::from_checked(value, file, root, names)
            .map_err(|error| Problem::error(format!("{error}; this is our fault, please report it")))?;
        Ok(Checked { manifest, warnings })
    }
}

/// The tree that is in the file, and what is wrong with its YAML.
fn tree(bytes: &[u8], file: &str) -> Result<(Node, Problems), Problems> {
    let text = text(bytes).map_err(|fault| problem(fault, file))?;
    let marks = Marks::read(text).map_err(|faults| problems(faults, file).sorted())?;
    let Some(root) = marks.root() else { return Err(problem(empty(), file).into()) };
    let root = compose(text, &marks, root).map_err(|fault| problem(fault, file))?;
    if root.is_null() {
        return Err(problem(empty(), file).into());
    }
    let mut found = problems(tabs::faults(text, &marks), file);
    found.extend(problems(marks.faults, file));
    Ok((root, found))
}

fn bytes(path: &Path) -> Result<Vec<u8>, Problem> {
    let shown = path.display();
    let failed = |error: std::io::Error| {
        Problem::error(match error.kind() {
            ErrorKind::NotFound => {
                format!("`{shown}` does not exist; run this in the folder of your agent, or name that folder")
            }
            ErrorKind::PermissionDenied => format!("`{shown}` may not be read; give yourself the permission"),
            ErrorKind::IsADirectory => format!("`{shown}` is a folder; name a file"),
            _ => format!("`{shown}` cannot be read: {error}"),
        })
    };
    // With room, because a file that is read through a bound is not asked for its size, and starts in small pieces.
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    File::open(path).map_err(failed)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The text without a byte order mark.
fn text(bytes: &[u8]) -> Result<&str, Fault> {
    let start = Position { line: 1, column: 1 };
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Fault::fatal(start, "larger than 1 MiB; no manifest is, so is this the right file?"));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let (before, bad) = bytes.split_at(error.valid_up_to());
            let message = format!("the byte 0x{:02x} is no UTF-8; save the file as UTF-8", bad[0]);
            Err(Fault::fatal(end(&String::from_utf8_lossy(before)), message))
        }
    }
}

/// The position after a text.
fn end(text: &str) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position { line: text.matches('\n').count() + 1, column: last.chars().count() + 1 }
}

fn empty() -> Fault {
    Fault::fatal(
        Position { line: 1, column: 1 },
        "empty; a manifest needs `version`, `persona`, `interface` and `runtime`",
    )
}

fn problems(faults: Vec<Fault>, file: &str) -> Problems {
    faults.into_iter().map(|fault| problem(fault, file)).collect()
}

fn problem(fault: Fault, file: &str) -> Problem {
    match fault.position {
        Some(position) => Problem::error(fault.message).at(locate(file, position)),
        None => Problem::error(format!("{file}: {}", fault.message)),
    }
}
