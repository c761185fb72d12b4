//! What is the same on everything that this process sends: release, environment, tags, sample rate.
//!
//! Rule: made once, from the variables and the settings; encoding looks nowhere else.

use serde::Serialize;

use charm_telemetry_core::trace::{Sampler, SpanHead, TelemetrySettings};

use crate::encode::span_name;
use crate::sampling::Sampling;

/// Our name among SDKs.
pub(crate) const SDK_NAME: &str = "sentry.rust.charm";

/// Our version.
pub(crate) const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Sentry knows no platform `rust`: it would become `other` with a remark.
pub(crate) const PLATFORM: &str = "other";

/// What made our spans.
pub(crate) const ORIGIN: &str = "auto.ai.charm";

/// Longest value of a tag, in characters.
const MAX_TAG_CHARS: usize = 200;

/// What is the same on everything.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) release: Option<String>,
    pub(crate) environment: String,
    /// With keys that Sentry takes without changing them.
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) sampling: Sampling,
}

/// Our name and version, as payloads have them.
#[derive(Serialize)]
pub(crate) struct Sdk {
    name: &'static str,
    version: &'static str,
}

/// The sampling context of a trace. All values are texts. The public key is added when the envelope is made.
#[derive(Serialize)]
pub(crate) struct TraceHeader<'a> {
    trace_id: String,
    sample_rate: String,
    sampled: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<&'a str>,
    environment: &'a str,
    transaction: String,
}

impl Sdk {
    pub(crate) const OURS: Self = Self { name: SDK_NAME, version: SDK_VERSION };
}

impl Profile {
    pub(crate) fn new(
        release: Option<String>,
        environment: &str,
        settings: &TelemetrySettings,
        traces: Option<Sampler>,
    ) -> Self {
        let tags = settings.tags.without("sentry", |key| is_reserved(&tag_key(key)));
        let tags = tags.iter().map(|(key, value)| (tag_key(key), tag_value(value))).collect();
        Self { release, environment: environment.to_owned(), tags, sampling: Sampling::new(settings, traces) }
    }

    /// `sampled`: whether the spans of the trace are sent, too.
    pub(crate) fn trace_header(&self, head: &SpanHead, sampled: bool) -> TraceHeader<'_> {
        TraceHeader {
            trace_id: head.trace_id.to_string(),
            sample_rate: self.sampling.rate().to_string(),
            sampled: if sampled { "true" } else { "false" },
            release: self.release.as_deref(),
            environment: &self.environment,
            transaction: span_name(head.root()),
        }
    }
}

/// The tags of each event that are ours.
const OURS: [&str; 3] = ["run_id", "agent", "tool"];

/// The tags that Sentry removes without a word, or takes for something else.
const TAKEN_AWAY: [&str; 6] = ["release", "dist", "user", "filename", "function", "environment"];

/// The names of attributes that mean something to Sentry: it would add up a text under that of a number.
fn is_reserved(key: &str) -> bool {
    ["gen_ai.", "sentry.", "error.", "charm."].iter().any(|prefix| key.starts_with(prefix))
        || OURS.contains(&key)
        || TAKEN_AWAY.contains(&key)
}

/// Letters, digits, `_`, `.`, `:` and `-`; anything else becomes `-`, as Sentry does with a space.
fn tag_key(key: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    key.chars().take(MAX_TAG_CHARS).map(|c| if allowed(c) { c } else { '-' }).collect()
}

/// A tag with a line break would be thrown away, and blanks at its ends are.
pub(crate) fn tag_value(value: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let value: String = value.chars().take(MAX_TAG_CHARS).map(plain).collect();
    value.trim().to_owned()
}
