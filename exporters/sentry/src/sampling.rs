//! Which traces are sent, and which failures.
//!
//! Rule: `SENTRY_TRACES_SAMPLE_RATE` and a `TRACEPARENT` are about traces alone, as in Sentry's SDKs: a failure is sent if the
//! operator's rate for all exporters keeps its run, whatever these say.

use charm_telemetry_core::trace::{Sampler, TelemetrySettings, TraceId};

/// The operator's choices together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampling {
    /// For all exporters.
    all: Sampler,
    /// For traces sent to Sentry.
    traces: Sampler,
    /// The process that started us does not record the trace.
    left_out: bool,
}

impl Sampling {
    pub(crate) fn new(settings: &TelemetrySettings, own: Option<Sampler>) -> Self {
        let all = settings.sampler;
        Self { all, traces: traces(all, own), left_out: settings.context.is_left_out() }
    }

    /// The share of traces that is sent.
    pub(crate) fn rate(&self) -> f64 {
        self.traces.rate()
    }

    /// Whether a trace in which something fails is sent.
    pub(crate) fn sends_failed_trace(&self, trace: TraceId) -> bool {
        self.all.keeps_errors() || self.sends_trace(trace)
    }

    /// Whether a trace is sent whatever happens in it.
    pub(crate) fn sends_trace(&self, trace: TraceId) -> bool {
        !self.left_out && self.traces.keeps(trace)
    }

    /// Whether the failures of a run are sent.
    pub(crate) fn sends_failures(&self, trace: TraceId) -> bool {
        self.sends_failed_trace(trace) || self.all.keeps(trace)
    }
}

/// Which traces are sent: our own rate wins over that for all exporters.
pub(crate) fn traces(all: Sampler, own: Option<Sampler>) -> Sampler {
    own.map_or(all, |own| own.keep_errors(all.keeps_errors()))
}
