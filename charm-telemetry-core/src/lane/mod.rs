//! One exporter on a thread of its own, behind a bounded queue.
//!
//! Rule: whatever the exporter does (sleep, hang, panic, fail), nobody waits for it, and every event it was offered ends
//! in one counted outcome.

pub(crate) mod panics;
mod queue;
mod worker;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use queue::LaneShared;

use crate::exporter::TelemetryExporter;
use crate::notice::Notices;
use crate::report::{LaneReport, LaneState};

/// Builds the exporter again after it panicked.
pub(crate) type Build = Box<dyn FnMut() -> Option<Box<dyn TelemetryExporter>> + Send>;

/// The bounds and delays of a lane.
///
/// ```
/// # use charm_telemetry_core::{LaneLimits, Manager, testing::MemoryWriter};
/// let small = LaneLimits { max_events: 1_000, max_bytes: 1024 * 1024, ..LaneLimits::default() };
/// let manager = Manager::builder()
/// #   .stdout(MemoryWriter::new())
///     .limits(small)
///     .start()?;
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LaneLimits {
    /// Events that may wait. Default 65,536.
    pub max_events: usize,
    /// Bytes that the waiting events may hold. Default 64 MiB.
    pub max_bytes: usize,
    /// A hook that takes longer is reported as stuck. Default 10 s.
    pub stuck_after: Duration,
    /// The pause before a panicked exporter is built again; it doubles with each panic in a row. Default 100 ms.
    pub first_restart: Duration,
    /// The longest such pause. Default 30 s.
    pub last_restart: Duration,
}

impl Default for LaneLimits {
    fn default() -> Self {
        Self {
            max_events: 65_536,
            max_bytes: 64 * 1024 * 1024,
            stuck_after: Duration::from_secs(10),
            first_restart: Duration::from_millis(100),
            last_restart: Duration::from_secs(30),
        }
    }
}

/// A running lane, in the hands of the manager.
pub(crate) struct Lane {
    pub(crate) shared: Arc<LaneShared>,
}

impl Lane {
    /// Starts the exporter's thread. The exporter is built already, so that its problems could be reported together
    /// with all others. Without `rebuild` its first panic is its end.
    pub(crate) fn start(
        name: &str,
        exporter: Box<dyn TelemetryExporter>,
        rebuild: Option<Build>,
        limits: LaneLimits,
        notices: Arc<Notices>,
    ) -> std::io::Result<Self> {
        panics::install_hook();
        let shared = Arc::new(LaneShared::new(name, limits));
        let worker = worker::Worker::new(Arc::clone(&shared), exporter, rebuild, notices);
        // Not joined: an exporter that never returns must not keep the process from ending.
        thread::Builder::new().name(format!("charm-lane-{name}")).spawn(move || worker.run())?;
        Ok(Self { shared })
    }

    /// Waits until the lane has handled everything, or gives up on the rest at `deadline`.
    pub(crate) fn finish(&self, deadline: Instant) -> LaneReport {
        let finished = self.shared.wait_until_finished(deadline);
        let (outcomes, details) = self.shared.settle();
        let state = match (finished, details.stuck) {
            (true, _) => LaneState::Finished,
            (false, true) => LaneState::Stuck,
            (false, false) => LaneState::CutOff,
        };
        LaneReport {
            exporter: self.shared.name.clone(),
            state,
            outcomes,
            restarts: details.restarts,
            last_error: details.last_error,
        }
    }
}
