//! Sends agent runs to Sentry: spans for the agent and its calls, an event for each failure, and an account of what
//! had to be dropped.
//!
//! Rule: no content leaves unless `SENTRY_SEND_DEFAULT_PII` or the operator says so, as in Sentry's own SDKs; the texts
//! of errors do, as there.
//!
//! What Sentry takes, and where it says so:
//!
//! - an envelope has one event or one transaction, at most 1 MiB each, or up to 1000 spans:
//!   <https://develop.sentry.dev/sdk/foundations/transport/envelopes/>
//! - a rate limit may come with any answer, and within it data is dropped, not kept:
//!   <https://develop.sentry.dev/sdk/foundations/transport/rate-limiting/>
//! - what an agent's span has to be called: <https://develop.sentry.dev/sdk/telemetry/traces/modules/ai-agents/>

mod attributes;
mod classify;
mod client_report;
mod destination;
mod dsn;
mod encode;
mod envelope;
mod event;
mod exception;
mod exporter;
mod losses;
mod messages;
mod options;
mod outlets;
mod payload_head;
mod profile;
mod rate_limits;
mod request;
mod sampling;
#[cfg(test)]
mod tests;
mod traceback;
mod transaction;

use charm_telemetry_core::delivery::DeliveryConfig;
use charm_telemetry_core::trace::{Sampler, SpanFeed};
use charm_telemetry_core::{Secret, charm_exporter};

pub use dsn::{Dsn, DsnError};
pub use options::{EnvironmentName, Lifecycle, Release};

use crate::outlets::Outlets;
use crate::transaction::OpenTransactions;

/// Sends runs to Sentry: agents, model calls and tools as spans, failures as issues.
#[charm_exporter("sentry")]
pub struct Sentry {
    /// Where to send, as the project's settings show it under "Client Keys (DSN)".
    #[env("SENTRY_DSN")]
    dsn: Secret,
    /// The release. Without it: the agent's name and version.
    #[env("SENTRY_RELEASE")]
    release: Option<Release>,
    /// The environment.
    #[env("SENTRY_ENVIRONMENT", default = "production")]
    environment: EnvironmentName,
    /// The share of failures that is sent as events, from 0 to 1.
    #[env("SENTRY_SAMPLE_RATE", default = "1")]
    error_sampler: Sampler,
    /// The share of runs that is sent as spans, from 0 to 1; failures are sent whatever it is. Without it:
    /// `CHARM_TELEMETRY_SAMPLE_RATE`.
    #[env("SENTRY_TRACES_SAMPLE_RATE")]
    trace_sampler: Option<Sampler>,
    /// Whether prompts, answers, arguments and results are sent too.
    #[env("SENTRY_SEND_DEFAULT_PII", default = "false")]
    send_default_pii: bool,
    /// `stream`: each span as soon as it has ended. `static`: one transaction for each run, for servers that do not know
    /// spans of the second version.
    #[env("SENTRY_TRACE_LIFECYCLE", default = "stream")]
    lifecycle: Lifecycle,
    target: Option<Dsn>,
    delivery: Option<DeliveryConfig>,
    feed: SpanFeed,
    outlets: Option<Outlets>,
    transactions: OpenTransactions,
    /// Runs that ended, and were not sent.
    runs_left_out: u64,
}
