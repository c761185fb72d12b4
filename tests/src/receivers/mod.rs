//! Receivers that others wrote, and strict doubles of those that cannot be had, each with what it was sent.
//!
//! Rule: a receiver listens on loopback, ends with its guard, and is asked what it has; that it said 200 proves nothing.

mod datadog_agent;
mod datadog_intake;
mod gate;
mod http;
mod langsmith;
mod oteltap;
mod phoenix;
mod program;
mod sentry;
mod spotlight;

pub use datadog_agent::{DatadogAgent, Posted};
pub use datadog_intake::DatadogIntake;
pub(crate) use datadog_intake::datadog_answer;
pub use gate::Gate;
pub use http::{free_port, get, poll};
pub use langsmith::{LANGSMITH_KEY, LangSmithDouble, LangSmithRun};
pub use oteltap::OtelTap;
pub use phoenix::Phoenix;
pub use program::Program;
pub use sentry::{SentryDouble, SentryItem};
pub use spotlight::Spotlight;
