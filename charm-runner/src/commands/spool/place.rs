//! Where the spool is, and what the exporters read.
//!
//! Rule: a folder need not be a project; what it has of `.env` and charm.yaml counts as in a run.

use std::path::{Path, PathBuf};

use charm_telemetry_core::delivery::state_dir;
use charm_telemetry_core::spool::{self, SpoolFile};
use charm_telemetry_core::{Environment, Problems, Registry};

use crate::exit::Exit;
use crate::project::{Project, environment_of, has_manifest};
use crate::run::{self, all_problems, telemetry_environment};
use crate::stderr::say;

/// A spool and its surroundings.
pub(super) struct Place {
    pub(super) environment: Environment,
    /// The variables whose values nobody may see.
    pub(super) secrets: Vec<String>,
    pub(super) state_dir: PathBuf,
    pub(super) registry: Registry,
}

impl Place {
    /// For who only looks at files: a charm.yaml that is not right is no hindrance.
    pub(super) fn of_files(folder: &Path) -> Result<Self, Exit> {
        let (environment, secrets) = environment_of(folder).map_err(|problems| refuse(&problems))?;
        Self::new(environment, secrets)
    }

    /// For exporters: the agent's name may be part of where they send.
    pub(super) fn of_exporters(folder: &Path) -> Result<Self, Exit> {
        if !has_manifest(folder) {
            return Self::of_files(folder);
        }
        let project = Project::read(folder)
            .map_err(|faulty| refuse(&all_problems(*faulty, run::Place::Here).sorted()))?;
        Self::new(telemetry_environment(&project), project.secrets)
    }

    fn new(environment: Environment, secrets: Vec<String>) -> Result<Self, Exit> {
        let Some(state_dir) = state_dir(&environment) else {
            say("there is no directory for state: set `CHARM_STATE_DIR`, or `HOME`");
            return Err(Exit::Configuration);
        };
        let registry = Registry::linked().map_err(|error| {
            say(error);
            Exit::Configuration
        })?;
        Ok(Self { environment, secrets, state_dir, registry })
    }

    /// Everything in the spool.
    pub(super) fn files(&self) -> Result<Vec<SpoolFile>, Exit> {
        spool::list(&self.state_dir).map_err(|error| {
            say(error);
            Exit::Internal
        })
    }

    /// Whose file it is.
    pub(super) fn exporter_of<'a>(&self, file: &'a SpoolFile) -> &'a str {
        super::exporter_of(&file.destination, &self.registry)
    }
}

fn refuse(problems: &Problems) -> Exit {
    say(problems);
    Exit::Configuration
}
