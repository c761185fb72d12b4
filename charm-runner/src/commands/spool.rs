//! `charm-runner spool`: what exporters could not send yet.
//!
//! Rule: what belongs to a process that runs is looked at and never touched.

mod list;
mod place;
mod purge;
mod send;
mod table;

use charm_telemetry_core::Registry;
use charm_telemetry_core::spool::SpoolFile;

use crate::cli::SpoolCommand;
use crate::exit::Exit;

pub(super) fn spool(command: &SpoolCommand) -> Exit {
    let done = match command {
        SpoolCommand::List(arguments) => list::list(arguments),
        SpoolCommand::Send(arguments) => send::send(arguments),
        SpoolCommand::Purge(arguments) => purge::purge(arguments),
    };
    done.unwrap_or_else(|exit| exit)
}

/// The exporter whose destination this is: its name is the exporter's, or begins with that and `-`.
fn exporter_of<'a>(destination: &'a str, registry: &Registry) -> &'a str {
    let is_of = |name: &str| {
        destination.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let longest = registry.names().filter(|name| is_of(name)).map(str::len).max();
    longest.map_or(destination, |length| &destination[..length])
}

/// How many items these files have.
fn items<'a>(files: impl IntoIterator<Item = &'a SpoolFile>) -> u64 {
    files.into_iter().map(|file| file.items).sum()
}
