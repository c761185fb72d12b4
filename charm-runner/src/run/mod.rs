//! A run: an agent process, what it says, and what is told of it.
//!
//! Rule: whatever happens to the agent, the run ends with an outcome, and the exporters get their time to finish.

mod adapter;
mod calls;
mod check;
mod collected;
mod cut;
mod ending;
mod held;
mod ingest;
mod input_file;
mod live;
mod printed;
mod reader;
mod start;

use std::sync::Arc;
use std::time::Instant;

use charm_telemetry_core::{Report, RunOutcome};

pub(crate) use adapter::adapter_of;
#[cfg(feature = "delivery")]
pub(crate) use check::telemetry_environment;
pub(crate) use check::{Place, all_problems, manager_builder, shutdown_deadline};
pub(crate) use cut::CutOutput;
pub(crate) use start::Started;

use crate::child::{ChildOutcome, LineLimits, StopSignal, supervise};
use crate::exit::Exit;
use crate::json_input::JsonInput;
use crate::plural::counted;
use crate::stderr::{self, say};
use ingest::{Finished, Ingest};
use reader::Unwritten;

/// One input to run the agent with.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: Option<String>,
    pub(crate) input: JsonInput,
}

/// What is to be done besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) print_result: bool,
    pub(crate) fail_on_error: bool,
}

impl Started {
    /// How long the lines of its agent may be.
    pub(crate) fn line_limits(&self) -> LineLimits {
        self.adapter.line_limits()
    }

    /// Runs every case, one after another, until one is stopped from outside. Then ends the exporters.
    pub(crate) fn run_all(mut self, cases: &[Case], plan: Plan) -> (Exit, Report, CutOutput) {
        let mut cut = CutOutput::default();
        let mut exit = Exit::Success;
        let mut last = None;
        for case in cases {
            if let Some(name) = &case.name {
                say(format_args!("case `{name}`"));
            }
            let ended = self.run_case(case);
            exit = worse(exit, ended.exit(plan.fail_on_error));
            cut.add(ended.cut);
            let stop = ended.stopped_by();
            last = Some(ended);
            if stop.is_some() {
                break;
            }
        }
        let stopped = last.as_ref().and_then(Ended::stopped_by);
        let result = last.filter(|_| plan.print_result).map(|ended| ended.outcome);
        let (exit, report) = self.finish(exit, stopped, result);
        (exit, report, cut)
    }

    /// Lets the reader of stdout and the exporters have everything, and says the result last.
    fn finish(
        mut self,
        mut exit: Exit,
        mut stopped: Option<StopSignal>,
        result: Option<RunOutcome>,
    ) -> (Exit, Report) {
        if stopped.is_none() {
            stopped = reader::wait_until_written(&self.manager, &mut self.signals);
            exit = stopped.map_or(exit, |signal| worse(exit, ending::exit_of_stop(signal)));
        }
        let redactor = Arc::clone(self.manager.redactor());
        let report = self.manager.shutdown(self.shutdown_deadline);
        if let Some(kind) = self.stdout_failure.get() {
            exit = ending::exit_of_failure(*kind);
        } else if let Some(outcome) = result.filter(|_| report.stdout.dropped.total() == 0) {
            let line = redactor.json(outcome.result().get());
            let deadline = stopped.map(|_| Instant::now() + self.shutdown_deadline);
            match reader::write_line(&line, &mut self.signals, deadline) {
                Ok(()) | Err(Unwritten::TooSlow) => {}
                Err(Unwritten::Stopped(signal)) => exit = worse(exit, ending::exit_of_stop(signal)),
                Err(Unwritten::Failed(error)) => exit = ending::exit_of_failure(error.kind()),
            }
        }
        if stderr::missed() > 0 {
            let missed = counted(stderr::missed(), "text");
            say(format_args!("dropped {missed} for stderr, because nobody read it"));
        }
        (exit, report)
    }

    fn run_case(&mut self, case: &Case) -> Ended {
        let run = self.manager.start_run(&case.input.strict);
        let (spec, _input) =
            match self.adapter.child(&self.project, &case.input.exact, run.id(), self.manager.settings()) {
                Ok(prepared) => prepared,
                Err(error) => {
                    return Ended::not_started(run, &format!("the agent cannot be started: {error:#}"));
                }
            };
        let mut ingest = Ingest::new(run, &self.manager, &self.adapter);
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
    cut: CutOutput,
    is_unfit: bool,
}

impl Ended {
    fn of(ingest: Ingest<'_>, child: ChildOutcome) -> Self {
        let Finished { mut run, outcome, cut, is_unfit } = ingest.finish(&child);
        run.settle(&outcome);
        Self { outcome, child: Some(child), cut, is_unfit }
    }

    fn not_started(run: charm_telemetry_core::Run, message: &str) -> Self {
        let outcome = RunOutcome::error(message);
        run.conclude(&outcome);
        Self { outcome, child: None, cut: CutOutput::default(), is_unfit: false }
    }

    fn stopped_by(&self) -> Option<StopSignal> {
        self.child.as_ref().and_then(|child| child.stopped_by)
    }

    fn exit(&self, fail_on_error: bool) -> Exit {
        if self.is_unfit {
            return Exit::Configuration;
        }
        ending::exit_of(self.child.as_ref(), &self.outcome, fail_on_error)
    }
}

/// Of two cases the one that the caller must know of.
fn worse(first: Exit, second: Exit) -> Exit {
    if second.code() > first.code() { second } else { first }
}
