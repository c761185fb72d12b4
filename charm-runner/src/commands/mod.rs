//! The commands, one file each.
//!
//! Rule: a command prints its result on stdout and everything else on stderr, and answers with an [`Exit`].

mod exporters;
mod run;
mod validate;

use clap::CommandFactory as _;

use crate::cli::{Cli, Command};
use crate::exit::Exit;

pub(crate) fn execute(cli: Cli) -> Exit {
    match cli.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Validate(arguments) => validate::validate(&arguments),
        Command::Exporters(arguments) => exporters::exporters(&arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "charm-runner", &mut std::io::stdout());
            Exit::Success
        }
    }
}
