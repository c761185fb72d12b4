//! What is wrong with a configuration, said all at once: with a place in a file where there is one.
//! One rule: a problem is complete in itself; whoever prints it adds nothing and cuts nothing.

use std::fmt;

use serde::Serialize;

/// How bad a [`Problem`] is.
///
/// ```
/// use charm_telemetry_core::{Problem, Severity};
///
/// let problem = Problem::warning("`CHARM_X` is not known");
/// assert_eq!(problem.severity, Severity::Warning);
/// assert!(Severity::Error < Severity::Warning, "sorted, errors come first");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing can be started with it.
    Error,
    /// It works, but most likely not as it was meant.
    Warning,
}

/// A place in a file. Lines and columns are counted from 1, columns in characters.
///
/// ```
/// use charm_telemetry_core::Manifest;
///
/// let problems = Manifest::parse(b"version: 0.4", "charm.yaml").unwrap_err();
/// let location = problems.iter().find_map(|problem| problem.location.as_ref()).expect("it is in the file");
/// assert_eq!(location.line, 1);
/// assert!(location.to_string().starts_with("charm.yaml:1:"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Location {
    /// The file, as the user named it.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The character in that line.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong, or looks wrong, with a configuration.
///
/// ```
/// use charm_telemetry_core::{Location, Problem};
///
/// let at = Location { file: "charm.yaml".into(), line: 14, column: 7 };
/// let problem = Problem::error("unknown exporter `datadgo`; did you mean `datadog`?")
///     .at(at)
///     .key("runtime.telemetry[2]");
/// assert_eq!(
///     problem.to_string(),
///     "charm.yaml:14:7: runtime.telemetry[2]: unknown exporter `datadgo`; did you mean `datadog`?",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whether it stops the start.
    pub severity: Severity,
    /// Where it is, when it is in a file: a missing environment variable is nowhere.
    pub location: Option<Location>,
    /// The path of the key it is about: `runtime.telemetry[2]`.
    pub key_path: Option<String>,
    /// What is wrong, then the way out.
    pub message: String,
}

impl Problem {
    /// A problem that stops the start.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into())
    }

    /// A problem that is worth a word and stops nothing.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message.into())
    }

    fn new(severity: Severity, message: String) -> Self {
        Self { severity, location: None, key_path: None, message }
    }

    /// Says where it is.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// Says which key it is about.
    #[must_use]
    pub fn key(mut self, path: impl Into<String>) -> Self {
        self.key_path = Some(path.into());
        self
    }

    /// Whether it stops the start.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `FILE:LINE:COLUMN: KEY: MESSAGE`, without the parts that are not known. The message of a warning
/// starts with `warning: `.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if let Some(key_path) = &self.key_path {
            write!(f, "{key_path}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// Everything that is wrong, to be said together. Displays as one problem a line.
///
/// ```
/// use charm_telemetry_core::{Problem, Problems};
///
/// let mut problems = Problems::default();
/// problems.push(Problem::warning("`CHARM_X` is not known"));
/// assert!(!problems.has_errors());
/// problems.push(Problem::error("exporter `datadog` needs `DD_API_KEY`"));
/// assert!(problems.has_errors());
/// assert_eq!(problems.to_string().lines().count(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Whether any of them stops the start.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(Problem::is_error)
    }

    /// The same problems in the order of the file: by place, those without one last; else as they came.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.0.sort_by(|a, b| (a.location.is_none(), &a.location).cmp(&(b.location.is_none(), &b.location)));
        self
    }

    /// All of them, as they were added.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl Extend<Problem> for Problems {
    fn extend<T: IntoIterator<Item = Problem>>(&mut self, problems: T) {
        self.0.extend(problems);
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<T: IntoIterator<Item = Problem>>(problems: T) -> Self {
        Self(problems.into_iter().collect())
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize) -> Location {
        Location { file: "charm.yaml".into(), line, column }
    }

    #[test]
    fn problems_are_told_in_the_order_of_the_file_and_those_without_a_place_last() {
        let problems: Problems = [
            Problem::error("third"),
            Problem::error("second").at(at(10, 1)),
            Problem::warning("first").at(at(9, 80)).key("goals"),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            problems.sorted().to_string(),
            "charm.yaml:9:80: warning: goals: first\ncharm.yaml:10:1: second\nthird"
        );
    }

    #[test]
    fn a_problem_as_json_has_its_place_and_its_key() {
        let problem = Problem::error("bad").at(at(2, 3)).key("goals");
        assert_eq!(
            serde_json::to_value(Problems::from(problem)).unwrap(),
            serde_json::json!([{
                "severity": "error",
                "location": {"file": "charm.yaml", "line": 2, "column": 3},
                "key_path": "goals",
                "message": "bad",
            }])
        );
    }
}
