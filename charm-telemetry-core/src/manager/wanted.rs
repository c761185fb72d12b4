//! Exporters that were asked for: by name, or built by the program itself.
//!
//! Rule: a problem of one says where it was asked for.

use crate::environment::VariableProblem;
use crate::exporter::TelemetryExporter;
use crate::problem::{Location, Problem, Severity};
use crate::registry::Registry;
use crate::suggest::suggest;

/// An exporter that was asked for by name.
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) place: Option<(Location, String)>,
}

/// An exporter that the program has built.
pub(super) struct Own {
    pub(super) name: String,
    pub(super) type_name: &'static str,
    pub(super) exporter: Box<dyn TelemetryExporter>,
}

impl Wanted {
    pub(super) fn problem(&self, message: String) -> Problem {
        let problem = Problem::error(message);
        match &self.place {
            Some((location, key_path)) => problem.at(location.clone()).key(key_path.clone()),
            None => problem,
        }
    }

    pub(super) fn variable_problem(&self, problem: &VariableProblem, missing: Severity) -> Problem {
        let severity = if problem.missing { missing } else { Severity::Error };
        // "needs `NAME`" goes on with the sentence, all others begin one.
        let colon = if problem.missing { "" } else { ":" };
        Problem { severity, ..self.problem(format!("exporter `{}`{colon} {}", self.name, problem.message)) }
    }
}

impl Own {
    pub(super) fn new<E: TelemetryExporter>(name: String, exporter: E) -> Self {
        Self { name, type_name: std::any::type_name::<E>(), exporter: Box::new(exporter) }
    }
}

/// Two exporters of one name: reports and notices could not tell them apart.
pub(super) fn twins(name: &str, first: &str, second: &str) -> String {
    format!("two exporters are named `{name}`: {first} and {second}; rename one of them")
}

pub(super) fn unknown(name: &str, registry: &Registry) -> String {
    let known: Vec<_> = registry.names().collect();
    let meant = suggest(name, known.iter().copied())
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let separator = if meant.is_empty() { ";" } else { "" };
    format!("unknown exporter `{name}`{meant}{separator} compiled in: {known}")
}
