//! Chooses what a manager runs.
//!
//! Rule: building collects problems and starts nothing; starting needs that there are none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use crate::descriptor::Registration;
use crate::emit::Hub;
use crate::environment::{Environment, EnvironmentReader, VariableProblem};
use crate::exporter::TelemetryExporter;
use crate::lane::{Build, Lane, LaneLimits};
use crate::notice::{self, Notice, Notices, Tell};
use crate::problem::{Location, Problem, Problems, Severity};
use crate::pump::{Pump, STREAM_IS_QUIET, Stdout};
use crate::redact::Redactor;
use crate::registry::{Registry, RegistryError};
use crate::stdout::{EventWriter, PipeWriter, Unbuffered};
use crate::trace::TelemetrySettings;

use super::Manager;
use super::ready::{Ready, panicked};
use super::wanted::{Own, Wanted, twins, unknown};

/// How much longer than the deadline the manager waits for the pump, which itself keeps to the deadline.
pub(super) const GRACE: Duration = Duration::from_millis(100);

/// Says what happens if an exporter cannot be activated.
const ON_ERROR_VARIABLE: &str = "CHARM_TELEMETRY_ON_ERROR";

/// What happens if an exporter cannot be activated.
///
/// ```
/// # use charm_telemetry_core::{Environment, Manager, OnError, testing::MemoryWriter};
/// # let builder = || Manager::builder().environment(Environment::default()).stdout(MemoryWriter::new());
/// assert!(builder().activate("datadgo").start().is_err());
///
/// let manager = builder().activate("datadgo").on_error(OnError::Warn).start()?;
/// assert_eq!(manager.warnings().len(), 1);
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Nothing starts.
    #[default]
    Refuse,
    /// The others start; the problems are told as events of every run. `CHARM_TELEMETRY_ON_ERROR=warn`.
    Warn,
}

/// Chooses what a [`Manager`] runs.
///
/// ```
/// use charm_telemetry_core::{Environment, Manager};
///
/// let problems = Manager::builder()
///     .environment(Environment::from_pairs([("CHARM_TELEMETRY_ON_ERROR", "shrug")]))
///     .activate("datadgo")
///     .check();
/// assert_eq!(problems.len(), 2, "all that is wrong is said at once: {problems}");
/// ```
#[must_use]
pub struct ManagerBuilder {
    environment: Environment,
    registry: Option<Registry>,
    wanted: Vec<Wanted>,
    own: Vec<Own>,
    secret_variables: BTreeSet<String>,
    writer: Option<Box<dyn EventWriter>>,
    limits: LaneLimits,
    tell: Option<Tell>,
    on_error: Option<OnError>,
}

/// What is there before anything starts.
pub(super) struct Prepared {
    pub(super) ready: Vec<Ready>,
    settings: Arc<TelemetrySettings>,
    redactor: Arc<Redactor>,
    pub(super) notices: Arc<Notices>,
    pub(super) problems: Problems,
}

impl ManagerBuilder {
    pub(super) fn new() -> Self {
        Self {
            environment: Environment::from_process(),
            registry: None,
            wanted: Vec::new(),
            own: Vec::new(),
            secret_variables: BTreeSet::new(),
            writer: None,
            limits: LaneLimits::default(),
            tell: None,
            on_error: None,
        }
    }

    /// Where exporters read their configuration. Default: the environment of the process.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Which exporters can be named. Default: those that are compiled in.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Activates an exporter by its name.
    pub fn activate(mut self, name: impl Into<String>) -> Self {
        self.wanted.push(Wanted { name: name.into(), place: None });
        self
    }

    /// Activates an exporter by its name, which stands at `location` of a file under `key_path`.
    pub fn activate_from(
        mut self,
        name: impl Into<String>,
        location: Location,
        key_path: impl Into<String>,
    ) -> Self {
        self.wanted.push(Wanted { name: name.into(), place: Some((location, key_path.into())) });
        self
    }

    /// Activates an exporter that the program has built itself. It cannot be built again after a panic: from then on its events
    /// are counted as dropped.
    pub fn exporter(mut self, name: impl Into<String>, exporter: impl TelemetryExporter) -> Self {
        self.own.push(Own::new(name.into(), exporter));
        self
    }

    /// Takes the values of these variables out of everything that leaves. Those of the exporters' own secrets are added by
    /// themselves.
    pub fn redact<N: Into<String>>(mut self, variables: impl IntoIterator<Item = N>) -> Self {
        self.secret_variables.extend(variables.into_iter().map(Into::into));
        self
    }

    /// Where the events go that end users see. Default: lines of the Charm protocol on stdout.
    pub fn stdout(mut self, writer: impl EventWriter) -> Self {
        self.writer = Some(Box::new(writer));
        self
    }

    /// The bounds of each lane.
    pub fn limits(mut self, limits: LaneLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Who is told of exporters that fail, panic or hang. Default: one line on stderr.
    pub fn on_notice(mut self, tell: impl Fn(&Notice<'_>) + Send + Sync + 'static) -> Self {
        self.tell = Some(Box::new(tell));
        self
    }

    /// What happens if an exporter cannot be activated. Default: what `CHARM_TELEMETRY_ON_ERROR` says, `refuse` or `warn`.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = Some(on_error);
        self
    }

    /// Everything that would keep the manager from starting, without starting anything. A variable that is not set is only
    /// a warning here: it may be set where the manager will start.
    pub fn check(&self) -> Problems {
        self.problems(Severity::Warning)
    }

    /// The same for a manager that would start here and now: a variable that is not set is an error.
    ///
    /// ```
    /// # use charm_telemetry_core::{Environment, Manager, Secret, TelemetryExporter, charm_exporter};
    /// #[charm_exporter("foghorn")]
    /// struct Foghorn {
    ///     #[env("FOGHORN_KEY")]
    ///     key: Secret,
    /// }
    /// # impl TelemetryExporter for Foghorn {}
    ///
    /// let builder = Manager::builder().environment(Environment::default()).activate("foghorn");
    /// assert!(!builder.check().has_errors(), "it may be set elsewhere");
    /// assert!(builder.check_here().has_errors());
    /// ```
    pub fn check_here(&self) -> Problems {
        self.problems(Severity::Error)
    }

    /// Starts the exporters.
    ///
    /// # Errors
    /// Every problem of every exporter, together: unknown names, missing and unreadable variables. With [`OnError::Warn`]
    /// only what keeps the program itself from running.
    pub fn start(mut self) -> Result<Manager, Problems> {
        let Prepared { ready, settings, redactor, notices, problems } = self.prepare()?;
        let lanes = self.start_lanes(ready, &notices)?;
        let hub = Hub::new();
        let writer = self.writer.take().unwrap_or_else(|| Box::new(PipeWriter::new(Unbuffered)));
        let pump = Pump {
            hub: Arc::clone(&hub),
            lanes: lanes.iter().map(|lane| Arc::clone(&lane.shared)).collect(),
            stdout: Stdout::new(writer),
            redactor: Arc::clone(&redactor),
            notices,
            quiet: STREAM_IS_QUIET,
        };
        let (report, reports) = mpsc::channel();
        // Not joined: it may hang in a write to stdout. It sends its report when it ends.
        pump.start(report).map_err(|error| thread_problem("the pump", &error))?;
        Ok(Manager { hub, lanes, redactor, settings, pump: Some(reports), warnings: problems })
    }

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

    fn start_lanes(&self, ready: Vec<Ready>, notices: &Arc<Notices>) -> Result<Vec<Lane>, Problems> {
        let start = |mut ready: Ready| {
            let exporter = ready.take()?;
            let (name, rebuild) = (&ready.name, ready.rebuild.take());
            let lane = Lane::start(name, exporter, rebuild, self.limits, Arc::clone(notices));
            Some(lane.map_err(|error| thread_problem(&format!("exporter `{name}`"), &error)))
        };
        ready.into_iter().filter_map(start).collect()
    }

    fn problems(&self, missing: Severity) -> Problems {
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

pub(super) fn thread_problem(who: &str, error: &std::io::Error) -> Problems {
    Problem::error(format!("the thread of {who} cannot be started: {error}; raise the limit of processes"))
        .into()
}

impl std::fmt::Debug for ManagerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wanted: Vec<_> = self.wanted.iter().map(|wanted| wanted.name.as_str()).collect();
        f.debug_struct("ManagerBuilder").field("wanted", &wanted).finish_non_exhaustive()
    }
}
