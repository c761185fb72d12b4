//! From what was asked for to exporters that are ready to run.
//!
//! Rule: one problem does not hide another, and nothing starts here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::descriptor::Registration;
use crate::environment::{Environment, EnvironmentReader, VariableProblem};
use crate::lane::Build;
use crate::notice::{self, Notices};
use crate::problem::{Problem, Problems, Severity};
use crate::redact::Redactor;
use crate::registry::{Registry, RegistryError};
use crate::trace::TelemetrySettings;

use super::builder::{ManagerBuilder, OnError};
use super::ready::{Ready, panicked};
use super::wanted::{Own, Wanted, twins, unknown};

/// Says what happens if an exporter cannot be activated.
const ON_ERROR_VARIABLE: &str = "CHARM_TELEMETRY_ON_ERROR";

/// What is there before anything starts.
pub(super) struct Prepared {
    pub(super) ready: Vec<Ready>,
    pub(super) settings: Arc<TelemetrySettings>,
    pub(super) redactor: Arc<Redactor>,
    pub(super) notices: Arc<Notices>,
    pub(super) problems: Problems,
}

impl ManagerBuilder {
    /// Everything that has to be right before anything starts.
    pub(super) fn prepare(&mut self) -> Result<Prepared, Problems> {
        let mut problems = Problems::default();
        let settings = Arc::new(self.settings(&mut problems));
        let mut ready = self.make_ready(&settings, Severity::Error, &mut problems);
        ready.extend(self.configure_own(&settings, &mut problems));
        let on_error = self.on_error.unwrap_or_else(|| self.on_error_by_environment(&mut problems));
        let redactor = Arc::new(Redactor::new(self.secrets()));
        let problems = clean(problems, &redactor);
        if problems.has_errors() && on_error == OnError::Refuse {
            return Err(problems);
        }
        let tell = self.tell.take().unwrap_or_else(notice::to_stderr);
        let notices = Arc::new(Notices::new(Arc::clone(&redactor), tell));
        Ok(Prepared { ready, settings, redactor, notices, problems })
    }

    fn on_error_by_environment(&self, problems: &mut Problems) -> OnError {
        match self.environment.get(ON_ERROR_VARIABLE).unwrap_or("refuse") {
            "refuse" => OnError::Refuse,
            "warn" => OnError::Warn,
            other => {
                let message = format!("`{ON_ERROR_VARIABLE}` is `{other}`; expected `refuse` or `warn`");
                problems.push(Problem::error(message));
                OnError::Refuse
            }
        }
    }

    pub(super) fn problems(&self, missing: Severity) -> Problems {
        let mut problems = Problems::default();
        let settings = Arc::new(self.settings(&mut problems));
        self.make_ready(&settings, missing, &mut problems);
        self.twins(&mut problems);
        self.on_error_by_environment(&mut problems);
        clean(problems, &Redactor::new(self.secrets()))
    }

    fn make_ready(
        &self,
        settings: &Arc<TelemetrySettings>,
        missing: Severity,
        problems: &mut Problems,
    ) -> Vec<Ready> {
        let registry = match self.linked() {
            Ok(registry) => registry,
            Err(error) => {
                problems.push(Problem::error(error.to_string()));
                return Vec::new();
            }
        };
        let mut seen = BTreeSet::new();
        let mut ready = Vec::new();
        for wanted in &self.wanted {
            if !seen.insert(&wanted.name) {
                problems.push(
                    wanted.problem(format!("exporter `{}` is listed twice; once is enough", wanted.name)),
                );
                continue;
            }
            match registry.get(&wanted.name) {
                Some(entry) => ready.extend(self.build(wanted, entry, settings, missing, problems)),
                None => problems.push(wanted.problem(unknown(&wanted.name, &registry))),
            }
        }
        ready
    }

    /// The program's own exporters whose names are taken already, by their places in the list.
    fn twins(&self, problems: &mut Problems) -> BTreeSet<usize> {
        let registry = self.linked().ok();
        let named = self.wanted.iter().filter_map(|wanted| {
            let entry = registry.as_ref()?.get(&wanted.name)?;
            Some((wanted.name.as_str(), (entry.descriptor.type_name, Some(wanted))))
        });
        let mut taken: BTreeMap<&str, (&str, Option<&Wanted>)> = named.collect();
        let mut refused = BTreeSet::new();
        for (index, own) in self.own.iter().enumerate() {
            let Some((first, wanted)) = taken.get(own.name.as_str()) else {
                taken.insert(&own.name, (own.type_name, None));
                continue;
            };
            let message = twins(&own.name, first, own.type_name);
            problems.push(
                wanted.map_or_else(|| Problem::error(&message), |wanted| wanted.problem(message.clone())),
            );
            refused.insert(index);
        }
        refused
    }

    fn configure_own(&mut self, settings: &Arc<TelemetrySettings>, problems: &mut Problems) -> Vec<Ready> {
        let refused = self.twins(problems);
        let mut ready = Vec::new();
        for (index, Own { name, exporter, .. }) in std::mem::take(&mut self.own).into_iter().enumerate() {
            match Ready::build(&name, settings, None, || Some(exporter)) {
                Ok(built) => ready.extend(built.filter(|_| !refused.contains(&index))),
                Err(message) => problems.push(Problem::error(panicked(&name, &message))),
            }
        }
        ready
    }

    fn build(
        &self,
        wanted: &Wanted,
        entry: &'static Registration,
        settings: &Arc<TelemetrySettings>,
        missing: Severity,
        problems: &mut Problems,
    ) -> Option<Ready> {
        let mut reader = EnvironmentReader::new(&self.environment);
        let rebuild = rebuild(entry, &self.environment, settings);
        let built = Ready::build(&wanted.name, settings, Some(rebuild), || (entry.build)(&mut reader));
        let found = reader.into_problems();
        let own = found.iter().filter(|problem| !is_told_once(problem));
        problems.extend(own.map(|problem| wanted.variable_problem(problem, missing)));
        match built {
            Ok(None) if found.is_empty() => {
                problems.push(wanted.problem(format!("exporter `{}` could not be built", wanted.name)));
                None
            }
            Ok(ready) => ready.filter(|_| found.is_empty()),
            Err(message) => {
                problems.push(wanted.problem(panicked(&wanted.name, &message)));
                None
            }
        }
    }

    fn linked(&self) -> Result<Registry, RegistryError> {
        self.registry.clone().map_or_else(Registry::linked, Ok)
    }

    /// What all exporters share, read once.
    fn settings(&self, problems: &mut Problems) -> TelemetrySettings {
        let mut reader = EnvironmentReader::new(&self.environment);
        let settings = TelemetrySettings::read(&mut reader);
        #[cfg(feature = "delivery")]
        crate::delivery::check(&mut reader);
        problems.extend(reader.into_problems().into_iter().map(|problem| Problem::error(problem.message)));
        settings
    }

    /// The values that nobody may see, by the names of their variables.
    fn secrets(&self) -> Vec<(String, String)> {
        let registry = self.linked().ok();
        let entries = self.wanted.iter().filter_map(|wanted| registry.as_ref()?.get(&wanted.name));
        let secret = entries.flat_map(|entry| entry.descriptor.variables).filter(|variable| variable.secret);
        let of_exporters = secret.flat_map(|variable| variable.names).map(|&name| name.to_owned());
        let names: BTreeSet<String> = of_exporters.chain(self.secret_variables.iter().cloned()).collect();
        let value = |name: String| self.environment.get(&name).map(str::to_owned).map(|value| (name, value));
        names.into_iter().filter_map(value).collect()
    }
}

/// Whether [`ManagerBuilder::settings`] tells of it for all exporters.
#[cfg(feature = "delivery")]
fn is_told_once(problem: &VariableProblem) -> bool {
    crate::delivery::is_shared(problem.variable)
}

#[cfg(not(feature = "delivery"))]
fn is_told_once(_problem: &VariableProblem) -> bool {
    false
}

/// How the exporter is built once more after a panic.
fn rebuild(
    entry: &'static Registration,
    environment: &Environment,
    settings: &Arc<TelemetrySettings>,
) -> Build {
    let (environment, settings) = (environment.clone(), Arc::clone(settings));
    Box::new(move || {
        let mut exporter = (entry.build)(&mut EnvironmentReader::new(&environment))?;
        exporter.configure(&settings);
        Some(exporter)
    })
}

/// Problems without secrets: one quotes the value of a variable, and that may hold the secret of another.
fn clean(problems: Problems, redactor: &Redactor) -> Problems {
    let clean =
        |problem: Problem| Problem { message: redactor.text(&problem.message).into_owned(), ..problem };
    problems.into_iter().map(clean).collect()
}
