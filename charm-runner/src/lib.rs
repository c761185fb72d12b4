//! Runs AI agents, streams their events as the Charm protocol and forwards them to exporters.
//!
//! A custom runner is the same program with more exporters compiled in:
//!
//! ```ignore
//! use my_exporter as _;
//!
//! fn main() -> std::process::ExitCode {
//!     charm_runner::main()
//! }
//! ```

// Public for the tests of this package alone.
#[doc(hidden)]
pub mod bridge;
// Public for the tests of this package alone.
#[doc(hidden)]
pub mod child;

mod cli;
mod commands;
mod cursor;
mod env_file;
mod exit;
mod json_input;
mod plain;
mod plural;
mod project;
mod room;
mod run;
mod stderr;
mod stdout_closed;
mod vendors;

use std::process::ExitCode;

pub use exit::Exit;

/// The whole program: reads the command line, does what it says, and answers with the exit code.
///
/// The exporters are those that are linked into the calling binary.
pub fn main() -> ExitCode {
    vendors::link();
    if stdout_closed::was_closed() {
        stderr::say("stdout cannot be written: it is closed; give it a file, a pipe or /dev/null");
        return Exit::Internal.into();
    }
    match cli::Cli::read() {
        Ok(cli) => commands::execute(cli).into(),
        Err(exit) => exit.into(),
    }
}
