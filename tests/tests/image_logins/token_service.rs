//! A service on loopback that gives out tokens for a registry, as Docker's specification has it.
//!
//! Rule: the registry checks the signature; the service notes who asked and for what.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use charm_telemetry_core::testing::{Answer, ReceiverDouble, RecordedRequest};
use charm_telemetry_tests::image::{PASSWORD, USER};
use serde_json::{Value, json};

/// What `docker login` leaves for some registries instead of a password.
pub(crate) const IDENTITY_TOKEN: &str = "aufweis 4711&x=1";

const SERVICE: &str = "registry.test";

/// The service; it ends when it is dropped.
pub(crate) struct TokenService {
    receiver: ReceiverDouble,
    folder: tempfile::TempDir,
}

impl TokenService {
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// One that gives no token for two repositories, and says so with this status.
    pub(crate) fn start_without_mounts(status: u16) -> Self {
        Self::start_with(Some(status))
    }

    fn start_with(refusal_of_two: Option<u16>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = make_certificate(folder.path(), "/CN=tokens", &[]);
        let certificate = certificate_der(folder.path());
        let receiver = ReceiverDouble::start();
        receiver.answer_with(move |request| match refusal_of_two {
            Some(status) if request.path.matches("scope=").count() == 2 => Answer::new(status).body("{}"),
            _ => answer(request, &key, &certificate),
        });
        Self { receiver, folder }
    }

    /// The `auth` of a registry that believes it.
    pub(crate) fn auth(&self) -> String {
        let bundle = self.folder.path().join("certificate.pem");
        let realm = self.receiver.url("/token");
        format!(
            "token: {{realm: \"{realm}\", service: {SERVICE}, issuer: test, rootcertbundle: {}}}",
            bundle.display()
        )
    }

    /// What was asked of it: the line and the body of each request, with the scopes as they are meant.
    pub(crate) fn asked(&self) -> Vec<String> {
        let requests = self.receiver.take_requests();
        let line = |request: &RecordedRequest| {
            let body = String::from_utf8_lossy(&request.body);
            format!("{} {} {}", request.method, unescaped(&request.path), unescaped(&body))
        };
        requests.iter().map(line).collect()
    }
}

fn answer(request: &RecordedRequest, key: &Path, certificate: &str) -> Answer {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    let parameters = pairs(if request.method == "POST" { &body } else { query });
    let value = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let may_push = match (request.method.as_str(), request.header("authorization")) {
        ("POST", None) if value("refresh_token") == Some(IDENTITY_TOKEN) => true,
        ("GET", Some(found)) if found == basic => true,
        // A stranger may pull what is public.
        ("GET", None) => false,
        _ => return Answer::new(401).body("{}"),
    };
    assert_eq!(value("service"), Some(SERVICE));
    let scopes = parameters.iter().filter(|(key, _)| key == "scope").flat_map(|(_, scope)| scope.split(' '));
    let access: Vec<_> = scopes.filter_map(|scope| granted(scope, may_push)).collect();
    let name = if request.method == "POST" { "access_token" } else { "token" };
    Answer::new(200).body(json!({ name: token(&access, key, certificate) }).to_string())
}

fn granted(scope: &str, may_push: bool) -> Option<Value> {
    let [kind, name, actions] = scope.split(':').collect::<Vec<_>>().try_into().ok()?;
    let actions: Vec<_> = if may_push {
        actions.split(',').collect()
    } else if name.starts_with("public/") {
        vec!["pull"]
    } else {
        return None;
    };
    Some(json!({ "type": kind, "name": name, "actions": actions }))
}

/// A JSON web token with the certificate that its signature is checked with.
fn token(access: &[Value], key: &Path, certificate: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [certificate] });
    let claims = json!({
        "iss": "test", "sub": USER, "aud": SERVICE, "jti": now.to_string(),
        "iat": now - 60, "nbf": now - 60, "exp": now + 600, "access": access,
    });
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed =
        format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    format!("{signed}.{}", encode(&sign(signed.as_bytes(), key)))
}

fn sign(bytes: &[u8], key: &Path) -> Vec<u8> {
    use std::io::Write as _;
    let mut child = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap().stdout
}

/// `key.pem` and `certificate.pem` in a folder, signed by itself; answers with the key.
pub(crate) fn make_certificate(folder: &Path, subject: &str, more: &[&str]) -> PathBuf {
    let key = folder.join("key.pem");
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject]);
    command.arg("-keyout").arg(&key).arg("-out").arg(folder.join("certificate.pem")).args(more);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    key
}

/// What is between the lines of a PEM file.
fn certificate_der(folder: &Path) -> String {
    let pem = std::fs::read_to_string(folder.join("certificate.pem")).unwrap();
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (unescaped(name), unescaped(value))).collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().unwrap(), rest.next().unwrap()];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
    }
    String::from_utf8(bytes).unwrap()
}
