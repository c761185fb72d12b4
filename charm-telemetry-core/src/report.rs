//! What became of every event: the account that the manager gives at the end.
//!
//! Rule: the report is data; its text and its JSON say the same.

use std::fmt;

use serde::Serialize;

use crate::outcome::Outcomes;

/// The account of a manager.
///
/// ```
/// # use std::time::Duration;
/// # use charm_telemetry_core::{Manager, testing::MemoryWriter};
/// # let manager = Manager::builder().stdout(MemoryWriter::new()).start()?;
/// manager.start_run(&"hi").finish("hello");
/// let report = manager.shutdown(Duration::from_secs(5));
/// assert_eq!((report.events, report.late), (4, 0));
/// assert!(report.is_balanced());
/// eprintln!("{report}"); // a table with a row for each exporter
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Events that were emitted.
    pub events: u64,
    /// Events that were emitted after the end, and reached nobody.
    pub late: u64,
    /// What end users see. Its unit is the event, as everywhere.
    pub stdout: Outcomes,
    /// How the writing of it ended. [`LaneState::Stuck`]: the thread that writes stdout and hands events on to the exporters
    /// did not answer, so `events` and `stdout` are not known and are zero here.
    pub stdout_state: LaneState,
    /// The exporters, in the order of the manifest.
    pub exporters: Vec<LaneReport>,
}

/// The account of one exporter.
///
/// ```
/// # use std::time::Duration;
/// # use charm_telemetry_core::{DropReason, HookContext, HookResult, Manager, RawValue, TelemetryExporter};
/// # use charm_telemetry_core::testing::MemoryWriter;
/// # struct Gloomy;
/// impl TelemetryExporter for Gloomy {
///     fn on_run_end(&mut self, _cx: &HookContext<'_>, _outputs: &RawValue) -> HookResult {
///         Err("the vendor has said no".into())
///     }
/// }
/// # let builder = Manager::builder().stdout(MemoryWriter::new()).on_notice(|_| {});
/// # let manager = builder.exporter("gloomy", Gloomy).start()?;
/// # manager.start_run(&"hi").finish("hello");
/// let lane = &manager.shutdown(Duration::from_secs(5)).exporters[0];
/// assert_eq!(lane.outcomes.dropped.by(DropReason::HookError), 1);
/// assert_eq!(lane.last_error.as_deref(), Some("the vendor has said no"));
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LaneReport {
    /// The exporter's name.
    pub exporter: String,
    /// How it ended.
    pub state: LaneState,
    /// What became of its events.
    pub outcomes: Outcomes,
    /// How often it was built again after a panic.
    pub restarts: u64,
    /// The last thing that went wrong, without secrets.
    pub last_error: Option<String>,
}

/// How a lane ended.
///
/// ```
/// # use std::time::Duration;
/// # use charm_telemetry_core::{LaneState, Manager, TelemetryExporter, testing::MemoryWriter};
/// # struct Silent;
/// # impl TelemetryExporter for Silent {}
/// # let manager = Manager::builder().stdout(MemoryWriter::new()).exporter("silent", Silent).start()?;
/// # manager.start_run(&"hi").finish("hello");
/// let report = manager.shutdown(Duration::from_secs(5));
/// for lane in &report.exporters {
///     assert_eq!(lane.state, LaneState::Finished, "{} was not done in time", lane.exporter);
/// }
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LaneState {
    /// Everything was handled and the exporter has ended.
    #[default]
    Finished,
    /// A hook did not return by the deadline.
    Stuck,
    /// The deadline came before everything was handled.
    CutOff,
}

impl Report {
    /// Whether every event has its outcome everywhere. Never if nobody knows what became of them on their way to stdout.
    pub fn is_balanced(&self) -> bool {
        self.stdout_state != LaneState::Stuck
            && self.stdout.is_balanced()
            && self.exporters.iter().all(|lane| lane.outcomes.is_balanced())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = std::iter::once(("stdout", &self.stdout, self.stdout_state, None));
        let lanes = self.exporters.iter();
        let rows: Vec<_> = rows
            .chain(lanes.map(|lane| (lane.exporter.as_str(), &lane.outcomes, lane.state, Some(lane))))
            .collect();
        let width = rows.iter().map(|row| row.0.len()).max().unwrap_or_default().max("exporter".len());
        write!(
            f,
            "{:width$}  {:>9}  {:>9}  {:>9}  {:>9}",
            "exporter", "issued", "delivered", "ignored", "dropped"
        )?;
        for (name, outcomes, state, lane) in rows {
            let Outcomes { issued, delivered, ignored, dropped } = outcomes;
            write!(f, "\n{name:width$}  {issued:>9}  {delivered:>9}  {ignored:>9}  {:>9}", dropped.total())?;
            for (reason, count) in dropped.iter() {
                write!(f, "  {reason}={count}")?;
            }
            if let Some(restarts) = lane.map(|lane| lane.restarts).filter(|restarts| *restarts > 0) {
                write!(f, "  restarts={restarts}")?;
            }
            match (state, lane) {
                (LaneState::Stuck, None) => write!(f, "  stuck: these figures are not known")?,
                (LaneState::Stuck, Some(_)) => write!(f, "  stuck")?,
                (LaneState::CutOff, _) => write!(f, "  cut off at the deadline")?,
                (LaneState::Finished, _) => {}
            }
            if let Some(error) = lane.and_then(|lane| lane.last_error.as_deref()) {
                write!(f, "\n{:width$}  last error: {}", "", error.lines().next().unwrap_or_default())?;
            }
        }
        if self.late > 0 {
            let plural = if self.late == 1 { "" } else { "s" };
            write!(f, "\n{} event{plural} came after the end and reached nobody", self.late)?;
        }
        Ok(())
    }
}
