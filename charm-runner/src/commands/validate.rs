//! `charm-runner validate`: everything that is wrong with a project, at once.
//!
//! Rule: says the same as `run` would before it starts; a variable that is not set here is only a warning, because it
//! may be set where the agent runs.

#[cfg(feature = "delivery")]
use std::path::Path;

#[cfg(feature = "delivery")]
use charm_telemetry_core::Problem;
use charm_telemetry_core::Problems;

use crate::cli::ValidateArgs;
use crate::exit::Exit;
use crate::project::Project;
use crate::run::{Place, all_problems, manager_builder, shutdown_deadline};
use crate::stderr::{pass_on, say};

pub(super) fn validate(arguments: &ValidateArgs) -> Exit {
    let (problems, name) = match Project::read(&arguments.project) {
        Ok(project) => (problems_of(&project), project.manifest.persona.name.clone()),
        Err(faulty) => (all_problems(*faulty, Place::Anywhere), String::new()),
    };
    let problems = problems.sorted();
    let valid = !problems.has_errors();
    let printed = if arguments.json {
        let json = serde_json::to_string_pretty(&problems).expect("problems can always be written");
        super::print((json + "\n").as_bytes())
    } else {
        if !problems.is_empty() {
            pass_on(&format!("{problems}\n"));
        }
        if valid {
            let warnings = if problems.is_empty() { "" } else { ", with warnings" };
            super::print(format!("`{name}` is valid{warnings}\n").as_bytes())
        } else {
            let errors = problems.iter().filter(|problem| problem.is_error()).count();
            say(format_args!("{errors} {}", if errors == 1 { "problem" } else { "problems" }));
            Exit::Success
        }
    };
    if valid { printed } else { Exit::Configuration }
}

fn problems_of(project: &Project) -> Problems {
    let mut problems = project.warnings.clone();
    problems.extend(manager_builder(project).check());
    problems.extend(crate::run::adapter_of(project).err());
    problems.extend(shutdown_deadline(&project.environment).err());
    #[cfg(feature = "delivery")]
    problems.extend(state_dir_problem(project));
    project.clean(problems)
}

/// Only a warning: without the directory everything is kept in memory. Without exporters nobody needs it.
#[cfg(feature = "delivery")]
fn state_dir_problem(project: &Project) -> Option<Problem> {
    use rustix::fs::{Access, access};

    if project.manifest.runtime.telemetry.is_empty() {
        return None;
    }
    let consequence = "what cannot be sent at once stays in memory and is lost with the process";
    let Some(dir) = charm_telemetry_core::delivery::state_dir(&project.environment) else {
        return Some(Problem::warning(format!(
            "there is no directory for state: set `CHARM_STATE_DIR`, or `HOME`; {consequence}"
        )));
    };
    let spool = dir.join("spool");
    let there = spool.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let why = if there.is_dir() {
        let refused = access(there, Access::WRITE_OK | Access::EXEC_OK).err()?;
        format!("cannot be written: {refused}")
    } else {
        "is no directory".to_owned()
    };
    let (dir, there) = (dir.display(), there.display());
    Some(Problem::warning(format!(
        "the directory for state is `{dir}` (`CHARM_STATE_DIR`), but `{there}` {why}; {consequence}"
    )))
}
