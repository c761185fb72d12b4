//! The command line of `charm-runner spool`.
//!
//! Rule: what deletes says so in its help, and asks.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

pub(super) const EXAMPLES: &str = "\
What an exporter cannot send waits in the spool, a directory below CHARM_STATE_DIR (~/.local/state/charm). The next run with
the same exporter sends it by itself; these commands are for whoever does not want to wait for that.

Examples:
  charm-runner spool list                              what waits, for whom, since when
  charm-runner spool send                              send it now
  charm-runner spool purge langsmith --older-than 3d   delete what nobody misses";

pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  charm-runner spool list                       what waits, for whom, since when
  charm-runner spool list --json                the same for programs
  charm-runner spool list --project my-agent    in the spool that the `.env` of that folder names";

pub(super) const SEND_EXAMPLES: &str = "\
Examples:
  charm-runner spool send                        all that waits
  charm-runner spool send otlp --deadline 10m    what waits for `otlp`; give a large spool its time
  charm-runner spool send --project my-agent     with the `.env` and the charm.yaml of that folder

The exporters' variables must say what they said when it was spooled: what was meant for another address or project
waits for that one, and `spool list` names it. A process that still runs sends its own batches.

Exit codes:
  0    everything that waited was sent, or nothing waited
  75   something is left in the spool, or was lost; stderr says what and why
  78   a named exporter is not compiled in, or its variables are not right";

pub(super) const PURGE_EXAMPLES: &str = "\
Examples:
  charm-runner spool purge                       everything; asks first
  charm-runner spool purge otlp --yes            what waits for `otlp` and what was set aside, without asking
  charm-runner spool purge --older-than 3d       what was written more than three days ago
  charm-runner spool purge --quarantined         damaged and refused files alone

What belongs to a process that runs is left alone. Without a terminal to ask on, --yes is needed (exit code 2).";

#[derive(Debug, Subcommand)]
pub(crate) enum SpoolCommand {
    /// Show what waits to be sent, and what was set aside
    List(SpoolListArgs),
    /// Send what waits, now
    Send(SpoolSendArgs),
    /// Delete what waits, or what was set aside
    Purge(SpoolPurgeArgs),
}

#[derive(Args, Debug)]
pub(crate) struct SpoolListArgs {
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

#[derive(Args, Debug)]
pub(crate) struct SpoolSendArgs {
    /// For these exporters. All that have something in the spool if none is named
    #[arg(value_name = "EXPORTER")]
    pub(crate) exporters: Vec<String>,
    /// How long it may take: `30s`, `10m`
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
    pub(crate) deadline: Duration,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

#[derive(Args, Debug)]
pub(crate) struct SpoolPurgeArgs {
    /// Only what is meant for this exporter
    pub(crate) exporter: Option<String>,
    /// Only what was written longer ago: `12h`, `3d`
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) older_than: Option<Duration>,
    /// Only damaged files and those that the receiver refused
    #[arg(long)]
    pub(crate) quarantined: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

#[derive(Args, Debug)]
pub(crate) struct PlaceArgs {
    /// The folder whose `.env` and charm.yaml count, if it has them
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) project: PathBuf,
}
