//! Sends the runs of agents to LangSmith.
//!
//! Rule: a run is posted once, when it has ended, with everything that is known of it; LangSmith gets nothing that it has to
//! guess.
//!
//! | | |
//! |---|---|
//! | runs in one request | 100, or what `/info` says if that is less |
//! | bytes of one request | 4 MiB; LangSmith names 20 MiB and has refused less |
//! | age of a run | a day on LangSmith's own servers, whose refusal is for the whole request |
//! | name of a run | 128 characters |
//! | documented | <https://docs.langchain.com/langsmith/smith-api/runs/ingest-runs-multipart>, <https://docs.langchain.com/langsmith/run-data-format> |
//!
//! In reading order: the hooks (`exporter`, `early`, `sampling`, `endpoint`), how a span becomes a run (`encode`, `content`,
//! `sound_json`, `stamp`, `extra`, `run_parts`, `age`), how runs become a body (`multipart`, `batch`), where it goes (`request`,
//! `dialect`) and what the answer means (`classify`).

mod age;
mod batch;
mod classify;
mod content;
mod dialect;
mod early;
mod encode;
mod endpoint;
mod exporter;
mod extra;
mod multipart;
mod request;
mod run_parts;
mod sampling;
mod sound_json;
mod stamp;
#[cfg(test)]
mod tests;

use std::time::Duration;

use charm_telemetry_core::delivery::DeliveryConfig;
use charm_telemetry_core::trace::SpanFeed;
use charm_telemetry_core::{Secret, charm_exporter};

use crate::endpoint::Endpoint;
use crate::exporter::Sending;
use crate::sampling::Rate;

/// Sends runs, calls of models and tools, and searches to LangSmith.
///
/// It is `charm.yaml` that switches it on; `LANGSMITH_TRACING` is for LangSmith's own SDK within the agent.
#[charm_exporter("langsmith")]
pub struct LangsmithExporter {
    /// The API key.
    #[env("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY")]
    api_key: Secret,
    /// Where LangSmith is: another region (`https://eu.api.smith.langchain.com`) or your own (`https://host/api/v1`).
    #[env("LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT", default = "https://api.smith.langchain.com")]
    endpoint: Endpoint,
    /// The project that the runs go to.
    #[env(
        "HOSTED_LANGSERVE_PROJECT_NAME",
        "LANGSMITH_PROJECT",
        "LANGCHAIN_PROJECT",
        "LANGSMITH_SESSION",
        "LANGCHAIN_SESSION",
        default = "default"
    )]
    project: String,
    /// The workspace, for keys that are good for several.
    #[env("LANGSMITH_WORKSPACE_ID", "LANGCHAIN_WORKSPACE_ID")]
    workspace: Option<String>,
    /// Whether inputs stay at home.
    #[env("LANGSMITH_HIDE_INPUTS", "LANGCHAIN_HIDE_INPUTS", default = "false")]
    hide_inputs: bool,
    /// Whether outputs stay at home. The texts of errors are sent all the same: see `CHARM_TELEMETRY_CONTENT`.
    #[env("LANGSMITH_HIDE_OUTPUTS", "LANGCHAIN_HIDE_OUTPUTS", default = "false")]
    hide_outputs: bool,
    /// Whether metadata stays at home: models, tokens and tags too.
    #[env("LANGSMITH_HIDE_METADATA", "LANGCHAIN_HIDE_METADATA", default = "false")]
    hide_metadata: bool,
    /// The share of traces that is sent, from 0 to 1: the same traces as by LangSmith's own SDKs.
    #[env("LANGSMITH_TRACING_SAMPLING_RATE", "LANGCHAIN_TRACING_SAMPLING_RATE")]
    sampling_rate: Option<Rate>,
    /// Show runs that last longer than this before they end (`10s`; `0s`: all, at once). Each costs two events of the quota.
    #[env("CHARM_LANGSMITH_POST_AFTER")]
    post_after: Option<Duration>,
    feed: SpanFeed,
    delivery: DeliveryConfig,
    sending: Sending,
}
