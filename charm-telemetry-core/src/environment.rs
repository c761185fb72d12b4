//! Where exporters get their configuration: the environment, taken once and then unchanging.
//!
//! Rule: reading collects every problem, and no problem ever shows a value that may be a secret.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use crate::descriptor::VariableDescriptor;

/// A snapshot of environment variables.
///
/// ```
/// use charm_telemetry_core::Environment;
///
/// let environment = Environment::from_pairs([("DD_SITE", "datadoghq.eu")]);
/// assert_eq!(environment.get("DD_SITE"), Some("datadoghq.eu"));
/// ```
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

impl Environment {
    /// The environment of this process. Variables whose names are not UTF-8 are left out.
    pub fn from_process() -> Self {
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Self { variables: std::env::vars_os().filter_map(named).collect() }
    }

    /// Just these variables.
    pub fn from_pairs<N: Into<String>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in pairs {
            environment.set(name, value);
        }
        environment
    }

    /// Sets a variable in this snapshot (never in the process).
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<OsString>) {
        self.variables.insert(name.into(), value.into());
    }

    /// The value of a variable that is set, not blank, and UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name)?.to_str().filter(|value| !value.trim().is_empty())
    }

    /// Every variable, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OsString)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value))
    }

    fn is_unreadable(&self, name: &str) -> bool {
        self.variables.get(name).is_some_and(|value| value.to_str().is_none())
    }
}

/// Shows the names alone: any value may be a secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// A variable that is missing or cannot be read.
///
/// ```
/// # use charm_telemetry_core::testing::ExporterHarness;
/// # use charm_telemetry_core::{Environment, Secret, TelemetryExporter, charm_exporter};
/// #[charm_exporter("siren")]
/// struct Siren {
///     #[env("SIREN_KEY")]
///     key: Secret,
/// }
/// # impl TelemetryExporter for Siren {}
///
/// let problems = ExporterHarness::<Siren>::from_environment(&Environment::default()).err().unwrap();
/// assert_eq!(problems[0].message, "needs `SIREN_KEY`; it is not set");
/// assert!(problems[0].missing);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableProblem {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong and the way out; never the value of a secret.
    pub message: String,
    /// It is not set at all: elsewhere it may be.
    pub missing: bool,
}

/// Reads the fields of one exporter and remembers what was wrong.
///
/// ```
/// use charm_telemetry_core::{Environment, EnvironmentReader, TelemetryExporter};
///
/// struct Gauge;
///
/// impl TelemetryExporter for Gauge {
///     fn prepare(&mut self, reader: &mut EnvironmentReader<'_>) {
///         if reader.environment().get("GAUGE_UNIT") == Some("furlong") {
///             reader.problem("GAUGE_UNIT", "`GAUGE_UNIT` is `furlong`; use `metre`");
///         }
///     }
/// }
/// # let environment = Environment::from_pairs([("GAUGE_UNIT", "furlong")]);
/// # let mut reader = EnvironmentReader::new(&environment);
/// # Gauge.prepare(&mut reader);
/// # assert_eq!(reader.into_problems().len(), 1);
/// ```
#[derive(Debug)]
pub struct EnvironmentReader<'a> {
    environment: &'a Environment,
    problems: Vec<VariableProblem>,
}

impl<'a> EnvironmentReader<'a> {
    /// A reader without problems yet.
    pub fn new(environment: &'a Environment) -> Self {
        Self { environment, problems: Vec::new() }
    }

    /// What it reads: for those who hand it on, as to the settings of a delivery.
    pub fn environment(&self) -> &'a Environment {
        self.environment
    }

    /// Everything that was wrong so far.
    pub fn into_problems(self) -> Vec<VariableProblem> {
        self.problems
    }

    /// How many problems there were so far.
    pub(crate) fn problem_count(&self) -> usize {
        self.problems.len()
    }

    /// Records a problem of a variable.
    pub fn problem(&mut self, variable: &'static str, message: impl Into<String>) {
        self.problems.push(VariableProblem { variable, message: message.into(), missing: false });
    }

    /// Reads a field that may be absent: the first name that is set, else the default, parsed by `parse`.
    /// `None` if there is no value or if it was refused, which is then recorded.
    pub fn optional<T>(
        &mut self,
        variable: &'static VariableDescriptor,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (name, text, source) = self.lookup(variable)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(why) if source == Source::Default => {
                self.problem(
                    name,
                    format!(
                        "the default of `{name}`, `{text}`, cannot be read: {why}; set the variable, and tell the exporter's author"
                    ),
                );
                None
            }
            Err(_) if variable.secret => {
                self.problem(
                    name,
                    format!("the value of `{name}` is not valid (it is a secret, so it is not shown)"),
                );
                None
            }
            Err(why) if may_hold_a_key(text) => {
                self.problem(name, format!("`{name}` (it may hold a key, so it is not shown): {why}"));
                None
            }
            Err(why) => {
                self.problem(name, format!("`{name}` is `{}`: {why}", shorten(text)));
                None
            }
        }
    }

    /// Reads a field that must be there. `None` after a problem was recorded.
    pub fn required<T>(
        &mut self,
        variable: &'static VariableDescriptor,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if self.lookup(variable).is_none() && !self.any_unreadable(variable) {
            let message = missing(variable);
            self.problems.push(VariableProblem { variable: variable.names[0], message, missing: true });
        }
        self.optional(variable, parse)
    }

    fn any_unreadable(&self, variable: &VariableDescriptor) -> bool {
        variable.names.iter().any(|name| self.environment.is_unreadable(name))
    }

    fn lookup(&mut self, variable: &'static VariableDescriptor) -> Option<(&'static str, &'a str, Source)> {
        for &name in variable.names {
            if let Some(text) = self.environment.get(name) {
                return Some((name, text, Source::Environment));
            }
            if self.environment.is_unreadable(name) && !self.problems.iter().any(|p| p.variable == name) {
                self.problem(name, format!("the value of `{name}` is not UTF-8"));
            }
        }
        variable.default.map(|text| (variable.names[0], text, Source::Default))
    }
}

/// Who wrote the text of a variable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Environment,
    Default,
}

fn missing(variable: &VariableDescriptor) -> String {
    let (first, others) = (variable.names[0], &variable.names[1..]);
    let aliases = if others.is_empty() { String::new() } else { format!(" (or `{}`)", others.join("`, `")) };
    let purpose = variable.doc.lines().next().unwrap_or_default().trim().trim_end_matches('.');
    let purpose = if purpose.is_empty() { String::new() } else { format!(": {purpose}") };
    let unset = if others.is_empty() { "it is not set" } else { "none is set" };
    format!("needs `{first}`{aliases}{purpose}; {unset}")
}

/// An address with a user, a password or parameters.
fn may_hold_a_key(text: &str) -> bool {
    text.contains("://") && text.contains(['@', '?'])
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() <= SHOWN {
        text.to_owned()
    } else {
        text.chars().take(SHOWN).chain("...".chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: VariableDescriptor = VariableDescriptor {
        names: &["NEW_KEY", "OLD_KEY"],
        default: None,
        required: true,
        secret: true,
        doc: "The key.",
    };
    static VARIABLE: VariableDescriptor = KEY;

    #[test]
    fn a_blank_value_is_none_and_the_next_name_counts() {
        for blank in ["", " ", "\t\r\n"] {
            let environment = Environment::from_pairs([("NEW_KEY", blank), ("OLD_KEY", " key ")]);
            let mut reader = EnvironmentReader::new(&environment);
            let got = reader.required(&VARIABLE, |text| Ok(text.to_owned()));
            assert_eq!(got.as_deref(), Some(" key "), "{blank:?}: and nothing is cut off");
            let environment = Environment::from_pairs([("NEW_KEY", blank)]);
            let mut reader = EnvironmentReader::new(&environment);
            assert_eq!(reader.required(&VARIABLE, |text| Ok(text.to_owned())), None);
            assert!(reader.into_problems()[0].missing, "{blank:?}");
        }
    }
}
