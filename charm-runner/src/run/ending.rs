//! How a run is told to whoever started the program: the exit code and the result line.
//!
//! Rule: what the system did to the agent (a signal, the time limit) counts for more than what the agent said.

use std::io::ErrorKind;

use charm_telemetry_core::RunOutcome;

use crate::child::{ChildOutcome, Exit as ChildExit, StopSignal};
use crate::exit::Exit;

pub(super) fn exit_of(child: Option<&ChildOutcome>, outcome: &RunOutcome, fail_on_error: bool) -> Exit {
    let Some(child) = child else { return Exit::Internal };
    if child.timed_out {
        return Exit::TimedOut;
    }
    if let Some(signal) = child.stopped_by {
        return exit_of_stop(signal);
    }
    match child.exit {
        ChildExit::Signal(signal) => Exit::Signal(signal_number(signal)),
        _ if fail_on_error && outcome.is_error() => Exit::RunFailed,
        _ => Exit::Success,
    }
}

/// What is said of an agent that ended without a result.
pub(super) fn without_result(child: &ChildOutcome) -> String {
    if child.timed_out {
        return "the run took longer than policies.execution_timeout_seconds and was stopped".to_owned();
    }
    if let Some(signal) = child.stopped_by {
        return stopped_by(signal);
    }
    match child.exit {
        ChildExit::Code(code) => format!("the agent ended without a result, with exit code {code}"),
        ChildExit::Signal(signal) => format!("the agent was ended by {}", name_of(signal)),
        ChildExit::Unknown => "the agent ended without a result".to_owned(),
    }
}

/// What is said where Python is too old.
pub(super) fn unfit(version: &str, python: &str) -> String {
    format!(
        "the agent needs Python 3.9 or later, and `{python}` is {version}: put a virtual environment `.venv` of a newer \
         Python into the project, or a newer `python3` first on the `PATH`"
    )
}

/// What is said of an agent that was asked to end, and then had an error to tell.
pub(super) fn of_stopped(signal: StopSignal, said: &str) -> String {
    format!("{}; the agent said: {said}", stopped_by(signal))
}

fn stopped_by(signal: StopSignal) -> String {
    if signal == StopSignal::Pipe {
        return "the run was stopped because nobody reads its output any more".to_owned();
    }
    format!("the run was stopped by {}", name_of(signal.number()))
}

pub(super) fn exit_of_stop(signal: StopSignal) -> Exit {
    Exit::Signal(signal_number(signal.number()))
}

/// Stdout could not be written. Where its reader has gone we end as if SIGPIPE had ended us.
pub(super) fn exit_of_failure(kind: ErrorKind) -> Exit {
    if kind == ErrorKind::BrokenPipe { exit_of_stop(StopSignal::Pipe) } else { Exit::Internal }
}

fn signal_number(signal: i32) -> u8 {
    u8::try_from(signal).unwrap_or_default()
}

fn name_of(signal: i32) -> String {
    signal_hook::low_level::signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned)
}
