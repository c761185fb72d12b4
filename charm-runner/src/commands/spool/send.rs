//! `charm-runner spool send`: handing what waits to the receivers, now.
//!
//! Rule: it ends by the deadline, and with 0 only if nothing is left and nothing was lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use charm_telemetry_core::delivery::{self, DeliveryReport};
use charm_telemetry_core::spool::{SpoolFile, SpoolStatus};
use charm_telemetry_core::{Manager, ManagerBuilder, OnError, Resumption};

use super::items;
use super::place::Place;
use crate::cli::SpoolSendArgs;
use crate::exit::Exit;
use crate::plural::{counted, counted_as};
use crate::stderr::say;

/// How often progress is told.
const BEAT: Duration = Duration::from_secs(1);

/// How much longer than the deadline an exporter may take to end.
const GRACE: Duration = Duration::from_secs(1);

pub(super) fn send(arguments: &SpoolSendArgs) -> Result<Exit, Exit> {
    let place = Place::of_exporters(&arguments.place.project)?;
    let (ours, theirs): (Vec<_>, Vec<_>) =
        waiting(arguments, &place)?.into_iter().partition(|file| !file.in_use);
    if !theirs.is_empty() {
        let items = counted(items(&theirs), "item");
        say(format_args!("{items} in the spool of a process that runs: that one sends them"));
    }
    let mut names: BTreeSet<_> = arguments.exporters.iter().cloned().collect();
    if names.is_empty() {
        names.extend(ours.iter().map(|file| place.exporter_of(file).to_owned()));
    }
    if names.is_empty() {
        return Ok(super::super::print(b"Nothing waits to be sent.\n"));
    }
    let resumption = start(arguments, &place, names)?;
    watch(resumption, arguments.deadline);
    conclude(arguments, &place)
}

/// The batches for the exporters that were named; for all if none was.
fn waiting(arguments: &SpoolSendArgs, place: &Place) -> Result<Vec<SpoolFile>, Exit> {
    let named = |file: &SpoolFile| {
        arguments.exporters.is_empty()
            || arguments.exporters.iter().any(|name| name == place.exporter_of(file))
    };
    let mut files = place.files()?;
    files.retain(|file| file.status == SpoolStatus::Waiting && named(file));
    Ok(files)
}

/// Without names, those that can be started are; what the others have stays.
fn start(arguments: &SpoolSendArgs, place: &Place, names: BTreeSet<String>) -> Result<Resumption, Exit> {
    let on_error = if arguments.exporters.is_empty() { OnError::Warn } else { OnError::Refuse };
    let builder = Manager::builder()
        .environment(place.environment.clone())
        .redact(place.secrets.iter().cloned())
        .on_error(on_error)
        .on_notice(|notice| say(notice));
    let builder = names.into_iter().fold(builder, ManagerBuilder::activate);
    let resumption = builder.resume(arguments.deadline).map_err(|problems| {
        say(problems.sorted());
        Exit::Configuration
    })?;
    if !resumption.warnings().is_empty() {
        say(resumption.warnings());
    }
    Ok(resumption)
}

/// Tells how far it has come, as long as it takes.
fn watch(mut resumption: Resumption, deadline: Duration) {
    let end = Instant::now().checked_add(deadline.saturating_add(GRACE));
    let mut told = BTreeMap::new();
    while !resumption.wait(BEAT) && end.is_none_or(|end| Instant::now() < end) {
        for report in reports() {
            let line = progress(&report);
            if told.insert(report.destination, line.clone()).as_ref() != Some(&line) {
                say(line);
            }
        }
    }
}

/// The accounts of what had something to send.
fn reports() -> Vec<DeliveryReport> {
    let mut reports = delivery::reports();
    reports.retain(|report| report.outcomes.adopted + report.outcomes.accepted > 0);
    reports
}

fn progress(report: &DeliveryReport) -> String {
    let outcomes = &report.outcomes;
    format!(
        "{}: {} of {} sent",
        report.destination,
        outcomes.delivered,
        counted(outcomes.adopted + outcomes.accepted, "item")
    )
}

fn conclude(arguments: &SpoolSendArgs, place: &Place) -> Result<Exit, Exit> {
    let reports = reports();
    let lines: Vec<_> = reports.iter().map(|report| report.to_string() + "\n").collect();
    let printed = super::super::print(lines.concat().as_bytes());
    let is_done = |report: &DeliveryReport| {
        let outcomes = &report.outcomes;
        outcomes.spooled + outcomes.pending + outcomes.dropped.total() == 0
    };
    let mut left = waiting(arguments, place)?;
    left.retain(|file| !file.in_use || reports.iter().any(|report| in_hand(report, file)));
    for (destination, address) in
        left.iter().map(|file| (&file.destination, &file.address)).collect::<BTreeSet<_>>()
    {
        let here = left.iter().filter(|file| (&file.destination, &file.address) == (destination, address));
        let address = address.as_deref().unwrap_or("an address that is not known");
        say(format_args!(
            "{destination}: {} left, for {address}",
            counted_as(items(here), "item is", "items are")
        ));
    }
    if left.is_empty() && reports.iter().all(is_done) { Ok(printed) } else { Ok(Exit::Unsent) }
}

/// Whether we ourselves have it: a destination that hangs holds its spool to the end.
fn in_hand(report: &DeliveryReport, file: &SpoolFile) -> bool {
    report.destination == file.destination && report.outcomes.spooled > 0
}
