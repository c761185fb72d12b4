//! Whose spans these are: the application, the service, the environment, the version, and the operator's tags.
//!
//! Rule: they say that they come from here, and never that they come from one of Datadog's own libraries.

use charm_telemetry_core::trace::{FinishedSpan, TelemetrySettings};

use crate::DatadogExporter;
use crate::failure::Failure;
use crate::limits::MAX_ML_APP_CHARS;
use crate::settings::Format;

/// The name of an application that nobody has named.
const NAMELESS: &str = "charm-agent";

/// The tags that a span has of its own.
const OF_A_SPAN: [&str; 3] = ["error", "error_type", "session_id"];

/// What is the same on every span.
pub(crate) struct Labels {
    /// The format of the place where they go.
    pub(crate) format: Format,
    /// The name of the application.
    pub(crate) ml_app: String,
    tags: Vec<String>,
}

impl Labels {
    /// Of what the variables say, of Datadog's and of those for all exporters.
    pub(crate) fn new(exporter: &DatadogExporter, common: &TelemetrySettings, format: Format) -> Self {
        let agent = common.agent_name.as_deref();
        let named = [exporter.ml_app.as_deref(), exporter.service.as_deref(), agent];
        let ml_app = named.into_iter().flatten().find_map(application).unwrap_or_else(|| NAMELESS.to_owned());
        let version = exporter.version.as_deref().or(common.agent_version.as_deref());
        let mut tags = vec![
            format!("ml_app:{ml_app}"),
            format!("service:{}", exporter.service.as_deref().unwrap_or(&ml_app)),
            "source:charm-telemetry".to_owned(),
            concat!("charm_telemetry.version:", env!("CARGO_PKG_VERSION")).to_owned(),
        ];
        tags.extend(exporter.env.as_ref().map(|env| format!("env:{env}")));
        tags.extend(version.map(|version| format!("version:{version}")));
        let is_reserved = |key: &str| {
            OF_A_SPAN.contains(&key)
                || tags.iter().any(|tag| tag.split_once(':').is_some_and(|(own, _)| own == key))
        };
        let others = common.tags.without("datadog", is_reserved);
        tags.extend(others.iter().map(|(key, value)| format!("{key}:{value}")));
        Self { format, ml_app, tags }
    }

    /// The tags of one span.
    pub(crate) fn tags(&self, span: &FinishedSpan, failure: Option<&Failure>) -> Vec<String> {
        let mut tags = self.tags.clone();
        tags.push(format!("error:{}", u8::from(failure.is_some())));
        let error_type = failure.and_then(|failure| failure.error_type.as_ref());
        tags.extend(error_type.map(|error_type| format!("error_type:{error_type}")));
        tags.extend(span.conversation.as_ref().map(|conversation| format!("session_id:{conversation}")));
        tags
    }
}

/// The name as Datadog takes it: lower case, letters, digits and `_-:./`, no two `_` together and none at the end.
/// `None` if nothing is left.
fn application(name: &str) -> Option<String> {
    let mut taken = String::new();
    for c in name.trim().chars().flat_map(char::to_lowercase) {
        let c = if c.is_alphanumeric() || "-:./".contains(c) { c } else { '_' };
        if c != '_' || !taken.ends_with('_') {
            taken.push(c);
        }
    }
    let taken: String = taken.chars().take(MAX_ML_APP_CHARS).collect();
    let taken = taken.trim_matches('_');
    (!taken.is_empty()).then(|| taken.to_owned())
}
