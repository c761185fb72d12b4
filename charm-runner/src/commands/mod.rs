//! The commands, one file each.
//!
//! Rule: a command prints its result on stdout and everything else on stderr, and answers with an [`Exit`].

mod exporters;
mod run;
#[cfg(feature = "delivery")]
mod spool;
mod validate;

use std::io::{self, Write as _};

use clap_complete::Shell;

use crate::cli::{self, Cli, Command};
use crate::exit::Exit;

pub(crate) fn execute(cli: Cli) -> Exit {
    match cli.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Validate(arguments) => validate::validate(&arguments),
        Command::Exporters(arguments) => exporters::exporters(&arguments),
        #[cfg(feature = "delivery")]
        Command::Spool(command) => spool::spool(&command),
        Command::Completions { shell } => completions(shell),
    }
}

fn completions(shell: Shell) -> Exit {
    let (mut script, name) = (Vec::new(), cli::program_name());
    clap_complete::generate(shell, &mut cli::command(), name, &mut script);
    if shell == Shell::Bash {
        script = with_hyphens(&String::from_utf8_lossy(&script), name).into_bytes();
    }
    print(&script)
}

/// Of a program with a hyphen in its name the script looks for `a__b__subcmd__run` where it has written
/// `a__subcmd__b__subcmd__run` (<https://github.com/clap-rs/clap/issues/6421>), and completes nothing.
fn with_hyphens(script: &str, name: &str) -> String {
    let [written, sought] = ["__subcmd__", "__"].map(|hyphen| name.replace('-', hyphen) + "__subcmd__");
    script.replace(&written, &sought)
}

/// Writes a command's whole result to stdout.
fn print(text: &[u8]) -> Exit {
    let mut stdout = io::stdout();
    Exit::of_printing(stdout.write_all(text).and_then(|()| stdout.flush()))
}
