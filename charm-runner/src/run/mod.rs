//! A run: an agent process, what it says, and what is told of it.
//!
//! Rule: whatever happens to the agent, the run ends with an outcome, and the exporters get their time to finish.

mod adapter;
mod calls;
mod ending;
mod ingest;
mod live;
mod start;

use charm_telemetry_core::{Report, RunOutcome};
use serde_json::value::RawValue;

pub(crate) use adapter::adapter_of;
pub(crate) use start::{Started, manager_builder};

use crate::child::{ChildOutcome, supervise};
use crate::exit::Exit;
use crate::words::say;
use ingest::Ingest;

/// One input to run the agent with.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: Option<String>,
    pub(crate) input: Box<RawValue>,
}

/// What is to be done besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) print_result: bool,
    pub(crate) fail_on_error: bool,
}

impl Started {
    /// Runs every case, one after another, until one is stopped from outside. Then ends the exporters.
    pub(crate) fn run_all(mut self, cases: &[Case], plan: Plan) -> (Exit, Report) {
        let mut exit = Exit::Success;
        let mut result = None;
        for case in cases {
            if let Some(name) = &case.name {
                say(format_args!("case `{name}`"));
            }
            let ended = self.run_case(case);
            exit = worse(exit, ended.exit(plan.fail_on_error));
            result = Some(ended.outcome);
            if matches!(exit, Exit::Signal(_)) {
                break;
            }
        }
        let deadline = self.shutdown_deadline;
        let redactor = std::sync::Arc::clone(self.manager.redactor());
        let report = self.manager.shutdown(deadline);
        if let Some(outcome) = result.filter(|_| plan.print_result) {
            ending::print_result(&outcome, &redactor);
        }
        (exit, report)
    }

    fn run_case(&mut self, case: &Case) -> Ended {
        let run = self.manager.start_run(&case.input);
        let spec = match self.adapter.child(&self.project, &case.input, run.id()) {
            Ok(spec) => spec,
            Err(error) => return Ended::not_started(run, &format!("the agent cannot be started: {error:#}")),
        };
        let mut ingest = Ingest::new(run, &self.manager, self.adapter.collects_output());
        match supervise(spec, &mut self.signals, &mut ingest) {
            Ok(child) => Ended::of(ingest, child),
            Err(error) => Ended::not_started(ingest.into_run(), &error.to_string()),
        }
    }
}

/// How a run ended, inside and outside.
struct Ended {
    outcome: RunOutcome,
    child: Option<ChildOutcome>,
}

impl Ended {
    fn of(ingest: Ingest<'_>, child: ChildOutcome) -> Self {
        let (run, outcome) = ingest.finish(&child);
        run.conclude(&outcome);
        Self { outcome, child: Some(child) }
    }

    fn not_started(run: charm_telemetry_core::Run, message: &str) -> Self {
        let outcome = RunOutcome::error(message);
        run.conclude(&outcome);
        Self { outcome, child: None }
    }

    fn exit(&self, fail_on_error: bool) -> Exit {
        ending::exit_of(self.child.as_ref(), &self.outcome, fail_on_error)
    }
}

/// Of two cases the one that the caller must know of.
fn worse(first: Exit, second: Exit) -> Exit {
    if second.code() > first.code() { second } else { first }
}
