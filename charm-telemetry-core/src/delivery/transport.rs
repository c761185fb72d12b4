//! The way over the network.
//!
//! Rule: a call ends by its deadline with at most 64 KiB in memory, whatever the receiver does, and its errors name
//! no URL and no header.

use std::env;
use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect::{Attempt, Policy};
use rustls::{AlertDescription, ClientConfig};

use super::names::Names;
use super::request::{HeaderText, Method, Request};
use super::response::{MAX_RESPONSE_BYTES, Response};
use super::tls::{self, TlsError};

/// Sends one request. A trait so that tests can do without a network.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Sends, and reads the answer.
    fn send(&self, request: WireRequest, timeout: Duration) -> Answer<'_>;
}

/// The future of an answer.
pub(crate) type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 'a>>;

/// A request with the body as it goes over the wire.
#[derive(Debug)]
pub(crate) struct WireRequest {
    pub(crate) request: Request,
    pub(crate) body: Vec<u8>,
}

/// Why there was no answer. Every kind is worth another try.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("no connection: {0}")]
    Connect(String),
    #[error(
        "the certificate is not valid: {0}; if it is signed by your own authority, name its file in `{1}`"
    )]
    Certificate(String, &'static str),
    #[error("the receiver wants a certificate of the client, or refuses the one it was given: {0}")]
    ClientCertificate(String),
    #[error("no answer within {0:.0?}")]
    Timeout(Duration),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the request is not valid: {0}")]
    Invalid(String),
}

/// An HTTP client. Clones share its connections.
#[derive(Clone)]
pub(crate) struct HttpTransport {
    client: reqwest::Client,
    /// The variable that names the authorities.
    authority: &'static str,
}

impl HttpTransport {
    /// The client of all who need no other, made at the first call.
    pub(crate) fn shared() -> Result<Self, TlsError> {
        static SHARED: OnceLock<HttpTransport> = OnceLock::new();
        if let Some(transport) = SHARED.get() {
            return Ok(transport.clone());
        }
        let transport = Self::with(tls::config(tls::trusted()?, None)?, tls::CERT_FILE)?;
        Ok(SHARED.get_or_init(|| transport).clone())
    }

    /// A client of its own, with the proxies of the process's environment.
    pub(crate) fn with(tls: ClientConfig, authority: &'static str) -> Result<Self, TlsError> {
        Self::with_names(tls, authority, Names::default())
    }

    pub(super) fn with_names(
        tls: ClientConfig,
        authority: &'static str,
        names: Names,
    ) -> Result<Self, TlsError> {
        let builder = reqwest::Client::builder();
        let builder = if all_hosts_are_exempt() { builder.no_proxy() } else { builder };
        let client = builder
            .use_preconfigured_tls(tls)
            .user_agent(concat!("charm-telemetry/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(names)
            .redirect(Policy::custom(stay_on_host))
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .build()
            .map_err(|error| TlsError::Client(chain(&error)))?;
        Ok(Self { client, authority })
    }
}

/// `NO_PROXY=*`: the client's own reading of it knows names alone, and not addresses.
fn all_hosts_are_exempt() -> bool {
    let variable = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| env::var(name).ok());
    variable.is_some_and(|hosts| hosts.split(',').any(|host| host.trim() == "*"))
}

impl Transport for HttpTransport {
    fn send(&self, request: WireRequest, timeout: Duration) -> Answer<'_> {
        Box::pin(async move {
            let call = self.call(request);
            tokio::time::timeout(timeout, call).await.unwrap_or(Err(TransportError::Timeout(timeout)))
        })
    }
}

impl HttpTransport {
    async fn call(&self, wire: WireRequest) -> Result<Response, TransportError> {
        let method = match wire.request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
        };
        let mut builder = self.client.request(method, &wire.request.url);
        for (name, value) in &wire.request.headers {
            builder = builder.header(header_name(name)?, header_value(name, value)?);
        }
        let has_body = wire.request.method != Method::Get;
        let builder = if has_body { builder.body(wire.body) } else { builder };
        let response = builder.send().await.map_err(|error| self.explain(&error))?;
        self.read(response).await
    }

    /// Reads an answer up to the cap; the rest is never asked for.
    async fn read(&self, mut answer: reqwest::Response) -> Result<Response, TransportError> {
        let mut response = Response::new(answer.status().as_u16());
        for (name, value) in answer.headers() {
            response = response.with_header(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
        }
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => {
                    let room = MAX_RESPONSE_BYTES - response.body.len();
                    response.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    response.truncated = chunk.len() > room;
                }
                Ok(None) => return Ok(response),
                Err(error) => return Err(self.explain(&error)),
            }
            if response.truncated {
                return Ok(response);
            }
        }
    }

    fn explain(&self, error: &reqwest::Error) -> TransportError {
        let text = chain(error);
        match rustls_error(error) {
            _ if error.is_builder() => TransportError::Invalid(text),
            Some(rustls::Error::InvalidCertificate(_)) => TransportError::Certificate(text, self.authority),
            Some(rustls::Error::AlertReceived(alert)) if is_about_our_certificate(*alert) => {
                TransportError::ClientCertificate(text)
            }
            _ if error.is_connect() => TransportError::Connect(text),
            _ => TransportError::Broken(text),
        }
    }
}

/// A redirect within the host is followed, three times at most; credentials never go to another host or to plain text.
/// Only those that keep method and body: after the others there would be a `GET` of nothing, and its 200 would count.
fn stay_on_host(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    const MOST: usize = 3;
    let keeps_body = matches!(attempt.status().as_u16(), 307 | 308);
    let same = attempt.previous().last().is_some_and(|from| {
        let to = attempt.url();
        from.scheme() == to.scheme()
            && from.host_str() == to.host_str()
            && from.port_or_known_default() == to.port_or_known_default()
    });
    if keeps_body && same && attempt.previous().len() <= MOST { attempt.follow() } else { attempt.stop() }
}

fn header_name(name: &str) -> Result<HeaderName, TransportError> {
    name.parse().map_err(|_| TransportError::Invalid(format!("`{name}` is not the name of a header")))
}

fn header_value(name: &str, text: &HeaderText) -> Result<HeaderValue, TransportError> {
    let invalid = |_| {
        TransportError::Invalid(format!(
            "the value of the header `{name}` has characters that may not be sent"
        ))
    };
    match text {
        HeaderText::Plain(text) => HeaderValue::from_str(text).map_err(invalid),
        HeaderText::Secret(secret) => {
            let mut value = HeaderValue::from_str(secret.expose()).map_err(invalid)?;
            value.set_sensitive(true);
            Ok(value)
        }
    }
}

/// What a receiver says of the certificate that it was given or missed. `DecryptError`: its signature is wrong, as when an
/// authority was made anew under its old name.
fn is_about_our_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
    )
}

/// What TLS itself has against it.
fn rustls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = source {
        if let Some(error) = innermost(error).downcast_ref() {
            return Some(error);
        }
        source = error.source();
    }
    None
}

/// What an I/O error was made of, however often it was wrapped: such an error is no source of the one around it.
fn innermost<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        error = inner;
    }
    error
}

/// The causes of an error, without its own text: that names the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut source: Option<&dyn Error> = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        source = error.source();
    }
    if parts.is_empty() { "it could not be sent".to_owned() } else { parts.join(": ") }
}
