//! From a project to running exporters.
//!
//! Rule: everything is checked before anything starts, and signals are caught from the first moment.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use charm_telemetry_core::{Environment, Manager, ManagerBuilder, Notice, Problem, Problems};

use super::adapter::{Adapter, adapter_of};
use super::live::LiveView;
use crate::child::{Signals, Stopper};
use crate::exit::Exit;
use crate::project::Project;
use crate::words::say;

/// How long the exporters have to finish after the last run, unless [`SHUTDOWN_VARIABLE`] says otherwise.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// Says how many seconds the exporters have to finish.
const SHUTDOWN_VARIABLE: &str = "CHARM_TELEMETRY_SHUTDOWN_TIMEOUT";

/// A project whose exporters run and whose agent can be started.
pub(crate) struct Started {
    pub(super) project: Project,
    pub(super) adapter: Adapter,
    pub(super) manager: Manager,
    pub(super) signals: Signals,
    pub(super) shutdown_deadline: Duration,
    /// Why stdout could not be written, if so.
    pub(super) stdout_failure: Arc<OnceLock<ErrorKind>>,
}

/// Why nothing was started.
#[derive(Debug)]
pub(crate) enum Refusal {
    Configuration(Problems),
    System(io::Error),
}

impl Started {
    pub(crate) fn new(project: Project) -> Result<Self, Refusal> {
        let signals = Signals::install().map_err(Refusal::System)?;
        let mut problems = Problems::default();
        let adapter = adapter_of(&project).map_err(|problem| problems.push(problem)).ok();
        let shutdown_deadline = shutdown_deadline(&project).map_err(|problem| problems.push(problem)).ok();
        let stdout_failure = Arc::<OnceLock<ErrorKind>>::default();
        let builder = manager_builder(&project);
        let builder = builder.on_notice(teller(Arc::clone(&stdout_failure), signals.stopper()));
        let builder = if io::stdout().is_terminal() { builder.stdout(LiveView::new()) } else { builder };
        let (Some(adapter), Some(shutdown_deadline)) = (adapter, shutdown_deadline) else {
            problems.extend(manager_builder(&project).check());
            return Err(Refusal::Configuration(project.clean(problems)));
        };
        let manager = builder.start().map_err(|problems| Refusal::Configuration(project.clean(problems)))?;
        if !manager.warnings().is_empty() {
            say(project.clean(manager.warnings().clone()));
        }
        Ok(Self { project, adapter, manager, signals, shutdown_deadline, stdout_failure })
    }
}

/// Tells what happens to exporters. When stdout cannot be written the run ends: whoever started it has gone, or would
/// miss what he wanted to see.
fn teller(failure: Arc<OnceLock<ErrorKind>>, stopper: Stopper) -> impl Fn(&Notice<'_>) + Send + Sync {
    move |notice| {
        if let Notice::StdoutFailed { error } = notice {
            // The first counts.
            let _: Result<(), ErrorKind> = failure.set(error.kind());
            stopper.reader_is_gone();
            if error.kind() == ErrorKind::BrokenPipe {
                return;
            }
        }
        say(notice);
    }
}

/// The manager that a project asks for.
pub(crate) fn manager_builder(project: &Project) -> ManagerBuilder {
    let runtime = &project.manifest.runtime;
    let builder = Manager::builder()
        .environment(telemetry_environment(project))
        .redact(project.secrets.iter().cloned());
    runtime.telemetry.iter().enumerate().fold(builder, |builder, (index, exporter)| {
        builder.activate_from(
            &exporter.name,
            exporter.location.clone(),
            format!("runtime.telemetry[{index}]"),
        )
    })
}

/// What exporters read: the project's environment, and the agent's name and version where nobody says otherwise.
pub(crate) fn telemetry_environment(project: &Project) -> Environment {
    let mut environment = project.environment.clone();
    let persona = &project.manifest.persona;
    for (name, value) in [("CHARM_AGENT_NAME", &persona.name), ("CHARM_AGENT_VERSION", &persona.version)] {
        if environment.get(name).is_none() {
            environment.set(name, value);
        }
    }
    environment
}

pub(crate) fn shutdown_deadline(project: &Project) -> Result<Duration, Problem> {
    let Some(text) = project.environment.get(SHUTDOWN_VARIABLE) else { return Ok(SHUTDOWN_DEADLINE) };
    let text = text.trim().trim_end_matches('s');
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .ok_or_else(|| Problem::error(format!("`{SHUTDOWN_VARIABLE}` is not a number of seconds; try `5`")))
}

impl Refusal {
    pub(crate) fn text(&self) -> &dyn fmt::Display {
        match self {
            Self::Configuration(problems) => problems,
            Self::System(error) => error,
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Configuration(_) => Exit::Configuration,
            Self::System(_) => Exit::Internal,
        }
    }
}
