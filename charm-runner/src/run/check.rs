//! What can be known to be wrong with a project before anything of it starts.
//!
//! Rule: one fault does not hide another: the names in a manifest that is refused are held against what is there, too.

use std::time::Duration;

use charm_telemetry_core::manifest::Names;
use charm_telemetry_core::{Environment, Manager, ManagerBuilder, Problem, Problems};

use super::adapter::unknown_adapter;
use crate::project::{Faulty, Project, clean};

/// How long the exporters have to finish after the last run, unless [`SHUTDOWN_VARIABLE`] says otherwise.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);

/// More than anybody waits, and still a time that can be reckoned with.
const LONGEST_DEADLINE: Duration = Duration::from_hours(24 * 365);

/// Says how many seconds the exporters have to finish.
const SHUTDOWN_VARIABLE: &str = "CHARM_TELEMETRY_SHUTDOWN_TIMEOUT";

/// Where the agent is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this environment: what it lacks is an error.
    Here,
    /// Perhaps elsewhere, where variables may be set that are not set here.
    Anywhere,
}

/// All that is wrong with a project that cannot be run.
pub(crate) fn all_problems(faulty: Faulty, place: Place) -> Problems {
    let Faulty { mut problems, names, environment, secrets, has_whole_environment } = faulty;
    problems.extend(unknown_adapter(&names));
    let builder = builder(&names, &environment, &secrets);
    // In a `.env` with faults anything may be set.
    let exporters =
        if has_whole_environment && place == Place::Here { builder.check_here() } else { builder.check() };
    problems.extend(exporters);
    problems.extend(shutdown_deadline(&environment).err());
    clean(problems, &environment, &secrets)
}

/// The manager that a project asks for.
pub(crate) fn manager_builder(project: &Project) -> ManagerBuilder {
    builder(&project.names, &telemetry_environment(project), &project.secrets)
}

/// What exporters read: the project's environment, and the agent's name and version where nobody says otherwise.
pub(crate) fn telemetry_environment(project: &Project) -> Environment {
    let persona = &project.manifest.persona;
    let mut environment = project.environment.clone();
    for (name, value) in [("CHARM_AGENT_NAME", &persona.name), ("CHARM_AGENT_VERSION", &persona.version)] {
        if environment.get(name).is_none() {
            environment.set(name, value);
        }
    }
    environment
}

fn builder(names: &Names, environment: &Environment, secrets: &[String]) -> ManagerBuilder {
    let builder = Manager::builder().environment(environment.clone()).redact(secrets.iter().cloned());
    names.telemetry.iter().fold(builder, |builder, exporter| {
        builder.activate_from(&exporter.name, exporter.location.clone(), &exporter.key_path)
    })
}

/// How long the exporters have to finish.
pub(crate) fn shutdown_deadline(environment: &Environment) -> Result<Duration, Problem> {
    let Some(text) = environment.get(SHUTDOWN_VARIABLE) else { return Ok(SHUTDOWN_DEADLINE) };
    let text = text.trim().trim_end_matches('s');
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|deadline: &Duration| !deadline.is_zero())
        .map(|deadline| deadline.min(LONGEST_DEADLINE))
        .ok_or_else(|| {
            Problem::error(format!("`{SHUTDOWN_VARIABLE}` is not a number of seconds above 0; try `5`"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_without_end_is_one_that_can_be_reckoned_with() {
        let of = |text| shutdown_deadline(&Environment::from_pairs([(SHUTDOWN_VARIABLE, text)]));
        assert_eq!(of("1e19").unwrap(), LONGEST_DEADLINE);
        assert_eq!(of("2.5s").unwrap(), Duration::from_millis(2500));
        assert!(of("0").is_err() && of("-1").is_err() && of("soon").is_err());
    }
}
