//! What Datadog's variables say together: which way spans go.
//!
//! Rule: everything that is wrong is found before anything starts, and an Agent that nobody named is never looked for.

use charm_telemetry_core::delivery::DeliveryConfig;
use charm_telemetry_core::{EnvironmentReader, Secret, VariableDescriptor};

use crate::DatadogExporter;
use crate::limits::MAX_AGE;

const INTAKE_PATH: &str = "/api/intake/llm-obs/v1/trace/spans";
const AGENT_PATH: &str = "/evp_proxy/v2/api/v2/llmobs";
const AGENT_PORT: u16 = 8126;

/// Sites that have no such intake: <https://docs.datadoghq.com/llm_observability/instrumentation/api/>.
const WITHOUT_INTAKE: &str = "ddog-gov.com";

static API_KEY: VariableDescriptor = VariableDescriptor {
    names: &["DD_API_KEY", "DATADOG_API_KEY"],
    doc: "the API key, or `DD_TRACE_AGENT_URL` to send through an Agent",
    default: None,
    required: true,
    secret: true,
};

/// The way, and how the delivery goes about it.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) route: Route,
    pub(crate) delivery: DeliveryConfig,
}

/// Where spans go.
#[derive(Clone)]
pub(crate) enum Route {
    /// To Datadog.
    Public { url: String, key: Secret },
    /// To an Agent, which sends them on.
    Agent { url: String },
}

/// How a span is written: the two are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// As the documentation of the public intake has it.
    Public,
    /// As Datadog's libraries send it.
    Agent,
}

impl Route {
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Public { url, .. } | Self::Agent { url } => url,
        }
    }

    pub(crate) fn format(&self) -> Format {
        match self {
            Self::Public { .. } => Format::Public,
            Self::Agent { .. } => Format::Agent,
        }
    }
}

impl Settings {
    /// `None` after problems were recorded.
    pub(crate) fn read(exporter: &DatadogExporter, reader: &mut EnvironmentReader<'_>) -> Option<Self> {
        let route = if exporter.goes_through_agent() {
            exporter.agent(reader).map(|origin| Route::Agent { url: origin + AGENT_PATH })
        } else {
            let (origin, key) = (exporter.intake(reader), exporter.key(reader));
            origin.zip(key).map(|(origin, key)| Route::Public { url: origin + INTAKE_PATH, key })
        };
        let delivery = delivery(reader);
        Some(Self { route: route?, delivery: delivery? })
    }
}

impl DatadogExporter {
    fn goes_through_agent(&self) -> bool {
        let named = self.agent_url.is_some() || self.agent_host.is_some();
        self.agentless.map_or(named, |agentless| !agentless)
    }

    fn agent(&self, reader: &mut EnvironmentReader<'_>) -> Option<String> {
        if let Some(instead) = &self.override_origin {
            return origin("DD_LLMOBS_OVERRIDE_ORIGIN", instead, reader);
        }
        if let Some(url) = &self.agent_url {
            return origin("DD_TRACE_AGENT_URL", url, reader);
        }
        let host = self.agent_host.as_deref().unwrap_or("localhost");
        let host = if host.contains(':') && !host.starts_with('[') { &format!("[{host}]") } else { host };
        let url = format!("http://{host}:{}", self.agent_port.unwrap_or(AGENT_PORT));
        origin("DD_AGENT_HOST", &url, reader)
    }

    fn intake(&self, reader: &mut EnvironmentReader<'_>) -> Option<String> {
        if let Some(instead) = &self.override_origin {
            return origin("DD_LLMOBS_OVERRIDE_ORIGIN", instead, reader);
        }
        match check_site(&self.site) {
            Ok(site) => Some(format!("https://api.{site}")),
            Err(why) => {
                reader.problem("DD_SITE", format!("`DD_SITE` is `{}`: {why}", self.site));
                None
            }
        }
    }

    fn key(&self, reader: &mut EnvironmentReader<'_>) -> Option<Secret> {
        let Some(key) = &self.api_key else {
            return reader.required(&API_KEY, |_| Err(String::new()));
        };
        if !is_key(key.expose().trim()) {
            let message = "`DD_API_KEY` is not an API key (it is a secret, so it is not shown)";
            reader.problem("DD_API_KEY", message);
            return None;
        }
        Some(Secret::new(key.expose().trim()))
    }
}

/// What can stand in a header, and is not what programs write where they have no key.
fn is_key(text: &str) -> bool {
    !["undefined", "null", "None"].contains(&text) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A bare site, as in `datadoghq.eu`.
fn check_site(site: &str) -> Result<String, String> {
    let site = site.trim().to_ascii_lowercase();
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !site.contains('.') || !site.split('.').all(label) {
        return Err(
            "it must be the bare name of a site, for example `datadoghq.eu`, without `https://`".to_owned()
        );
    }
    if let Some(bare) = ["app.", "api."].iter().find_map(|prefix| site.strip_prefix(prefix)) {
        return Err(format!("it must be the bare name of the site: `{bare}`"));
    }
    if site == WITHOUT_INTAKE || site.ends_with(&format!(".{WITHOUT_INTAKE}")) {
        return Err("Datadog offers no intake for spans of agents there; send through an Agent with `DD_TRACE_AGENT_URL`".to_owned());
    }
    Ok(site)
}

fn origin(variable: &'static str, url: &str, reader: &mut EnvironmentReader<'_>) -> Option<String> {
    let checked = check_origin(url);
    if let Err(why) = &checked {
        // What stands before an `@` may be a password.
        let shown = if url.contains('@') { String::new() } else { format!(" is `{url}`") };
        reader.problem(variable, format!("`{variable}`{shown}: {why}"));
    }
    checked.ok()
}

/// `http://host:port`, without what could follow it.
fn check_origin(url: &str) -> Result<String, String> {
    let url = url.trim().trim_end_matches('/');
    if url.starts_with("unix:") {
        let way_out = "let the Agent listen on a port and name it, or set `DD_LLMOBS_AGENTLESS_ENABLED=true`";
        return Err(format!("sockets of the file system are not supported; {way_out}"));
    }
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or_default();
    let sound = !host.is_empty()
        && !host.starts_with(':')
        && host.bytes().all(|b| b.is_ascii_graphic() && !b"@?#\\<>\"".contains(&b));
    if sound {
        Ok(url.to_owned())
    } else {
        Err("it must be an address like `http://localhost:8126`".to_owned())
    }
}

fn delivery(reader: &mut EnvironmentReader<'_>) -> Option<DeliveryConfig> {
    match DeliveryConfig::from_environment(reader.environment()) {
        Ok(mut config) => {
            config.spool.max_age = config.spool.max_age.min(MAX_AGE);
            Some(config)
        }
        Err(problems) => {
            for problem in problems {
                reader.problem(problem.variable, problem.message);
            }
            None
        }
    }
}
