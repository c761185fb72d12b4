//! The one request that this exporter makes.
//!
//! Rule: no error shows the token or the query of the address, where some receivers put a key.

use std::time::Duration;

use charm_telemetry_core::{HookError, Secret};
use reqwest::blocking::ClientBuilder;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;

/// Makes the connection with the first request and keeps it: an exporter that is never used costs none.
#[derive(Debug, Default)]
pub(crate) struct Client(Option<reqwest::blocking::Client>);

impl Client {
    /// Posts a body as JSON.
    pub(crate) fn post(
        &mut self,
        url: &Url,
        token: &Secret,
        timeout: Duration,
        body: &impl Serialize,
    ) -> Result<(), HookError> {
        let request = self.connected()?.post(url.clone()).bearer_auth(token.expose());
        let response = request.timeout(timeout).json(body).send().map_err(reqwest::Error::without_url)?;
        check(response.status())
    }

    fn connected(&mut self) -> Result<&reqwest::blocking::Client, HookError> {
        match &mut self.0 {
            Some(client) => Ok(client),
            none => Ok(none.insert(connect()?)),
        }
    }
}

/// Whether a token can be sent as it is. Line breaks and other control characters cannot.
pub(crate) fn is_header_value(token: &str) -> bool {
    HeaderValue::from_str(token).is_ok()
}

/// A receiver that has moved must be configured anew: after a redirect the request might no longer be a `POST`.
fn connect() -> Result<reqwest::blocking::Client, HookError> {
    let builder = ClientBuilder::new().tls_backend_preconfigured(tls()?).redirect(Policy::none());
    Ok(builder.user_agent(concat!("charm-telemetry-webhook/", env!("CARGO_PKG_VERSION"))).build()?)
}

/// TLS without a system library and without the system's certificates, so that it works in an empty image.
fn tls() -> Result<ClientConfig, HookError> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = rustls::crypto::ring::default_provider();
    let builder =
        ClientConfig::builder_with_provider(provider.into()).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn check(status: StatusCode) -> Result<(), HookError> {
    let way_out = match status {
        status if status.is_success() => return Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "check `WEBHOOK_TOKEN`",
        status if status.is_redirection() || status == StatusCode::NOT_FOUND => "check `WEBHOOK_URL`",
        _ => "see the receiver's log",
    };
    Err(format!("the web hook answered {}; {way_out}", status.as_u16()).into())
}
