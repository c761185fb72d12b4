//! `cargo xtask bench`: start-up time and memory beside peers, in one run.
//!
//! Rule: goals are ratios between rows of the same table, never absolute times.

mod images;
mod measure;
mod subjects;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::{console, venv, workspace};
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
        images::measure()?.print();
        return Ok(ExitCode::SUCCESS);
    }
    let subjects = subjects::prepare()?;
    console::section(&format!("Start-up: {} runs of each, in turns", args.runs));
    let table = measure::all(&subjects, args.runs)?;
    print_table(&table);
    console::note("peak: the most memory that the command's own process had resident");
    console::section("Goals");
    let missed = goals(&table).iter().filter(|goal| !goal.print()).count();
    console::section("Emitting a token (charm-telemetry-core/benches)");
    let hot_path = hot_path()?;
    console::note(&hot_path);
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_table(table: &[Measured]) {
    console::note(&format!(
        "{:34} {:>10} {:>10} {:>10} {:>11}",
        "command", "median ms", "fastest", "slowest", "peak kB"
    ));
    for row in table {
        let [median, fastest, slowest] = [row.median(), row.fastest(), row.slowest()].map(millis);
        let name = row.name.to_string();
        console::note(&format!(
            "{name:34} {median:>10.2} {fastest:>10.2} {slowest:>10.2} {:>11}",
            row.peak_kb
        ));
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
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
    /// Prints the line and says whether the goal is met.
    fn print(&self) -> bool {
        let Self { what, limit, measured, at_least } = *self;
        let met = if at_least { measured >= limit } else { measured <= limit };
        let (mark, relation) = (if met { "met   " } else { "MISSED" }, if at_least { ">=" } else { "<=" });
        console::note(&format!("{mark}  {what:52} {measured:8.2}  (goal {relation} {limit})"));
        met
    }
}

fn goals(table: &[Measured]) -> Vec<Goal> {
    let median = |name: Name| {
        let row = table.iter().find(|row| row.name == name).expect("every name is measured");
        millis(row.median())
    };
    let at_most = |what, limit, measured| Goal { what, limit, measured, at_least: false };
    vec![
        at_most("charm-runner --help / static hello", 3.0, median(Name::Help) / median(Name::StaticHello)),
        at_most(
            "charm-runner validate / static hello",
            3.0,
            median(Name::Validate) / median(Name::StaticHello),
        ),
        at_most("charm-runner run - python3 -c pass, ms", 3.0, median(Name::Run) - median(Name::PythonPass)),
        Goal {
            what: "charm run of the reference / charm-runner run",
            limit: 25.0,
            measured: median(Name::ReferenceRun) / median(Name::Run),
            at_least: true,
        },
    ]
}

/// The benchmark of the hot path is a `[[bench]]` of the core, because it needs what is private there.
fn hot_path() -> Result<String> {
    let benches = workspace::root().join("charm-telemetry-core/benches");
    if !benches.is_dir() {
        return Ok("not there yet".to_owned());
    }
    workspace::run(workspace::cargo(["bench", "--package", "charm-telemetry-core", "--benches"]))?;
    Ok("see above".to_owned())
}
