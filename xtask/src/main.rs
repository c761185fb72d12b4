//! The tasks of this repository: `cargo xtask --help` lists them.
//!
//! Rule: one file per task; this one only chooses.

mod bench;
mod ci;
mod console;
mod fuzz;
mod image;
mod needs;
mod new_exporter;
mod python_base;
mod receivers;
mod sdks;
mod static_runner;
mod summary;
mod test;
mod tidy;
mod venv;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The tasks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Set up what the tests need, and run them.
    Test(test::Args),
    /// Everything that must pass before a change is merged.
    Ci,
    /// Check what neither rustfmt nor clippy does: heads of files, white space, pins.
    Tidy,
    /// Run every fuzz target for a while.
    Fuzz(fuzz::Args),
    /// Compare start-up time and memory with peers, in one run.
    Bench(bench::Args),
    /// Build a container image of the runner with chosen exporters.
    Image(image::Args),
    /// Write the crate of an exporter, ready to be changed.
    NewExporter(new_exporter::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test(args) => Ok(test::run(&args)),
        Task::Ci => Ok(ci::run()),
        Task::Tidy => tidy::run(),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Image(args) => image::run(&args),
        Task::NewExporter(args) => new_exporter::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            console::error(&error);
            ExitCode::FAILURE
        }
    }
}
