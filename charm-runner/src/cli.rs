//! The command line: what can be said, and the help that teaches it.
//!
//! Rule: everything a user has to know to use a command stands in its help.

use std::path::PathBuf;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  charm-runner run examples/agents/hello --input \"weather in Oslo?\"
  charm-runner validate my-agent
  charm-runner exporters

Exit codes:
  0    it worked; a run that failed has said so in an `error` event
  1    the run failed and --fail-on-error was given
  2    the command line is not right
  70   our own fault, or the system's
  78   charm.yaml or the environment is not right
  124  the run took longer than policies.execution_timeout_seconds
  128+n  the agent was ended by signal n, or we were stopped by it

Environment:
  CHARM_TELEMETRY_ON_ERROR=warn  run without the exporters that cannot be activated
  NO_COLOR=1                     no colours on the terminal";

const RUN_EXAMPLES: &str = "\
Examples:
  charm-runner run                                   the project in this folder, without input
  charm-runner run my-agent --input \"hello\"          the input is {\"input\": \"hello\"}
  charm-runner run . --json '{\"city\": \"Oslo\"}'       the input is that object; the result is the last line
  charm-runner run . --input-file cases.json         a run for each {\"name\": .., \"input\": ..} in the file
  charm-runner run . --telemetry-report              says at the end what became of every event

On a terminal you see the run as it happens. In a pipe stdout carries the event lines of the Charm protocol and
nothing else.";

/// Runs AI agents, streams their events and forwards them to exporters.
#[derive(Debug, Parser)]
#[command(name = "charm-runner", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an agent and stream its events
    Run(RunArgs),
    /// Check charm.yaml and say everything that is wrong with it
    Validate(ValidateArgs),
    /// List the exporters that are compiled in, and their variables
    Exporters(ExportersArgs),
    /// Print the completion script of a shell
    #[command(
        after_help = "Example:\n  charm-runner completions bash > ~/.local/share/bash-completion/completions/charm-runner"
    )]
    Completions {
        /// For which shell
        shell: Shell,
    },
}

#[derive(Args, Debug)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct RunArgs {
    /// The folder with charm.yaml
    #[arg(default_value = ".")]
    pub(crate) project: PathBuf,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Exit with 1 if the run fails
    #[arg(long)]
    pub(crate) fail_on_error: bool,
    /// Say on stderr, at the end, what became of every event
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, default_missing_value = "text", require_equals = true)]
    pub(crate) telemetry_report: Option<ReportFormat>,
}

#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct InputArgs {
    /// The input as JSON; the result object is printed as the last line
    #[arg(long, value_name = "JSON")]
    pub(crate) json: Option<String>,
    /// The input as text: {"input": TEXT}
    #[arg(long, value_name = "TEXT")]
    pub(crate) input: Option<String>,
    /// A file with a JSON array of {"name": .., "input": ..}: one run for each
    #[arg(long, value_name = "FILE")]
    pub(crate) input_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ReportFormat {
    Text,
    Json,
}

#[derive(Args, Debug)]
pub(crate) struct ValidateArgs {
    /// The folder with charm.yaml, or the file itself
    #[arg(default_value = ".")]
    pub(crate) project: PathBuf,
    /// Print the problems as a JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ExportersArgs {
    /// Print them as a JSON array
    #[arg(long)]
    pub(crate) json: bool,
}
