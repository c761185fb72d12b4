//! One HTTP call and its answer.
//!
//! Rule: an error status is an answer, not a failure; only a call that got none is one.

use std::io::Read;
use std::time::Duration;

use ureq::http::{HeaderMap, Method, Request, StatusCode};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, SendBody};

use crate::error::RegistryError;

/// A registry's address and the means to reach it.
#[derive(Debug)]
pub(super) struct Http {
    agent: Agent,
    registry: String,
    origin: String,
}

/// What to send. The body is bytes: a blob is sent by [`Http::send_reader`].
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// A path, or the whole address that the registry gave.
    pub(super) location: &'a str,
    headers: Vec<(&'static str, String)>,
    body: &'a [u8],
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, location: &'a str) -> Self {
        Self { method, location, headers: Vec::new(), body: &[] }
    }

    pub(super) fn get(location: &'a str) -> Self {
        Self::new(Method::GET, location)
    }

    pub(super) fn put(location: &'a str) -> Self {
        Self::new(Method::PUT, location)
    }

    pub(super) fn accept(mut self, types: &str) -> Self {
        self.headers.push(("accept", types.to_owned()));
        self
    }

    pub(super) fn content(mut self, media_type: &str, body: &'a [u8]) -> Self {
        self.headers.push(("content-type", media_type.to_owned()));
        self.body = body;
        self
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    body: Body,
    registry: String,
}

impl Http {
    pub(super) fn new(registry: &str, origin: &str) -> Result<Self, RegistryError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_recv_response(Some(Duration::from_mins(2)))
            .user_agent(concat!("charm-telemetry-image/", env!("CARGO_PKG_VERSION")))
            .proxy(if origin.starts_with("http:") { None } else { Proxy::try_from_env() })
            .tls_config(TlsConfig::builder().root_certs(root_certificates()?).build())
            .build();
        Ok(Self { agent: config.into(), registry: registry.to_owned(), origin: origin.to_owned() })
    }

    /// Whether the registry is on this machine and spoken to without TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.origin.starts_with("http:")
    }

    pub(super) fn send(&self, call: &Call<'_>, authority: Option<&str>) -> Result<Answer, RegistryError> {
        if matches!(call.method, Method::GET | Method::HEAD | Method::DELETE) {
            return self.run(call, authority, None, SendBody::none());
        }
        let mut body = call.body;
        self.send_reader(call, authority, call.body.len() as u64, &mut body)
    }

    /// Sends a body of known length without holding it.
    pub(super) fn send_reader(
        &self,
        call: &Call<'_>,
        authority: Option<&str>,
        size: u64,
        reader: &mut dyn Read,
    ) -> Result<Answer, RegistryError> {
        self.run(call, authority, Some(size), SendBody::from_reader(reader))
    }

    fn run(
        &self,
        call: &Call<'_>,
        authority: Option<&str>,
        size: Option<u64>,
        body: SendBody<'_>,
    ) -> Result<Answer, RegistryError> {
        let mut request = Request::builder().method(call.method.clone()).uri(self.absolute(call.location));
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(authority) = authority {
            request = request.header("authorization", authority);
        }
        if let Some(size) = size {
            request = request.header("content-length", size);
        }
        let request = request.body(body).map_err(|error| self.unreachable(&error.to_string()))?;
        let answer = self.agent.run(request).map_err(|error| self.unreachable(&error.to_string()))?;
        let (parts, body) = answer.into_parts();
        Ok(Answer { status: parts.status, headers: parts.headers, body, registry: self.registry.clone() })
    }

    /// A registry may answer with a path or with a whole address.
    fn absolute(&self, location: &str) -> String {
        if location.starts_with('/') { format!("{}{location}", self.origin) } else { location.to_owned() }
    }

    fn unreachable(&self, reason: &str) -> RegistryError {
        let reason = reason.strip_prefix("io: ").unwrap_or(reason);
        let reason = reason.split(" (os error").next().unwrap_or_default().to_lowercase();
        RegistryError::Unreachable { registry: self.registry.clone(), reason }
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)?.to_str().ok().map(str::to_owned)
    }

    pub(super) fn headers(&self, name: &str) -> Vec<String> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
    }

    pub(super) fn bytes(&mut self, limit: u64) -> Result<Vec<u8>, RegistryError> {
        self.body.with_config().limit(limit).read_to_vec().map_err(|error| RegistryError::Unreachable {
            registry: self.registry.clone(),
            reason: error.to_string(),
        })
    }

    pub(super) fn into_reader(self) -> impl Read + use<> {
        self.body.into_with_config().limit(u64::MAX).reader()
    }

    /// The beginning of the body, on one line: for an error.
    pub(super) fn excerpt(&mut self) -> String {
        let mut text = Vec::new();
        let reader = self.body.with_config().limit(u64::MAX).reader();
        // What could be read is enough for a message.
        let _ = reader.take(400).read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() { "(nothing more)".to_owned() } else { text }
    }
}

/// Those that are compiled in, and those of `SSL_CERT_FILE` if it is set, for a registry with a certificate of one's own.
fn root_certificates() -> Result<RootCerts, RegistryError> {
    let Some(file) = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()) else {
        return Ok(RootCerts::WebPki);
    };
    let bad = |reason: String| {
        let file = std::path::Path::new(&file).display();
        RegistryError::Credentials(format!(
            "SSL_CERT_FILE is `{file}`: {reason}; name a PEM file or unset it"
        ))
    };
    let pem = std::fs::read(&file).map_err(|error| bad(crate::error::plain(&error)))?;
    let certificates: Vec<Certificate<'static>> = ureq::tls::parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(bad("it holds no certificate".to_owned()));
    }
    Ok(RootCerts::from(certificates))
}
