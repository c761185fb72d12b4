//! Sends the spans of agents to Datadog LLM Observability.
//!
//! Rule: a span leaves in one of two formats that Datadog never mixes, and the place it goes to decides which.
//!
//! | | public intake | through an Agent |
//! |---|---|---|
//! | address | `https://api.{site}/api/intake/llm-obs/v1/trace/spans` | `{agent}/evp_proxy/v2/api/v2/llmobs` |
//! | credentials | `DD-API-KEY` | none: the Agent adds its own |
//! | body | one object with many spans | an array of envelopes with one span each |
//! | documented | <https://docs.datadoghq.com/llm_observability/instrumentation/api/> | no: it is what Datadog's own libraries send |
//! | compression | none (none is documented) | none (Agents that know only `v2` take none) |
//!
//! Limits: a span has at most 1 MB, a request at most 4 MB, and nothing
//! older than a day is taken.
//!
//! In reading order: what the variables say together (`settings`), the hooks (`exporter`), how a span becomes JSON
//! (`encode`, `messages`, `documents`, `failure`, `labels`, `shrink`), where it goes (`request`) and what the answer means
//! (`classify`).

mod classify;
mod documents;
mod encode;
mod exporter;
mod failure;
mod labels;
mod limits;
mod messages;
mod request;
mod settings;
mod shrink;
#[cfg(test)]
mod tests;

use charm_telemetry_core::delivery::DeliveryHandle;
use charm_telemetry_core::trace::{Sampler, SpanFeed};
use charm_telemetry_core::{Secret, charm_exporter};

use crate::labels::Labels;
use crate::settings::Settings;

/// Sends runs, calls of models and tools, and searches to Datadog LLM Observability.
#[charm_exporter("datadog")]
pub struct DatadogExporter {
    /// The API key. Needed unless spans go through an Agent, which has its own.
    #[env("DD_API_KEY", "DATADOG_API_KEY")]
    api_key: Option<Secret>,
    /// The Datadog site: `datadoghq.com`, `datadoghq.eu`, `us3.datadoghq.com`, ...
    #[env("DD_SITE", default = "datadoghq.com")]
    site: String,
    /// The name of the application. Default: `DD_SERVICE`, else the agent's name.
    #[env("DD_LLMOBS_ML_APP")]
    ml_app: Option<String>,
    /// The service, as in the other products of Datadog. Default: the name of the application.
    #[env("DD_SERVICE")]
    service: Option<String>,
    /// The environment: `prod`, `staging`, ...
    #[env("DD_ENV")]
    env: Option<String>,
    /// The version of the service. Default: the agent's version.
    #[env("DD_VERSION")]
    version: Option<String>,
    /// The share of runs that is sent, from 0 to 1. The smaller of this and `CHARM_TELEMETRY_SAMPLE_RATE` counts.
    #[env("DD_LLMOBS_SAMPLE_RATE")]
    sample_rate: Option<Sampler>,
    /// `false`: nothing is sent.
    #[env("DD_LLMOBS_ENABLED", default = "true")]
    enabled: bool,
    /// `true` sends to Datadog, `false` through an Agent. Default: through an Agent if one of the next two names it.
    #[env("DD_LLMOBS_AGENTLESS_ENABLED", "DD_AGENTLESS_ENABLED")]
    agentless: Option<bool>,
    /// The Agent, for example `http://localhost:8126`.
    #[env("DD_TRACE_AGENT_URL")]
    agent_url: Option<String>,
    /// The host of the Agent, if its whole address is not given.
    #[env("DD_AGENT_HOST")]
    agent_host: Option<String>,
    /// The port of the Agent, if its whole address is not given. Default: 8126.
    #[env("DD_TRACE_AGENT_PORT")]
    agent_port: Option<u16>,
    /// An address in place of that of Datadog or of the Agent, for tests and proxies. The path stays.
    #[env("DD_LLMOBS_OVERRIDE_ORIGIN")]
    override_origin: Option<String>,
    settings: Option<Settings>,
    feed: SpanFeed,
    line: Option<Line>,
    /// It was said that nothing is sent.
    told: bool,
}

/// What is there once the first event came.
struct Line {
    labels: Labels,
    delivery: DeliveryHandle,
}
