//! `cargo xtask bench`: start-up, memory and the price of a token beside peers, in one run.
//!
//! Rule: goals compare figures of one run; only what a person waits for (a start, a token on the screen) is in time.

mod encoder;
mod figures;
mod hot_path;
mod images;
mod measure;
mod subjects;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::{console, venv};
use measure::Measured;
use subjects::Name;

#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// How often each command runs.
    #[arg(long, default_value_t = 25)]
    runs: usize,
    /// Only build images, beside `podman build`; takes minutes.
    #[arg(long)]
    images: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    console::section("What is compared");
    venv::ensure()?;
    if args.images {
        console::section("Images");
        let images = images::measure()?;
        images.print();
        console::section("Goals");
        return Ok(judge(&images.goals()));
    }
    let subjects = subjects::prepare()?;
    console::section(&format!("Start-up: {} runs of each, in turns", args.runs));
    let table = measure::all(&subjects, args.runs)?;
    print_table(&table);
    warn_if_busy();
    console::section("Emitting a token, four exporters on");
    let token = hot_path::measure()?;
    token.print();
    let encoder = encoder::measure()?;
    console::section("Goals (medians over the rounds)");
    let goals: Vec<_> = start_up_goals(&table).into_iter().chain(token.goals()).chain([encoder]).collect();
    let code = judge(&goals);
    console::note("images take minutes and are measured by themselves: `cargo xtask bench --images`");
    Ok(code)
}

/// Prints every goal; one that is missed fails the task.
fn judge(goals: &[Goal]) -> ExitCode {
    let missed = goals.iter().filter(|goal| !goal.print()).count();
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_table(table: &[Measured]) {
    console::note(&format!(
        "{:34} {:>10} {:>10} {:>10} {:>11}",
        "command", "median ms", "fastest", "slowest", "peak kB"
    ));
    for row in table {
        let ([median, fastest, slowest], name) = (row.spread(), row.name.to_string());
        let peak = if row.peak_kb == 0 { "?".to_owned() } else { row.peak_kb.to_string() };
        console::note(&format!("{name:34} {median:>10.2} {fastest:>10.2} {slowest:>10.2} {peak:>11}"));
    }
    console::note("peak: the most memory that the command's own process had resident");
}

/// Figures of a machine that does other things are no figures.
fn warn_if_busy() {
    let Ok(text) = std::fs::read_to_string("/proc/loadavg") else { return };
    let load: f64 = text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Our own commands, one after the other, are a load of one.
    if load > 1.5 {
        console::note(&format!(
            "the machine is busy (load {load} on {cores} cores): repeat this when it is not"
        ));
    }
}

/// One line of what the project promises.
struct Goal {
    what: &'static str,
    limit: f64,
    measured: f64,
    /// Whether the measured figure has to be at least the limit, instead of at most.
    at_least: bool,
}

impl Goal {
    fn at_most(what: &'static str, limit: f64, measured: f64) -> Self {
        Self { what, limit, measured, at_least: false }
    }

    fn at_least(what: &'static str, limit: f64, measured: f64) -> Self {
        Self { what, limit, measured, at_least: true }
    }

    /// Prints the line and says whether the goal is met.
    fn print(&self) -> bool {
        let Self { what, limit, measured, at_least } = *self;
        let met = if at_least { measured >= limit } else { measured <= limit };
        let (mark, relation) = (if met { "met   " } else { "MISSED" }, if at_least { ">=" } else { "<=" });
        console::note(&format!("{mark}  {what:52} {measured:8.2}  (goal {relation} {limit})"));
        met
    }
}

fn start_up_goals(table: &[Measured]) -> Vec<Goal> {
    let row = |name: Name| table.iter().find(|row| row.name == name).expect("every name is measured");
    let ratio = |a: Name, b: Name| row(a).beside(row(b), |a, b| a / b);
    let more = |a: Name, b: Name| row(a).beside(row(b), |a, b| a - b);
    vec![
        Goal::at_most("charm-runner --help / static hello", 3.0, ratio(Name::Help, Name::StaticHello)),
        Goal::at_most("charm-runner validate / static hello", 3.0, ratio(Name::Validate, Name::StaticHello)),
        Goal::at_most("charm-runner run - python3 -c pass, ms", 3.0, more(Name::Run, Name::PythonPass)),
        Goal::at_least(
            "charm run of the reference / charm-runner run",
            25.0,
            ratio(Name::ReferenceRun, Name::Run),
        ),
    ]
}
