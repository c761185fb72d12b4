//! The list of steps at the end of a task.
//!
//! Rule: a failed step doesn't stop the next one, and no step is missing from the list.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::console;

/// What was done, how it went and how long it took.
pub(crate) struct Summary {
    task: &'static str,
    started: Instant,
    steps: Vec<Step>,
}

struct Step {
    name: String,
    time: Duration,
    /// What the step has to say for itself, or why it failed.
    outcome: Result<String>,
}

impl Summary {
    pub(crate) fn new(task: &'static str) -> Self {
        Self { task, started: Instant::now(), steps: Vec::new() }
    }

    /// Does one step under its own heading. Returns whether it succeeded.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<String>) -> bool {
        console::section(name);
        let started = Instant::now();
        let outcome = work();
        if let Err(error) = &outcome {
            console::error(error);
        }
        let passed = outcome.is_ok();
        self.steps.push(Step { name: name.to_owned(), time: started.elapsed(), outcome });
        passed
    }

    /// Prints the list; the task succeeded if every step did.
    pub(crate) fn finish(self) -> ExitCode {
        console::section("Summary");
        let width = self.steps.iter().map(|step| step.name.chars().count()).max().unwrap_or(0);
        for step in &self.steps {
            console::note(&step.line(width));
        }
        let failed = self.steps.iter().filter(|step| step.outcome.is_err()).count();
        console::note(&format!("\n{}", self.verdict(failed)));
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn verdict(&self, failed: usize) -> String {
        let (task, time) = (self.task, console::humane(self.started.elapsed()));
        match failed {
            0 => format!("{task}: all {} steps passed in {time}", self.steps.len()),
            _ => format!("{task}: {failed} of {} steps FAILED in {time}", self.steps.len()),
        }
    }
}

impl Step {
    fn line(&self, width: usize) -> String {
        let (mark, text) = match &self.outcome {
            Ok(said) => ("ok    ", said.clone()),
            Err(error) => ("FAILED", first_line(&error.to_string())),
        };
        format!("{mark}  {:width$}  {:>12}  {text}", self.name, console::humane(self.time))
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
