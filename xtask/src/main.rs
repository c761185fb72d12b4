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

#[cfg(test)]
mod tests {
    use super::{Cli, workspace};
    use clap::Parser as _;
    use std::path::PathBuf;

    /// The lines of the guides that start a task. What follows `image` is looked at by the tests of that command.
    fn lines() -> Vec<String> {
        let root = workspace::root();
        let guides = root.join("docs").read_dir().unwrap().map(|entry| entry.unwrap().path());
        let others = ["README.md", "CONTRIBUTING.md"].map(|name| root.join(name));
        let documents: Vec<PathBuf> = guides.filter(|path| path.is_file()).chain(others).collect();
        let texts = documents.iter().map(|path| std::fs::read_to_string(path).unwrap().replace("\\\n", " "));
        let line = |line: &str| line.trim().strip_prefix("$ cargo xtask ").map(str::to_owned);
        texts.flat_map(|text| text.lines().filter_map(line).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn every_task_that_the_guides_name_is_understood() {
        let lines = lines();
        assert!(lines.iter().any(|line| line.starts_with("new-exporter ")), "{lines:?}");
        for line in lines {
            let typed = line.split("  # ").next().unwrap_or_default();
            let cli = Cli::try_parse_from(["xtask"].into_iter().chain(typed.split_whitespace()));
            assert_eq!(cli.err().map(|error| error.to_string()), None, "cargo xtask {line}");
        }
    }
}
