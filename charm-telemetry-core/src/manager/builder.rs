//! Chooses what a manager runs.
//!
//! Rule: building collects problems and starts nothing; starting needs that there are none.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use crate::emit::Hub;
use crate::environment::Environment;
use crate::exporter::TelemetryExporter;
use crate::lane::{Lane, LaneLimits};
use crate::notice::{Notice, Notices, Tell};
use crate::problem::{Location, Problem, Problems, Severity};
use crate::pump::{Pump, STREAM_IS_QUIET, Stdout};
use crate::registry::Registry;
use crate::stdout::{EventWriter, PipeWriter, Unbuffered};

use super::Manager;
use super::prepare::Prepared;
use super::ready::Ready;
use super::wanted::{Own, Wanted};

/// How much longer than the deadline the manager waits for the pump, which itself keeps to the deadline.
pub(super) const GRACE: Duration = Duration::from_millis(100);

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
    pub(super) environment: Environment,
    pub(super) registry: Option<Registry>,
    pub(super) wanted: Vec<Wanted>,
    pub(super) own: Vec<Own>,
    pub(super) secret_variables: BTreeSet<String>,
    pub(super) writer: Option<Box<dyn EventWriter>>,
    pub(super) limits: LaneLimits,
    pub(super) tell: Option<Tell>,
    pub(super) on_error: Option<OnError>,
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

    fn start_lanes(&self, ready: Vec<Ready>, notices: &Arc<Notices>) -> Result<Vec<Lane>, Problems> {
        let start = |mut ready: Ready| {
            let exporter = ready.take()?;
            let (name, rebuild) = (&ready.name, ready.rebuild.take());
            let lane = Lane::start(name, exporter, rebuild, self.limits, Arc::clone(notices));
            Some(lane.map_err(|error| thread_problem(&format!("exporter `{name}`"), &error)))
        };
        ready.into_iter().filter_map(start).collect()
    }
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
