//! A registry whose tokens run out while a blob is sent.
//!
//! Rule: like registries for large blobs, it refuses by the head of a call alone, reads nothing more, and hangs up.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use charm_telemetry_image::Digest;
use charm_telemetry_tests::image::{Said, image};

/// When a token is good for something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tokens {
    /// Until an upload is opened, or the last blob has come.
    RunOut,
    /// Never for sending.
    OnlyRead,
}

struct ExpiringRegistry {
    address: SocketAddr,
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

struct Desk {
    tokens: Tokens,
    given: Mutex<Given>,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Given {
    count: usize,
    good: Option<String>,
    blobs: usize,
    /// Method, kind and status of every call.
    log: Vec<String>,
}

/// Layers of an image on nothing, and the configuration.
const BLOBS: usize = 3;

impl ExpiringRegistry {
    fn start(tokens: Tokens) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Arc::new(Desk { tokens, given: Mutex::default(), stopped: AtomicBool::new(false) });
        let serving = Arc::clone(&desk);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A client that goes away is its own affair.
                let _ = serving.answer(&stream, address);
            }
        });
        Self { address, desk, thread: Some(thread) }
    }

    fn push(&self) -> Said {
        let tag = format!("{}/team/runner:1", self.address);
        image(["--tag", &tag, "--push", "--json"], &[])
    }

    fn calls(&self, what: &str) -> usize {
        self.desk.given.lock().unwrap().log.iter().filter(|line| line.starts_with(what)).count()
    }
}

impl Drop for ExpiringRegistry {
    fn drop(&mut self) {
        self.desk.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread; if that fails it has ended.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Desk {
    fn answer(&self, mut stream: &TcpStream, address: SocketAddr) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut lines = (&mut reader).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let mut headers = BTreeMap::new();
        while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap_or_default();
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut words = first.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut given = self.given.lock().unwrap();
        let kind =
            ["token", "manifests", "blobs/uploads", "blobs"].into_iter().find(|kind| path.contains(kind));
        let kind = kind.unwrap_or("nothing");
        let (status, more) = if kind == "token" {
            given.count += 1;
            let token = format!("token-{}", given.count);
            given.good = Some(format!("Bearer {token}"));
            (200, format!("content-length: {}\r\n\r\n{{\"token\":\"{token}\"}}", token.len() + 12))
        } else if !self.lets_in(&given, headers.get("authorization"), &method) {
            let realm =
                format!("www-authenticate: Bearer realm=\"http://{address}/token\",service=\"x\"\r\n");
            (401, realm + "content-length: 0\r\n\r\n")
        } else {
            if headers.contains_key("expect") {
                stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            let size = headers.get("content-length").and_then(|size| size.parse().ok()).unwrap_or_default();
            let mut body = Vec::new();
            reader.take(size).read_to_end(&mut body)?;
            let status = given.serve(&method, kind, &path, &body);
            (status, "location: /v2/team/runner/blobs/uploads/1\r\ncontent-length: 0\r\n\r\n".to_owned())
        };
        given.log.push(format!("{method} {kind} {status}"));
        write!(stream, "HTTP/1.1 {status} OK\r\nconnection: close\r\n{more}")
    }

    fn lets_in(&self, given: &Given, authority: Option<&String>, method: &str) -> bool {
        let may = self.tokens == Tokens::RunOut || method != "PUT";
        may && authority.is_some() && authority == given.good.as_ref()
    }
}

impl Given {
    fn serve(&mut self, method: &str, kind: &str, path: &str, body: &[u8]) -> u16 {
        match (method, kind) {
            ("HEAD", _) => 404,
            ("POST", _) => {
                self.good = None;
                202
            }
            ("PUT", "blobs/uploads") => {
                let whole = path.ends_with(&Digest::of(body).to_string());
                self.blobs += 1;
                if self.blobs == BLOBS {
                    self.good = None;
                }
                if whole { 201 } else { 400 }
            }
            ("PUT", "manifests") => 201,
            _ => 405,
        }
    }
}

#[test]
fn a_token_that_runs_out_before_a_blob_or_the_manifest_is_sent_is_renewed_once() {
    let registry = ExpiringRegistry::start(Tokens::RunOut);
    let report = registry.push().json();
    assert_eq!(report["pushed"][0]["uploaded"], BLOBS);
    assert_eq!(registry.calls("PUT blobs/uploads 401"), BLOBS, "each is refused once");
    assert_eq!(registry.calls("PUT blobs/uploads 201"), BLOBS, "and then comes whole");
    assert_eq!(registry.calls("POST"), BLOBS, "in the session that was opened");
    assert_eq!((registry.calls("PUT manifests 401"), registry.calls("PUT manifests 201")), (1, 1));
    assert_eq!(registry.calls("GET token"), 1 + BLOBS + 1);
}

#[test]
fn a_token_that_is_no_good_for_sending_is_renewed_no_more_than_once() {
    let registry = ExpiringRegistry::start(Tokens::OnlyRead);
    let said = registry.push();
    assert!(said.error().contains("refused to serve us without a login; log in with"), "{}", said.error());
    assert_eq!(registry.calls("PUT blobs/uploads"), 2);
    assert_eq!(registry.calls("DELETE"), 1, "the session is closed");
}
