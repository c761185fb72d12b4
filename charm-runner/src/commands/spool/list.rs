//! `charm-runner spool list`: what waits, for whom, and what was set aside.
//!
//! Rule: what is shown was counted in the files; their names are not believed. Nothing is changed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use charm_telemetry_core::spool::{SpoolContents, SpoolFile, SpoolStatus};
use serde::Serialize;

use super::place::Place;
use super::table::{age, size, table};
use crate::cli::SpoolListArgs;
use crate::exit::Exit;
use crate::plural::counted_as;

/// Everything in a spool.
#[derive(Serialize)]
struct Listing<'a> {
    state_dir: &'a Path,
    waiting: Vec<Waiting<'a>>,
    set_aside: Vec<SetAside<'a>>,
}

/// The batches for one address.
#[derive(Serialize)]
struct Waiting<'a> {
    exporter: &'a str,
    destination: &'a str,
    /// The endpoint and the project, as the exporter calls them.
    address: Option<&'a str>,
    batches: u64,
    /// Those that are whole.
    items: u64,
    /// Those that will be lost.
    damaged_items: u64,
    bytes: u64,
    oldest_seconds: Option<u64>,
    /// A process that runs takes care of them.
    in_use: bool,
}

/// A file that is not sent any more.
#[derive(Serialize)]
struct SetAside<'a> {
    exporter: &'a str,
    destination: &'a str,
    status: SpoolStatus,
    reason: Option<String>,
    items: u64,
    damaged_items: u64,
    bytes: u64,
    age_seconds: Option<u64>,
    path: &'a Path,
}

pub(super) fn list(arguments: &SpoolListArgs) -> Result<Exit, Exit> {
    let place = Place::of_files(&arguments.place.project)?;
    let files = place.files()?;
    let listing = Listing {
        state_dir: &place.state_dir,
        waiting: waiting(&files, &place),
        set_aside: set_aside(&files, &place),
    };
    let text = if arguments.json {
        serde_json::to_string_pretty(&listing).expect("names and numbers can always be written") + "\n"
    } else {
        in_words(&listing)
    };
    Ok(super::super::print(text.as_bytes()))
}

fn waiting<'a>(files: &'a [SpoolFile], place: &Place) -> Vec<Waiting<'a>> {
    let mut groups: BTreeMap<_, Waiting<'a>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.status == SpoolStatus::Waiting) {
        let Some((items, damaged)) = count_items(file) else { continue };
        let (destination, address) = (file.destination.as_str(), file.address.as_deref());
        let group = groups.entry((destination, address, file.in_use)).or_insert_with(|| Waiting {
            exporter: place.exporter_of(file),
            destination,
            address,
            batches: 0,
            items: 0,
            damaged_items: 0,
            bytes: 0,
            oldest_seconds: None,
            in_use: file.in_use,
        });
        group.batches += 1;
        group.items += items;
        group.damaged_items += damaged;
        group.bytes += file.bytes;
        group.oldest_seconds = group.oldest_seconds.max(seconds_since(file));
    }
    groups.into_values().collect()
}

fn set_aside<'a>(files: &'a [SpoolFile], place: &Place) -> Vec<SetAside<'a>> {
    let aside = files.iter().filter(|file| matches!(file.status, SpoolStatus::Bad | SpoolStatus::Rejected));
    let describe = |file: &'a SpoolFile| {
        let (items, damaged_items) = count_items(file)?;
        Some(SetAside {
            exporter: place.exporter_of(file),
            destination: &file.destination,
            status: file.status,
            reason: file.reason(),
            items,
            damaged_items,
            bytes: file.bytes,
            age_seconds: seconds_since(file),
            path: &file.path,
        })
    };
    aside.filter_map(describe).collect()
}

/// The items of a file: those that are whole, and those that are said to be there and are not. `None`: it was sent or
/// deleted a moment ago.
fn count_items(file: &SpoolFile) -> Option<(u64, u64)> {
    match file.look() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) => Some((0, file.items)),
        Ok(SpoolContents { items, .. }) => Some((items, file.items.saturating_sub(items))),
    }
}

fn seconds_since(file: &SpoolFile) -> Option<u64> {
    age_of(file).map(|age| age.as_secs())
}

/// How long ago it was written; nothing if that is in the future.
pub(super) fn age_of(file: &SpoolFile) -> Option<Duration> {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + file.written?).ok()
}

fn in_words(listing: &Listing<'_>) -> String {
    let place = listing.state_dir.join("spool");
    if listing.waiting.is_empty() && listing.set_aside.is_empty() {
        return format!("Nothing waits to be sent in {}.\n", place.display());
    }
    let mut text = String::new();
    if !listing.waiting.is_empty() {
        text.push_str(&table(&rows_of_waiting(&listing.waiting), &[2, 3, 4, 5]));
    }
    if !listing.set_aside.is_empty() {
        text.push_str("\nSet aside, not sent any more:\n");
        text.push_str(&table(&rows_of_set_aside(&listing.set_aside), &[1, 2]));
    }
    text + &format!("\nThe spool is {}.\n", place.display())
}

fn rows_of_waiting(waiting: &[Waiting<'_>]) -> Vec<Vec<String>> {
    let head = ["EXPORTER", "DESTINATION", "BATCHES", "ITEMS", "SIZE", "OLDEST", "FOR"];
    let row = |group: &Waiting<'_>| {
        let address = group.address.unwrap_or("?");
        let damaged = match group.damaged_items {
            0 => String::new(),
            damaged => format!(" ({} damaged)", counted_as(damaged, "more item is", "more items are")),
        };
        let note = if group.in_use { " (a process that runs sends it)" } else { "" };
        vec![
            group.exporter.to_owned(),
            group.destination.to_owned(),
            group.batches.to_string(),
            group.items.to_string(),
            size(group.bytes),
            in_age(group.oldest_seconds),
            format!("{address}{damaged}{note}"),
        ]
    };
    std::iter::once(head.map(str::to_owned).to_vec()).chain(waiting.iter().map(row)).collect()
}

fn rows_of_set_aside(files: &[SetAside<'_>]) -> Vec<Vec<String>> {
    let row = |file: &SetAside<'_>| {
        vec![
            file.destination.to_owned(),
            size(file.bytes),
            in_age(file.age_seconds),
            file.reason.clone().unwrap_or_default(),
            file.path.display().to_string(),
        ]
    };
    files.iter().map(row).collect()
}

fn in_age(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "?".to_owned(), |seconds| age(Duration::from_secs(seconds)))
}
