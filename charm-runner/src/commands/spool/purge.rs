//! `charm-runner spool purge`: deleting what nobody misses.
//!
//! Rule: nothing is deleted that was not named and agreed to, and what was deleted is told.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use charm_telemetry_core::spool::{self, SpoolFile, SpoolStatus};

use super::items;
use super::list::age_of;
use super::place::Place;
use super::table::size;
use crate::cli::SpoolPurgeArgs;
use crate::exit::Exit;
use crate::plural::{counted, counted_as};
use crate::stderr::{pass_on, say};

pub(super) fn purge(arguments: &SpoolPurgeArgs) -> Result<Exit, Exit> {
    let place = Place::of_files(&arguments.place.project)?;
    let meant = |file: &SpoolFile| is_meant(file, arguments, &place);
    let (in_use, free): (Vec<_>, Vec<_>) =
        place.files()?.into_iter().filter(meant).partition(|file| file.in_use);
    if !in_use.is_empty() {
        let files = counted_as(in_use.len() as u64, "file belongs", "files belong");
        say(format_args!("left alone: {files} to a process that runs"));
    }
    if free.is_empty() {
        return Ok(super::super::print(b"Nothing to delete.\n"));
    }
    if !arguments.yes {
        agree(&free)?;
    }
    // What came since has not been agreed to.
    let agreed: Vec<PathBuf> = free.iter().map(|file| file.path.clone()).collect();
    let gone = spool::purge(&place.state_dir, |file| agreed.contains(&file.path)).map_err(|error| {
        say(error);
        Exit::Internal
    })?;
    let printed = super::super::print(format!("Deleted {}.\n", described(&gone)).as_bytes());
    if gone.len() < free.len() {
        let left = counted((free.len() - gone.len()) as u64, "file");
        say(format_args!("{left} could not be deleted, or a process has taken them over meanwhile"));
        return Ok(Exit::Internal);
    }
    Ok(printed)
}

fn is_meant(file: &SpoolFile, arguments: &SpoolPurgeArgs, place: &Place) -> bool {
    let aside = matches!(file.status, SpoolStatus::Bad | SpoolStatus::Rejected);
    let status = aside || (file.status == SpoolStatus::Waiting && !arguments.quarantined);
    let named = arguments
        .exporter
        .as_deref()
        .is_none_or(|name| name == file.destination || name == place.exporter_of(file));
    let old = arguments.older_than.is_none_or(|bound| age_of(file).is_some_and(|age| age > bound));
    status && named && old
}

/// Asks. What nobody can be asked about is not deleted.
fn agree(files: &[SpoolFile]) -> Result<(), Exit> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        say(format_args!("this would delete {}; there is nobody to ask: say --yes", described(files)));
        return Err(Exit::Usage);
    }
    pass_on(&format!("Delete {}? [y/N] ", described(files)));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    say("nothing was deleted");
    Err(Exit::Success)
}

/// `3 batches with 25 items for otlp (12.0 KiB), 1 file that was set aside`
fn described(files: &[SpoolFile]) -> String {
    let (waiting, aside): (Vec<_>, Vec<_>) =
        files.iter().partition(|file| file.status == SpoolStatus::Waiting);
    let mut parts = Vec::new();
    if !waiting.is_empty() {
        let batches = counted_as(waiting.len() as u64, "batch", "batches");
        parts.push(format!("{batches} with {}", counted(items(waiting), "item")));
    }
    if !aside.is_empty() {
        let files = counted_as(aside.len() as u64, "file that was", "files that were");
        parts.push(format!("{files} set aside"));
    }
    let mut names: Vec<_> = files.iter().map(|file| file.destination.as_str()).collect();
    names.dedup();
    let bytes = files.iter().map(|file| file.bytes).sum();
    format!("{} of {} ({})", parts.join(" and "), names.join(", "), size(bytes))
}
