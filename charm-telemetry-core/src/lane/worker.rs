//! The thread of a lane: calls the exporter's hooks, one after another.
//!
//! Rule: nothing that an exporter's code does gets past [`panics::catch`].

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use super::queue::{Ended, LaneShared, Next};
use super::{Build, panics};
use crate::event::Event;
use crate::exporter::{TelemetryExporter, call_hook};
use crate::interest::Interest;
use crate::notice::{Notice, Notices};
use crate::outcome::DropReason;

pub(super) struct Worker {
    shared: Arc<LaneShared>,
    exporter: Option<Box<dyn TelemetryExporter>>,
    /// `None`: it was built by the program itself, once.
    rebuild: Option<Build>,
    notices: Arc<Notices>,
    interest: Cell<Interest>,
    errors: u64,
    panics_in_a_row: u32,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<LaneShared>,
        exporter: Box<dyn TelemetryExporter>,
        rebuild: Option<Build>,
        notices: Arc<Notices>,
    ) -> Self {
        Self {
            shared,
            exporter: Some(exporter),
            rebuild,
            notices,
            interest: Cell::new(Interest::all()),
            errors: 0,
            panics_in_a_row: 0,
        }
    }

    pub(super) fn run(mut self) {
        #[cfg(feature = "delivery")]
        self.notices.listen_on_this_thread();
        while let Next::Event(event) = self.shared.next() {
            self.handle(&event);
            if self.exporter.is_none() && !self.restart() {
                break;
            }
        }
        self.end();
        self.shared.finished();
    }

    fn handle(&mut self, event: &Event) {
        let Some(exporter) = self.exporter.as_deref_mut() else { return };
        // What an error says of itself is the exporter's code as well.
        match panics::catch(|| call_hook(exporter, event, &self.interest).map_err(|error| error.to_string()))
        {
            Ok(Ok(())) => {
                self.panics_in_a_row = 0;
                let interest = self.interest.get();
                let has_hook = interest.contains(event.kind.hook());
                self.shared.done(if has_hook { Ended::Delivered } else { Ended::Ignored }, interest);
            }
            Ok(Err(error)) => self.failed(&error),
            Err(message) => self.panicked(&message),
        }
    }

    fn failed(&mut self, error: &str) {
        self.errors += 1;
        let error = self.notices.redact(error);
        // The first, then ever more rarely: an exporter that always fails must not flood the log.
        if self.errors.is_power_of_two() {
            let count = self.errors;
            self.notices.tell(Notice::HookFailed { exporter: &self.shared.name, error: &error, count });
        }
        self.shared.done(Ended::Lost(DropReason::HookError, error), self.interest.get());
    }

    fn panicked(&mut self, message: &str) {
        self.drop_exporter();
        self.panics_in_a_row = self.panics_in_a_row.saturating_add(1);
        let message = self.notices.redact(message);
        let pause = self.next_pause();
        let exporter = &self.shared.name;
        if self.rebuild.is_some() && self.panics_in_a_row.is_power_of_two() {
            self.notices.tell(Notice::Panicked { exporter, message: &message, pause });
        }
        let lost = Ended::Lost(DropReason::ExporterPanic, format!("panic: {message}"));
        self.shared.done(lost, self.interest.get());
        if self.rebuild.is_none() {
            self.shared.give_up();
            self.notices.tell(Notice::GivenUp { exporter, message: &message });
        }
    }

    fn next_pause(&self) -> Duration {
        let limits = &self.shared.limits;
        let doublings = self.panics_in_a_row.saturating_sub(1).min(20);
        limits.first_restart.saturating_mul(1 << doublings).min(limits.last_restart)
    }

    /// Builds the exporter again after a pause. `false`: it was given up, with all that waits and will come.
    fn restart(&mut self) -> bool {
        while self.rebuild.is_some() {
            let in_time = self.shared.pause(self.next_pause());
            let rebuilt = self.rebuild.as_mut().and_then(|build| panics::catch(build).ok().flatten());
            if rebuilt.is_some() {
                self.shared.count_restart();
                self.exporter = rebuilt;
                self.interest.set(Interest::all());
                return true;
            }
            self.panics_in_a_row = self.panics_in_a_row.saturating_add(1);
            self.shared.remember_error("could not be built again after a panic".to_owned());
            if !in_time {
                break;
            }
        }
        self.shared.give_up();
        false
    }

    fn end(&mut self) {
        let Some(exporter) = self.exporter.as_deref_mut() else { return };
        let left = self.shared.time_left();
        let problem = match panics::catch(|| exporter.shutdown(left)) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(self.notices.redact(&error.to_string())),
            Err(message) => Some(format!("panic: {}", self.notices.redact(&message))),
        };
        if let Some(error) = problem {
            self.notices.tell(Notice::ShutdownFailed { exporter: &self.shared.name, error: &error });
            self.shared.remember_error(error);
        }
        self.drop_exporter();
    }

    fn drop_exporter(&mut self) {
        let exporter = self.exporter.take();
        let _: Result<(), String> = panics::catch(|| drop(exporter));
    }
}
