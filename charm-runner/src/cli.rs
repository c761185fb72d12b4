//! The command line: what can be said, and the help that teaches it.
//!
//! Rule: everything a user has to know to use a command stands in its help.

#[cfg(feature = "delivery")]
mod spool;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::exit::Exit;
#[cfg(feature = "delivery")]
pub(crate) use spool::{SpoolCommand, SpoolListArgs, SpoolPurgeArgs, SpoolSendArgs};

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
  75   `spool send`: something is left in the spool, or was lost
  78   charm.yaml or the environment is not right
  124  the run took longer than policies.execution_timeout_seconds
  128+n  the agent was ended by signal n, or we were stopped by it; 141 if nobody read stdout to its end

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

const VALIDATE_EXAMPLES: &str = "\
Examples:
  charm-runner validate                          the project in this folder
  charm-runner validate my-agent/charm.yaml      that manifest, with the `.env` beside it
  charm-runner validate my-agent --json          every problem as an object, with its line and column

Exit codes:
  0    it is valid; warnings are told all the same
  78   charm.yaml or the environment is not right";

const EXPORTERS_EXAMPLES: &str = "\
Examples:
  charm-runner exporters           names for `telemetry` in charm.yaml, and the variables of each
  charm-runner exporters --json    the same for programs";

/// Runs AI agents, streams their events and forwards them to exporters.
#[derive(Debug, Parser)]
#[command(version, styles = STYLES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the command is called in the texts above.
const NAME: &str = "charm-runner";

const COMPLETIONS_EXAMPLE: &str =
    "Example:\n  charm-runner completions bash > ~/.local/share/bash-completion/completions/charm-runner";

impl Cli {
    /// Reads the command line of this process. What it says instead of being a command (help, the version, what is not
    /// right with it) is written, and the exit code given.
    pub(crate) fn read() -> Result<Self, Exit> {
        let mut command = command();
        let matches = match report_format_apart(std::env::args_os()) {
            Some(format) => Err(command.error(
                ErrorKind::InvalidValue,
                format!("the format belongs to the option: write `--telemetry-report={format}`"),
            )),
            None => command.try_get_matches_from_mut(std::env::args_os()),
        };
        matches.and_then(|matches| Self::from_arg_matches(&matches)).map_err(|error| {
            let printed = error.print().and_then(|()| io::stdout().flush());
            // Where not even the message can be written, nobody can be told of it.
            if error.use_stderr() { Exit::Usage } else { Exit::of_printing(printed) }
        })
    }
}

/// The format that stands apart from its option, where it would be taken for the project.
fn report_format_apart(arguments: impl Iterator<Item = OsString>) -> Option<&'static str> {
    let arguments: Vec<_> = arguments.take_while(|argument| argument != "--").collect();
    let mut pairs = arguments.windows(2).filter(|pair| pair[0] == "--telemetry-report");
    let apart = |pair: &[OsString]| ["text", "json"].into_iter().find(|format| pair[1] == *format);
    pairs.find_map(apart).filter(|format| !Path::new(format).exists())
}

/// The command under the name by which it was started: it may be installed as `charm`, or be somebody's own runner.
pub(crate) fn command() -> clap::Command {
    let name = program_name();
    let named = |text: &str| text.replace(NAME, name);
    let command = Cli::command().name(name).bin_name(name).after_help(named(EXAMPLES));
    #[cfg(feature = "delivery")]
    let command = command.mut_subcommand("spool", |spool| {
        spool
            .after_help(named(spool::EXAMPLES))
            .mut_subcommand("list", |list| list.after_help(named(spool::LIST_EXAMPLES)))
            .mut_subcommand("send", |send| send.after_help(named(spool::SEND_EXAMPLES)))
            .mut_subcommand("purge", |purge| purge.after_help(named(spool::PURGE_EXAMPLES)))
    });
    command
        .mut_subcommand("run", |run| run.after_help(named(RUN_EXAMPLES)))
        .mut_subcommand("validate", |validate| validate.after_help(named(VALIDATE_EXAMPLES)))
        .mut_subcommand("exporters", |exporters| exporters.after_help(named(EXPORTERS_EXAMPLES)))
        .mut_subcommand("completions", |completions| completions.after_help(named(COMPLETIONS_EXAMPLE)))
}

/// The name by which this program was started.
pub(crate) fn program_name() -> &'static str {
    static STARTED_AS: OnceLock<String> = OnceLock::new();
    STARTED_AS.get_or_init(|| {
        let path = std::env::args_os().next().unwrap_or_default();
        let name = Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| NAME.to_owned())
    })
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an agent and stream its events
    Run(RunArgs),
    /// Check charm.yaml and say everything that is wrong with it
    Validate(ValidateArgs),
    /// List the exporters that are compiled in, and their variables
    Exporters(ExportersArgs),
    /// Look at what could not be sent yet, send it, or delete it
    #[cfg(feature = "delivery")]
    #[command(subcommand)]
    Spool(SpoolCommand),
    /// Print the completion script of a shell
    Completions {
        /// For which shell
        shell: Shell,
    },
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// The folder with charm.yaml, or the file itself
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
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) json: Option<String>,
    /// The input as text: {"input": TEXT}
    #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) input: Option<String>,
    /// A file with a JSON array of {"name": .., "input": ..}: one run for each
    #[arg(long, short = 'f', value_name = "FILE")]
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
