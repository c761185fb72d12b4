//! What an exporter holds: hand over items, flush, shut down.
//!
//! Rule: handing over never blocks and never fails loudly; flush and shutdown end by their deadline whatever hangs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::item::Item;
use super::outcomes::DeliveryReport;
use super::shared::{Phase, Shared};

/// The way to a destination. Cheap to clone.
///
/// When the last clone is dropped without [`shutdown`](Self::shutdown) (the exporter panicked), what was accepted is
/// still sent or spooled, in the background.
///
/// ```
/// # use charm_telemetry_core::delivery::*;
/// # use charm_telemetry_core::testing::{Answer, ReceiverDouble};
/// # use std::{sync::Arc, time::Duration};
/// # struct Vendor(String);
/// # impl Destination for Vendor {
/// #     fn name(&self) -> &str { "vendor" }
/// #     fn identity(&self) -> String { self.0.clone() }
/// #     fn limits(&self) -> Limits { Limits::default() }
/// #     fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> { Ok(Body::json(items[0].bytes())) }
/// #     fn request(&self, _: &Sending<'_>) -> Request { Request::post(&self.0) }
/// # }
/// # let receiver = ReceiverDouble::start();
/// # let destination = Vendor(receiver.url("/intake"));
/// # let delivery = Delivery::start(destination, DeliveryConfig::default())?;
/// assert!(delivery.send(Item::new(*b"{}"))); // never blocks
/// assert!(delivery.flush(Duration::from_secs(10)));
/// let report = delivery.shutdown(Duration::from_secs(10));
/// assert_eq!(report.outcomes.delivered, 1);
/// assert!(!delivery.send(Item::new(*b"{}")), "nothing is accepted any more");
/// # Ok::<(), DeliveryError>(())
/// ```
#[derive(Clone)]
pub struct DeliveryHandle {
    shared: Arc<Shared>,
    _closer: Arc<Closer>,
}

impl DeliveryHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        remember(&shared);
        Self { _closer: Arc::new(Closer(shared.clone())), shared }
    }

    /// Hands over a finished item. Never blocks. `false`: it is lost, and counted (too large, memory full, shut down).
    pub fn send(&self, item: Item) -> bool {
        self.shared.accept(item).is_ok()
    }

    /// Sends what was accepted so far without waiting for company. `true` when all of it is delivered, spooled or
    /// dropped before the deadline.
    pub fn flush(&self, deadline: Duration) -> bool {
        let goal = self.hurry();
        self.shared.wait_until(deadline, |state| {
            let outcomes = state.ledger.outcomes();
            outcomes.accepted - outcomes.pending >= goal
        })
    }

    /// Says that nothing more belongs to what was handed over: the run has ended. What waits is sent now, unless the last
    /// request began less than [`linger`](super::Limits::linger) ago: ends that follow one another go together.
    pub fn nudge(&self) {
        self.shared.nudge();
    }

    /// Sends what there is until the deadline, puts the rest into the spool, and ends. Nothing is accepted afterwards.
    /// A second call returns the same report.
    pub fn shutdown(&self, deadline: Duration) -> DeliveryReport {
        self.begin_shutdown(deadline);
        self.shared.wait_until(deadline, |state| state.phase == Phase::Closed);
        self.shared.close();
        self.shared.report()
    }

    /// How things stand now.
    pub fn report(&self) -> DeliveryReport {
        self.shared.report()
    }

    /// Stops accepting and starts to drain, without waiting.
    pub fn begin_shutdown(&self, deadline: Duration) {
        self.shared.begin_close(deadline);
    }

    fn hurry(&self) -> u64 {
        let mut state = self.shared.lock();
        state.hurry = !state.queue.is_empty();
        let goal = state.ledger.outcomes().accepted;
        drop(state);
        self.shared.wake();
        goal
    }
}

/// The reports of every delivery of this process, those that are shut down too, by name.
///
/// ```
/// # use charm_telemetry_core::delivery::*;
/// # use charm_telemetry_core::testing::{Answer, ReceiverDouble};
/// # use std::{sync::Arc, time::Duration};
/// # struct Vendor(String);
/// # impl Destination for Vendor {
/// #     fn name(&self) -> &str { "listed" }
/// #     fn identity(&self) -> String { self.0.clone() }
/// #     fn limits(&self) -> Limits { Limits::default() }
/// #     fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> { Ok(Body::json(items[0].bytes())) }
/// #     fn request(&self, _: &Sending<'_>) -> Request { Request::post(&self.0) }
/// # }
/// # let receiver = ReceiverDouble::start();
/// # let destination = Vendor(receiver.url("/intake"));
/// let delivery = Delivery::start(destination, DeliveryConfig::default())?;
/// assert!(reports().iter().any(|report| report.destination == "listed"));
/// # delivery.shutdown(Duration::from_secs(10));
/// # Ok::<(), DeliveryError>(())
/// ```
pub fn reports() -> Vec<DeliveryReport> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut reports: Vec<_> = known.iter().map(|shared| shared.report()).collect();
    reports.sort_by(|a, b| a.destination.cmp(&b.destination));
    reports
}

static KNOWN: Mutex<Vec<Arc<Shared>>> = Mutex::new(Vec::new());

fn remember(shared: &Arc<Shared>) {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).push(shared.clone());
}

/// Shuts down in the background when the last handle goes.
struct Closer(Arc<Shared>);

impl Drop for Closer {
    fn drop(&mut self) {
        const GRACE: Duration = Duration::from_secs(10);
        self.0.begin_close(GRACE);
    }
}
