//! Receivers and proxies on loopback.
//! The one rule: each ends with the test, records what came, and lets nothing out to another host.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// How long a receiver waits for the rest of a request.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The first line.
    pub(crate) line: String,
    pub(crate) body: Vec<u8>,
}

/// A receiver on a port of its own, which refuses connections until it is opened.
pub(crate) struct Receiver {
    socket: Option<rustix::fd::OwnedFd>,
    address: SocketAddr,
    desk: Arc<Desk>,
}

#[derive(Default)]
struct Desk {
    requests: Mutex<Vec<Request>>,
    closed: AtomicBool,
    tls: Option<Arc<ServerConfig>>,
    /// How many of the next connections are reset when their first bytes are there.
    resets: AtomicUsize,
    /// Those bytes.
    reset: Mutex<Vec<Vec<u8>>>,
}

impl Receiver {
    /// Nobody listens there yet.
    pub(crate) fn reserved() -> Self {
        Self::with(Desk::default())
    }

    /// Answers 200 to everything.
    pub(crate) fn start() -> Self {
        let mut receiver = Self::reserved();
        receiver.open();
        receiver
    }

    /// Speaks TLS with a certificate for `receiver.test` and 127.0.0.1.
    pub(crate) fn tls(authority: &Authority) -> Self {
        let mut receiver = Self::with(Desk { tls: Some(authority.server()), ..Desk::default() });
        receiver.open();
        receiver
    }

    /// The same, for clients with a certificate of this authority alone.
    pub(crate) fn mutual_tls(authority: &Authority) -> Self {
        let mut receiver = Self::with(Desk { tls: Some(authority.server_for_clients()), ..Desk::default() });
        receiver.open();
        receiver
    }

    /// Resets so many of the next connections as soon as they have said something.
    pub(crate) fn reset_next(&self, times: usize) {
        self.desk.resets.store(times, Ordering::Relaxed);
    }

    /// What was said on the connections that were reset.
    pub(crate) fn said_before_reset(&self) -> Vec<Vec<u8>> {
        self.desk.reset.lock().unwrap().clone()
    }

    fn with(desk: Desk) -> Self {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = rustix::net::getsockname(&socket).unwrap().try_into().unwrap();
        Self { socket: Some(socket), address, desk: Arc::new(desk) }
    }

    /// Starts to listen.
    pub(crate) fn open(&mut self) {
        let socket = self.socket.take().expect("it is opened once");
        listen(&socket, 64).unwrap();
        let (listener, desk) = (TcpListener::from(socket), Arc::clone(&self.desk));
        let closed = Arc::clone(&desk);
        accept(listener, move || closed.closed.load(Ordering::Relaxed), move |stream| desk.serve(stream));
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.desk.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.desk.requests.lock().unwrap().clone()
    }

    /// The spans of every OTLP request in JSON, in order.
    pub(crate) fn spans(&self) -> Vec<Value> {
        let bodies = self.requests().into_iter().map(|request| request.body);
        let bodies = bodies.map(|body| serde_json::from_slice::<Value>(&body).expect("JSON was asked for"));
        bodies.flat_map(|body| spans_of(&body)).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.desk.closed.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts; nobody does if it was never opened.
        drop(TcpStream::connect(self.address));
    }
}

impl Desk {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let one_less = |left: usize| left.checked_sub(1);
        if self.resets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            return self.reset(stream);
        }
        match &self.tls {
            Some(config) => {
                let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                let mut stream = StreamOwned::new(connection, stream);
                if let Err(error) = self.answer(&mut stream) {
                    // What has come is read, or the system would reset the connection before the alert is read.
                    stream.sock.shutdown(Shutdown::Write)?;
                    io::copy(&mut stream.sock, &mut io::sink())?;
                    return Err(error);
                }
                stream.conn.send_close_notify();
                stream.flush()
            }
            None => self.answer(&mut { stream }),
        }
    }

    /// Reads once and ends the connection with a reset.
    fn reset(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut said = vec![0; 4096];
        let count = stream.read(&mut said)?;
        said.truncate(count);
        set_socket_linger(&stream, Some(Duration::ZERO))?;
        self.reset.lock().unwrap().push(said);
        Ok(())
    }

    fn answer(&self, stream: &mut (impl Read + Write)) -> io::Result<()> {
        let (request, _) = read_request(&mut BufReader::new(&mut *stream))?;
        self.requests.lock().unwrap().push(request);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")?;
        stream.flush()
    }
}

/// The spans of one OTLP request in JSON.
fn spans_of(body: &Value) -> Vec<Value> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let scopes = list(body, "resourceSpans").into_iter().flat_map(|resource| list(&resource, "scopeSpans"));
    scopes.flat_map(|scope| list(&scope, "spans")).collect()
}

/// A certificate authority that nobody knows.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate, as a file has it.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client's certificate and its key, as files have them.
    pub(crate) fn client(&self) -> [String; 2] {
        let (certificate, key) = self.signed(&["client.test"]);
        [certificate.pem(), key.serialize_pem()]
    }

    fn signed(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        (CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap(), key)
    }

    fn server(&self) -> Arc<ServerConfig> {
        self.server_with(Arc::new(NoClientAuth))
    }

    fn server_for_clients(&self) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        self.server_with(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
        )
    }

    fn server_with(&self, verifier: Arc<dyn ClientCertVerifier>) -> Arc<ServerConfig> {
        let (certificate, key) = self.signed(&["receiver.test", "127.0.0.1"]);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = config.unwrap().with_client_cert_verifier(verifier);
        Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap())
    }
}

/// A proxy: knows one host, whatever that is called, and records what it was asked for.
pub(crate) struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    closed: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn to(receiver: &Receiver) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, closed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (target, log, is_closed) = (receiver.address(), Arc::clone(&asked), Arc::clone(&closed));
        accept(
            listener,
            move || is_closed.load(Ordering::Relaxed),
            move |stream| pass(&stream, target, &log),
        );
        Self { address, asked, closed }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first lines of the requests to it.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

/// A tunnel after `CONNECT`; else the request is handed on as it came.
fn pass(client: &TcpStream, target: SocketAddr, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(client.try_clone()?);
    let (request, head) = read_request(&mut reader)?;
    asked.lock().unwrap().push(request.line.clone());
    let mut server = TcpStream::connect(target)?;
    server.set_read_timeout(Some(PATIENCE))?;
    if request.line.starts_with("CONNECT ") {
        { client }.write_all(b"HTTP/1.1 200 X\r\n\r\n")?;
        let (mut up, mut down) = (server.try_clone()?, client.try_clone()?);
        let back = thread::spawn(move || {
            let copied = io::copy(&mut server, &mut down);
            drop(down.shutdown(Shutdown::Both));
            copied
        });
        drop(io::copy(&mut reader, &mut up));
        drop(up.shutdown(Shutdown::Both));
        drop(back.join());
        return Ok(());
    }
    server.write_all(head.as_bytes())?;
    server.write_all(&request.body)?;
    io::copy(&mut server, &mut &*client).map(drop)
}

/// A request, and its head as it came.
fn read_request(reader: &mut impl BufRead) -> io::Result<(Request, String)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        head.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let line = head.lines().next().unwrap_or_default().to_owned();
    Ok((Request { line, body }, head))
}

/// A thread for each connection, until it is closed.
fn accept(
    listener: TcpListener,
    closed: impl Fn() -> bool + Send + 'static,
    serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
) {
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok).take_while(|_| !closed()) {
            let serve = Arc::clone(&serve);
            // A connection that breaks is the client's matter.
            thread::spawn(move || drop(serve(stream)));
        }
    });
}
