//! Where the requests go.
//!
//! Rule: the specification's: the variable of one signal is used as it is, the general one gets the signal's path.

use std::str::FromStr;

/// An address of the variables `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_EXPORTER_OTLP_<SIGNAL>_ENDPOINT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `http://host:4318`
    origin: String,
    /// From the `/` on; may be empty.
    path: String,
    /// With its `?`; may be empty.
    query: String,
}

/// Why an address is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndpointError {
    #[error("it must begin with `http://` or `https://`, as in `http://localhost:4318`")]
    Scheme,
    #[error("it has no host; write it as in `http://localhost:4318`")]
    Host,
    #[error("it has a user or a password; put credentials into `OTEL_EXPORTER_OTLP_HEADERS`")]
    Credentials,
    #[error("it has a space or a control character; write them percent-encoded")]
    Space,
}

impl Endpoint {
    /// Of the receiver on this machine.
    pub(crate) fn local() -> Self {
        Self { origin: "http://localhost:4318".to_owned(), path: String::new(), query: String::new() }
    }

    /// The address for one signal only: as it is.
    pub(crate) fn as_it_is(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        format!("{}{path}{}", self.origin, self.query)
    }

    /// The address for a signal below the general one: with `v1/traces` or `v1/metrics` added to its path.
    pub(crate) fn for_signal(&self, path: &str) -> String {
        format!("{}{}/{path}{}", self.origin, self.path.trim_end_matches('/'), self.query)
    }
}

/// What of an address may be shown and kept on disk: no query, which may hold a key.
pub(crate) fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(EndpointError::Space);
        }
        let (scheme, rest) = text.split_once("://").ok_or(EndpointError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return Err(EndpointError::Scheme);
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(EndpointError::Credentials);
        }
        if authority.is_empty() || authority.starts_with(':') {
            return Err(EndpointError::Host);
        }
        let origin = format!("{scheme}://{authority}");
        Ok(Self { origin, path: path.to_owned(), query: query.to_owned() })
    }
}
