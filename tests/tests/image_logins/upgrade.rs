//! A registry on this machine that is spoken to in the clear first and sends us on to TLS.
//!
//! Rule: its own address over TLS is still itself; another port is another registry, and sees no login.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use charm_telemetry_tests::image::{PASSWORD, Registry, Said, USER, image};
use charm_telemetry_tests::requires;
use serde_json::json;

use super::fill;
use super::token_service::make_certificate;

/// One port for both: TLS is handed on to the registry, everything else is sent on to `https://HOST:PORT`.
struct Front {
    address: SocketAddr,
    in_the_clear: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    /// `port` is where it sends us; its own, if there is none.
    fn start(registry: String, port: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let port = port.unwrap_or(address.port());
        let (in_the_clear, stopped) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (heard, stop) = (Arc::clone(&in_the_clear), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (registry, heard) = (registry.clone(), Arc::clone(&heard));
                // A client that goes away is its own affair.
                std::thread::spawn(move || drop(serve(stream, &registry, port, &heard)));
            }
        });
        Self { address, in_the_clear, stopped, thread: Some(thread) }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread; if that fails it has ended.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(client: TcpStream, registry: &str, port: u16, heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut first = [0];
    client.peek(&mut first)?;
    // A handshake of TLS begins with this.
    if first == [0x16] {
        let server = TcpStream::connect(registry)?;
        let (from, to) = (client.try_clone()?, server.try_clone()?);
        let there = std::thread::spawn(move || pass_on(from, to));
        pass_on(server, client);
        let _ = there.join();
        return Ok(());
    }
    let lines = BufReader::new(client.try_clone()?).lines().map_while(Result::ok);
    let call: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let path = call[0].split(' ').nth(1).unwrap_or_default().to_owned();
    heard.lock().unwrap().push(call.join("\n").to_ascii_lowercase());
    let to = format!("https://127.0.0.1:{port}{path}");
    write!(&client, "HTTP/1.1 301 Moved\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

fn pass_on(mut from: impl Read, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

/// A registry behind TLS with a base in it, and where its certificate is.
fn registry_with_tls() -> Option<(Registry, tempfile::TempDir)> {
    requires::program("openssl")?;
    let folder = tempfile::tempdir().unwrap();
    let names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    let key = make_certificate(folder.path(), "/CN=localhost", &names);
    let certificate = folder.path().join("certificate.pem");
    let tls = format!("  tls: {{certificate: {}, key: {}}}\n", certificate.display(), key.display());
    let registry = Registry::start_with(None, &tls)?;
    fill(&registry, "team/base:1");
    Some((registry, folder))
}

/// Pulls and pushes by the name of the front, with a login for that name.
fn push(front: &Front, folder: &tempfile::TempDir) -> Said {
    let host = front.address.to_string();
    let login = json!({ "auths": { &host: { "username": USER, "password": PASSWORD } } });
    fs::write(folder.path().join("config.json"), login.to_string()).unwrap();
    let [config, certificate] =
        ["", "certificate.pem"].map(|name| folder.path().join(name).display().to_string());
    let (base, tag) = (format!("{host}/team/base:1"), format!("{host}/team/runner:1"));
    let env = [("DOCKER_CONFIG", config.as_str()), ("SSL_CERT_FILE", certificate.as_str())];
    image(["--base", &base, "--tag", &tag, "--push", "--json"], &env)
}

#[test]
fn a_registry_that_sends_us_to_itself_over_tls_gets_its_login_there_and_only_there() {
    let Some((registry, folder)) = registry_with_tls() else { return };
    let front = Front::start(registry.address.clone(), None);
    let report = push(&front, &folder).json();
    assert_eq!((&report["pushed"][0]["mounted"], &report["pushed"][0]["uploaded"]), (&json!(1), &json!(2)));
    let heard = front.in_the_clear.lock().unwrap();
    assert_eq!(heard.len(), 2, "the base and the image are asked for in the clear once each: {heard:?}");
    assert!(heard.iter().all(|head| !head.contains("authorization")), "{heard:?}");
}

#[test]
fn a_registry_that_sends_us_to_another_port_is_another_registry() {
    let Some((registry, folder)) = registry_with_tls() else { return };
    let port = registry.address.rsplit(':').next().unwrap().parse().unwrap();
    let front = Front::start(registry.address.clone(), Some(port));
    let said = push(&front, &folder);
    let error = said.error();
    assert!(error.contains("answered 401 when asked to show the manifest of"), "{error}");
    let elsewhere =
        format!("that came from `https://{}`, where it sent us and which sees no login", registry.address);
    assert!(error.contains(&elsewhere), "{error}");
}
