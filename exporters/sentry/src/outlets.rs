//! The ways out of the process: one for errors, one for spans or transactions, one for reports of losses.
//!
//! Rule: what is not accepted here is reported, like what is lost later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use charm_telemetry_core::delivery::{Delivery, DeliveryConfig, DeliveryError, DeliveryHandle, Item};

use crate::destination::{Account, Project, ToProject};
use crate::dsn::Dsn;
use crate::encode::MAX_ITEM_BYTES;
use crate::losses::{Losses, Untold};
use crate::options::Lifecycle;
use crate::profile::Profile;
use crate::rate_limits::Category;

/// What an exporter sends by.
pub(crate) struct Outlets {
    pub(crate) profile: Profile,
    errors: DeliveryHandle,
    traces: DeliveryHandle,
    trace_category: Category,
    losses: Arc<Losses>,
}

impl Outlets {
    pub(crate) fn start(
        dsn: Dsn,
        lifecycle: Lifecycle,
        config: &DeliveryConfig,
        profile: Profile,
    ) -> Result<Self, DeliveryError> {
        let project = Arc::new(Project::new(dsn));
        let trace_category = match lifecycle {
            Lifecycle::Stream => Category::Span,
            Lifecycle::Static => Category::Transaction,
        };
        let start = |category, account| {
            Delivery::start(ToProject::new(category, Arc::clone(&project), account), config.clone())
        };
        let untold = Arc::<Untold>::default();
        let reports = start(Category::Internal, Account::Kept(Arc::clone(&untold)))?;
        let losses = Arc::new(Losses::new(reports, Arc::clone(&project), untold));
        let errors = start(Category::Error, Account::Told(Arc::clone(&losses)))?;
        let traces = start(trace_category, Account::Told(Arc::clone(&losses)))?;
        Ok(Self { profile, errors, traces, trace_category, losses })
    }

    /// Sends a failure.
    pub(crate) fn error(&self, item: Vec<u8>) {
        self.losses.tell_what_is_due();
        let too_large = item.len() > MAX_ITEM_BYTES;
        if !self.errors.send(Item::new(item)) {
            self.discard(not_accepted(too_large), Category::Error, 1);
        }
    }

    /// Sends so many spans: one, or a transaction with all of its.
    pub(crate) fn trace(&self, item: Vec<u8>, spans: usize) {
        self.losses.tell_what_is_due();
        let too_large = item.len() > MAX_ITEM_BYTES;
        if self.traces.send(Item::new(item)) {
            return;
        }
        let why = not_accepted(too_large);
        if self.trace_category == Category::Transaction {
            self.discard(why, Category::Transaction, 1);
        }
        self.discard(why, Category::Span, spans as u64);
    }

    /// A run has ended: nothing more belongs to what waits. Errors and transactions never wait for company.
    pub(crate) fn nudge(&self) {
        self.traces.nudge();
    }

    /// Reports a loss that no delivery knows of.
    pub(crate) fn discard(&self, why: &'static str, category: Category, quantity: u64) {
        if quantity > 0 {
            self.losses.add(why, category, quantity);
        }
    }

    /// Sends what is left: data first, then what there is to say about data that was lost.
    pub(crate) fn shutdown(&self, deadline: Duration) {
        let end = Instant::now() + deadline;
        let for_data = deadline.saturating_sub((deadline / 5).min(Duration::from_millis(500)));
        for data in [&self.errors, &self.traces] {
            data.begin_shutdown(for_data);
        }
        let data_end = Instant::now() + for_data;
        for data in [&self.errors, &self.traces] {
            data.shutdown(data_end.saturating_duration_since(Instant::now()));
        }
        self.losses.shutdown(end.saturating_duration_since(Instant::now()));
    }
}

fn not_accepted(too_large: bool) -> &'static str {
    if too_large { "send_error" } else { "queue_overflow" }
}
