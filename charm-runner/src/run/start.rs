//! From a project to running exporters.
//!
//! Rule: everything is checked before anything starts, and signals are caught from the first moment.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use charm_telemetry_core::{Manager, Notice, Problems};

use super::adapter::{Adapter, adapter_of};
use super::check::{manager_builder, shutdown_deadline};
use super::live::LiveView;
use crate::child::{Signals, Stopper};
use crate::exit::Exit;
use crate::project::Project;
use crate::stderr::say;

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
        let shutdown_deadline =
            shutdown_deadline(&project.environment).map_err(|problem| problems.push(problem)).ok();
        let stdout_failure = Arc::<OnceLock<ErrorKind>>::default();
        let builder = manager_builder(&project);
        let builder = builder.on_notice(teller(Arc::clone(&stdout_failure), signals.stopper()));
        let builder = if io::stdout().is_terminal() { builder.stdout(LiveView::new()) } else { builder };
        let (Some(adapter), Some(shutdown_deadline)) = (adapter, shutdown_deadline) else {
            problems.extend(manager_builder(&project).check_here());
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
