//! Exporters that are started for what earlier processes left in the spool, and for nothing else.
//!
//! Rule: one that fails, panics or hangs holds up no other, and nobody for longer than the deadline.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SendError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::builder::thread_problem;
use super::prepare::Prepared;
use super::ready::Ready;
use super::{LONGEST_DEADLINE, ManagerBuilder};
use crate::lane::panics;
use crate::notice::{Notice, Notices};
use crate::problem::Problems;

/// Exporters on their way through the spool. What became of it is in [`delivery::reports`](crate::delivery::reports).
///
/// ```
/// # use charm_telemetry_core::{Environment, Manager, TelemetryExporter, HookResult, charm_exporter};
/// # use std::time::Duration;
/// #[charm_exporter("letterbox")]
/// struct Letterbox;
///
/// impl TelemetryExporter for Letterbox {
///     fn resume(&mut self) -> HookResult {
///         Ok(()) // starts its delivery
///     }
/// }
///
/// let builder = Manager::builder().environment(Environment::default()).activate("letterbox");
/// let mut resumption = builder.resume(Duration::from_secs(10))?;
/// assert!(resumption.wait(Duration::from_secs(10)));
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Debug)]
pub struct Resumption {
    warnings: Problems,
    names: Vec<String>,
    finished: Receiver<()>,
    running: usize,
}

impl ManagerBuilder {
    /// Starts the exporters to send what earlier processes left in the spool until `deadline`, and to end then. There is
    /// no run, and nothing comes to stdout.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn resume(mut self, deadline: Duration) -> Result<Resumption, Problems> {
        let deadline = deadline.min(LONGEST_DEADLINE);
        let Prepared { ready, notices, problems, .. } = self.prepare()?;
        panics::install_hook();
        let (finish, finished) = mpsc::channel();
        let (names, running) = (ready.iter().map(|ready| ready.name.clone()).collect(), ready.len());
        for ready in ready {
            start(ready, deadline, &notices, &finish)?;
        }
        Ok(Resumption { warnings: problems, names, finished, running })
    }
}

impl Resumption {
    /// Why some of the wanted exporters are not there.
    pub fn warnings(&self) -> &Problems {
        &self.warnings
    }

    /// The exporters that were started.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Waits until all are done, at most for so long; whether they are.
    pub fn wait(&mut self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while self.running > 0 {
            match self.finished.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(()) => self.running -= 1,
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
        true
    }
}

fn start(
    ready: Ready,
    deadline: Duration,
    notices: &Arc<Notices>,
    finish: &Sender<()>,
) -> Result<(), Problems> {
    let (name, notices, finish) = (ready.name.clone(), Arc::clone(notices), finish.clone());
    let work = move || {
        notices.listen_on_this_thread();
        send_what_is_left(ready, deadline, &notices);
        // Nobody may wait any more.
        let _: Result<(), SendError<()>> = finish.send(());
    };
    let thread = thread::Builder::new().name(format!("charm-resume-{name}")).spawn(work);
    thread.map(drop).map_err(|error| thread_problem(&format!("exporter `{name}`"), &error))
}

fn send_what_is_left(mut ready: Ready, deadline: Duration, notices: &Notices) {
    let Some(mut exporter) = ready.take() else { return };
    let name = ready.name.as_str();
    let resumed = panics::catch(|| exporter.resume().map_err(|error| error.to_string()));
    if let Some(error) = failure(resumed) {
        let error = notices.redact(&error);
        notices.tell(Notice::HookFailed { exporter: name, error: &error, count: 1 });
    }
    let ended = panics::catch(|| exporter.shutdown(deadline).map_err(|error| error.to_string()));
    if let Some(error) = failure(ended) {
        let error = notices.redact(&error);
        notices.tell(Notice::ShutdownFailed { exporter: name, error: &error });
    }
    let _: Result<(), String> = panics::catch(|| drop(exporter));
}

fn failure(result: Result<Result<(), String>, String>) -> Option<String> {
    match result {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error),
        Err(message) => Some(format!("panic: {message}")),
    }
}
