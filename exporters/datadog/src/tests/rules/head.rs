//! What a request has to be before anyone looks into its body.
//!
//! Rule: the address, the headers and the format belong together.

use charm_telemetry_core::testing::RecordedRequest;
use serde_json::Value;

use super::Rule;

/// A request, and the only key that is right.
pub(crate) struct Head {
    pub(crate) request: RecordedRequest,
    pub(crate) key: String,
}

impl Head {
    fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }
}

pub(crate) const HEAD: &[Rule<Head>] = &[
    Rule::both("the method is POST", |head| head.request.method == "POST"),
    Rule::both("the content is JSON", |head| head.header("content-type") == Some("application/json")),
    Rule::both("the body is not compressed", |head| head.header("content-encoding").is_none()),
    Rule::both("the body is not sent in chunks", |head| {
        head.header("content-length").is_some() && head.header("transfer-encoding").is_none()
    }),
    Rule::public("the path of the public intake", |head| {
        head.request.path == "/api/intake/llm-obs/v1/trace/spans"
    }),
    Rule::public("the key goes to Datadog", |head| head.header("dd-api-key") == Some(&head.key)),
    Rule::agent("the path of an Agent", |head| head.request.path == "/evp_proxy/v2/api/v2/llmobs"),
    Rule::agent("the Agent is told the subdomain", |head| {
        head.header("x-datadog-evp-subdomain") == Some("llmobs-intake")
    }),
    Rule::agent("an Agent gets no key", |head| head.header("dd-api-key").is_none()),
    Rule::both("a body has at most 4 MB", |head| head.request.body.len() <= 4_000_000),
    Rule::both("the body is JSON", |head| serde_json::from_slice::<Value>(&head.request.body).is_ok()),
];
