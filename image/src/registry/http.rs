//! One HTTP call and its answer.
//!
//! Rule: an error status is an answer, not a failure; only a call that got none is one. What authorises us goes to the one
//! host it is for, also if that host sends us elsewhere.

use std::cell::{Cell, RefCell};
use std::io::Read;
use std::time::Duration;

use ureq::http::{HeaderMap, Method, Request, StatusCode};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, SendBody};

use super::location::{is_encrypted_or_here, is_over_tls, origin_of, resolve};
use crate::error::RegistryError;

/// A registry's address and the means to reach it.
#[derive(Debug)]
pub(super) struct Http {
    agent: Agent,
    registry: String,
    origin: RefCell<String>,
    /// Whether the registry was heard, and so its scheme is known. Of another machine it always is: TLS.
    settled: Cell<bool>,
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

    fn has_body(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD | Method::DELETE)
    }
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    body: Body,
    registry: String,
    /// Where it came from.
    pub(super) origin: String,
    /// Whether it came from where the call went, and not from somewhere that it was sent on to.
    pub(super) is_own: bool,
}

/// A body that a server reads to its end even if it refuses the call.
const MAX_UNASKED_BYTES: u64 = 64 * 1024;

/// How long nothing may come or go.
const PATIENCE: Duration = Duration::from_mins(2);

/// As many as browsers follow.
const MAX_REDIRECTS: usize = 20;

impl Http {
    pub(super) fn new(registry: &str, origin: &str) -> Result<Self, RegistryError> {
        Self::with_patience(registry, origin, PATIENCE)
    }

    fn with_patience(registry: &str, origin: &str, patience: Duration) -> Result<Self, RegistryError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Followed here, because of what may not go along.
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_recv_response(Some(patience))
            // Of a body no total: it may be large and the network slow.
            .timeout_per_read(Some(patience))
            .timeout_per_write(Some(patience))
            .user_agent(concat!("charm-telemetry-image/", env!("CARGO_PKG_VERSION")))
            .proxy(if origin.starts_with("http:") { None } else { Proxy::try_from_env() })
            .tls_config(TlsConfig::builder().root_certs(root_certificates()?).build())
            .build();
        Ok(Self {
            agent: config.into(),
            registry: registry.to_owned(),
            settled: Cell::new(origin.starts_with("https:")),
            origin: RefCell::new(origin.to_owned()),
        })
    }

    /// Sends a call to the registry.
    pub(super) fn send(&self, call: &Call<'_>, authority: Option<&str>) -> Result<Answer, RegistryError> {
        if call.has_body() {
            let mut body = call.body;
            return self.send_reader(call, authority, call.body.len() as u64, &mut body);
        }
        let answer = self.follow(call, authority, &self.home());
        if self.settled.get() {
            return answer;
        }
        self.settled.set(true);
        // Servers of TLS answer plain HTTP with this status, or not at all.
        let may_want_tls = answer.as_ref().map_or(true, |answer| answer.status == StatusCode::BAD_REQUEST);
        if may_want_tls { self.over_tls(call, authority).unwrap_or(answer) } else { answer }
    }

    /// The same once more over TLS; `None` if the registry does not speak it.
    fn over_tls(&self, call: &Call<'_>, authority: Option<&str>) -> Option<Result<Answer, RegistryError>> {
        let plain = self.origin();
        self.origin.replace(plain.replacen("http:", "https:", 1));
        let answer = self.follow(call, authority, &self.home());
        if matches!(answer, Ok(_) | Err(RegistryError::Untrusted { .. })) {
            return Some(answer);
        }
        self.origin.replace(plain);
        None
    }

    /// Sends a call to a service that the registry names, which is the one that may see `authority`.
    pub(super) fn send_to_service(
        &self,
        call: &Call<'_>,
        authority: Option<&str>,
    ) -> Result<Answer, RegistryError> {
        if call.has_body() {
            let (mut body, size) = (call.body, Some(call.body.len() as u64));
            return self.run(call, call.location, authority, size, SendBody::from_reader(&mut body));
        }
        self.follow(call, authority, &origin_of(call.location))
    }

    /// Sends a body of known length without holding it.
    pub(super) fn send_reader(
        &self,
        call: &Call<'_>,
        authority: Option<&str>,
        size: u64,
        reader: &mut dyn Read,
    ) -> Result<Answer, RegistryError> {
        let at = self.absolute(call.location);
        let is_own = origin_of(&at) == self.home();
        let authority = authority.filter(|_| is_own);
        let answer = self.run(call, &at, authority, Some(size), SendBody::from_reader(reader))?;
        Ok(Answer { is_own, ..answer })
    }

    /// Goes where it is sent on to, as registries keep their blobs elsewhere. `home` alone sees `authority`; if it sends
    /// us to itself over TLS, it is spoken to like that from then on.
    fn follow(&self, call: &Call<'_>, authority: Option<&str>, home: &str) -> Result<Answer, RegistryError> {
        let mut home = home.to_owned();
        let mut at = self.absolute(call.location);
        for _ in 0..MAX_REDIRECTS {
            let is_own = origin_of(&at) == home;
            let answer = self.run(call, &at, authority.filter(|_| is_own), None, SendBody::none())?;
            let Some(next) = answer.header("location").filter(|_| answer.status.is_redirection()) else {
                return Ok(Answer { is_own, ..answer });
            };
            at = resolve(&at, &next);
            if is_own && is_over_tls(&home, &origin_of(&at)) {
                home = self.encrypt(&home);
            }
        }
        let name = &self.registry;
        Err(RegistryError::Malformed(format!("the registry `{name}` sends us in circles; ask who runs it")))
    }

    fn run(
        &self,
        call: &Call<'_>,
        at: &str,
        authority: Option<&str>,
        size: Option<u64>,
        body: SendBody<'_>,
    ) -> Result<Answer, RegistryError> {
        if !is_encrypted_or_here(at) {
            return Err(RegistryError::Malformed(format!(
                "the registry `{}` sends us to `{}`, where nothing would be encrypted; ask who runs it",
                self.registry,
                origin_of(at)
            )));
        }
        let mut request = Request::builder().method(call.method.clone()).uri(at);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(authority) = authority {
            request = request.header("authorization", authority);
        }
        if let Some(size) = size {
            request = request.header("content-length", size);
        }
        if size > Some(MAX_UNASKED_BYTES) {
            // Who refuses it says so before it is sent; what closes the connection meanwhile could not be heard.
            request = request.header("expect", "100-continue");
        }
        let request = request.body(body).map_err(|error| self.unreachable(&error.to_string()))?;
        let answer = self.agent.run(request).map_err(|error| self.unreachable(&error.to_string()))?;
        let (parts, body) = answer.into_parts();
        let (status, headers, registry) = (parts.status, parts.headers, self.registry.clone());
        Ok(Answer { status, headers, body, registry, origin: origin_of(at), is_own: true })
    }

    /// The same place over TLS; if it is the registry, its address from now on.
    fn encrypt(&self, home: &str) -> String {
        if self.home() == home {
            let encrypted = self.origin().replacen("http:", "https:", 1);
            self.origin.replace(encrypted);
        }
        home.replacen("http:", "https:", 1)
    }

    fn origin(&self) -> String {
        self.origin.borrow().clone()
    }

    /// The origin as it is compared: without the port that goes without saying, in small letters.
    fn home(&self) -> String {
        origin_of(&self.origin())
    }

    /// A registry may answer with a path or with a whole address.
    fn absolute(&self, location: &str) -> String {
        resolve(&self.origin(), location)
    }

    fn unreachable(&self, reason: &str) -> RegistryError {
        let registry = self.registry.clone();
        let reason = reason.strip_prefix("io: ").unwrap_or(reason);
        if let Some((_, why)) = reason.split_once("invalid peer certificate: ") {
            return RegistryError::Untrusted { registry, reason: why.to_owned() };
        }
        let reason = reason.split(" (os error").next().unwrap_or_default().to_lowercase();
        RegistryError::Unreachable { registry, reason }
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_body_that_does_not_go_on_is_not_waited_for_without_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").unwrap();
            stream
        });
        let http = Http::with_patience("test", &origin, Duration::from_millis(300)).unwrap();
        let mut answer = http.send(&Call::get("/v2/"), None).unwrap();
        let open = server.join().unwrap();
        let said = answer.bytes(100).unwrap_err().to_string();
        assert!(said.starts_with("cannot reach the registry `test`: ") && said.contains("timeout"), "{said}");
        drop(open);
    }

    #[test]
    fn a_port_that_goes_without_saying_and_capitals_are_the_same_registry() {
        let http = Http::new("Localhost:80", "http://Localhost:80").unwrap();
        assert_eq!(http.home(), origin_of(&http.absolute("/v2/")));
    }
}
