//! From names and an environment to running lanes, and back to an account of everything.
//!
//! Rule: nothing starts before everything is known to be right, and all that is wrong is said at once.

mod builder;
mod prepare;
mod ready;
#[cfg(feature = "delivery")]
mod resumption;
mod wanted;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

pub use builder::{ManagerBuilder, OnError};
#[cfg(feature = "delivery")]
pub use resumption::Resumption;

use crate::emit::Hub;
use crate::id::RunId;
use crate::lane::Lane;
use crate::problem::Problems;
use crate::pump::PumpReport;
use crate::redact::Redactor;
use crate::report::Report;
use crate::run::Run;
use crate::stream_event::StreamEvent;
use crate::trace::TelemetrySettings;

/// How long dropping a manager waits for its exporters.
const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// Nobody waits longer; a moment that far away can still be told by every clock.
const LONGEST_DEADLINE: Duration = Duration::from_hours(24 * 365);

/// Runs the exporters of a program and gives out the handles of its runs.
///
/// See [`Run`] for an example.
///
/// ```
/// # use std::time::Duration;
/// # use charm_telemetry_core::{Manager, testing::MemoryWriter};
/// let manager = Manager::builder()
/// #   .stdout(MemoryWriter::new())
///     .start()?;
/// manager.start_run(&"hi").finish("hello");
/// let report = manager.shutdown(Duration::from_secs(5));
/// assert!(report.is_balanced());
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
pub struct Manager {
    hub: Arc<Hub>,
    lanes: Vec<Lane>,
    redactor: Arc<Redactor>,
    settings: Arc<TelemetrySettings>,
    pump: Option<Receiver<PumpReport>>,
    /// Why some of the wanted exporters are not there.
    warnings: Problems,
}

impl Manager {
    /// Chooses what the manager runs.
    pub fn builder() -> ManagerBuilder {
        ManagerBuilder::new()
    }

    /// A run begins. Inputs that are not an object become `{"input": <them>}`, and none become `{}`.
    pub fn start_run<T: Serialize + ?Sized>(&self, inputs: &T) -> Run {
        self.start_run_as(RunId::new(), inputs)
    }

    /// A run begins whose id was made elsewhere.
    pub fn start_run_as<T: Serialize + ?Sized>(&self, id: RunId, inputs: &T) -> Run {
        let run = Run::start(&self.hub, id, input_object(inputs));
        for problem in &self.warnings {
            run.event(StreamEvent::status(&format!("telemetry: {problem}")));
        }
        run
    }

    /// Why some of the wanted exporters are not there: only ever not empty with [`OnError::Warn`].
    pub fn warnings(&self) -> &Problems {
        &self.warnings
    }

    /// Whether stdout is read more slowly than events come: whoever reads them from somewhere should pause. Emitting
    /// works on and blocks when there is no room at all.
    pub fn is_full(&self) -> bool {
        self.hub.is_filling_up()
    }

    /// Whether every run has ended and all that it said is on stdout, or nobody reads that any more. Whoever wants a slow
    /// reader to see everything waits for this before [`shutdown`](Self::shutdown), which has a deadline.
    pub fn is_written(&self) -> bool {
        self.hub.is_written()
    }

    /// Wakes the pump now. After tokens that came in a burst from elsewhere, so that they go on at once.
    pub fn nudge(&self) {
        self.hub.wake_pump();
    }

    /// What all exporters share, and the trace that runs belong to.
    pub fn settings(&self) -> &TelemetrySettings {
        &self.settings
    }

    /// Takes out of texts what must not be seen.
    pub fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }

    /// Hands over everything, waits for the exporters until `deadline` has passed, and gives the account. Whatever has no
    /// outcome by then is counted as dropped.
    pub fn shutdown(mut self, deadline: Duration) -> Report {
        self.finish(deadline)
    }

    fn finish(&mut self, deadline: Duration) -> Report {
        let Some(pump) = self.pump.take() else { return Report::default() };
        let deadline = Instant::now() + deadline.min(LONGEST_DEADLINE);
        self.hub.close(deadline);
        let left = deadline.saturating_duration_since(Instant::now());
        // The pump closes the lanes when it has handed over everything. Should it hang in a write, they are closed here.
        let pumped = pump.recv_timeout(left + builder::GRACE).unwrap_or_else(|_| PumpReport::stuck());
        self.lanes.iter().for_each(|lane| lane.shared.close(deadline));
        Report {
            events: pumped.events,
            late: self.hub.late(),
            stdout: pumped.stdout,
            stdout_state: pumped.state,
            exporters: self.lanes.iter().map(|lane| lane.finish(deadline)).collect(),
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.finish(DROP_DEADLINE);
    }
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lanes: Vec<_> = self.lanes.iter().map(|lane| lane.shared.name.as_str()).collect();
        f.debug_struct("Manager").field("exporters", &lanes).finish_non_exhaustive()
    }
}

fn input_object<T: Serialize + ?Sized>(inputs: &T) -> Box<RawValue> {
    let json = to_raw_value(inputs).unwrap_or_else(|_| RawValue::NULL.to_owned());
    match json.get().trim_start().as_bytes().first() {
        Some(b'{') => json,
        _ if json.get() == "null" => RawValue::from_string("{}".to_owned()).expect("an empty object"),
        _ => to_raw_value(&std::collections::BTreeMap::from([("input", &json)]))
            .expect("checked JSON in a map"),
    }
}
