//! A web hook's other end, on this machine.
//!
//! Rule: it ends with the test, also when the test fails, and waits for nothing longer than [`PATIENCE`].

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Inbox, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// Takes requests, one a connection, and answers them by a script.
pub(super) struct Receiver {
    address: SocketAddr,
    inbox: Inbox<Request>,
    thread: Option<JoinHandle<()>>,
}

/// What was posted.
pub(super) struct Request {
    /// The request line.
    pub(super) line: String,
    /// The body.
    pub(super) body: String,
    headers: Vec<String>,
}

impl Receiver {
    /// Answers with these statuses, one after the other.
    pub(super) fn answering(statuses: &[u16]) -> Self {
        Self::start(statuses.iter().copied().map(Some).collect())
    }

    /// Takes a request and never answers.
    pub(super) fn silent() -> Self {
        Self::start(vec![None])
    }

    /// Where to post.
    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The next request, in the order in which they came.
    pub(super) fn next(&self) -> Request {
        self.inbox.recv_timeout(PATIENCE).expect("a request should have come")
    }

    fn start(script: Vec<Option<u16>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (outbox, inbox) = channel();
        let thread = std::thread::Builder::new().name("web-hook".into());
        let thread = thread.spawn(move || serve(&listener, script, &outbox)).expect("a thread can start");
        Self { address, inbox, thread: Some(thread) }
    }
}

impl Drop for Receiver {
    /// A connection without a request ends the script, wherever it is.
    fn drop(&mut self) {
        drop(TcpStream::connect(self.address).map(|stream| stream.shutdown(Shutdown::Both)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Request {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.headers.iter().filter_map(|line| line.split_once(": "));
        headers.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Connections that are not answered are held open until the script has ended.
fn serve(listener: &TcpListener, script: Vec<Option<u16>>, outbox: &Sender<Request>) {
    let mut held = Vec::new();
    for status in script {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let Some(request) = read(&stream) else { return };
        drop(outbox.send(request));
        match status {
            Some(status) => answer(&mut stream, status),
            None => held.push(stream),
        }
    }
    // Until the guard ends it: a port that is closed early would be an error of another kind.
    drop(listener.accept());
}

fn read(stream: &TcpStream) -> Option<Request> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut request = Request { line: lines.remove(0), headers: lines, body: String::new() };
    let length = request.header("content-length")?.parse().ok()?;
    reader.take(length).read_to_string(&mut request.body).ok()?;
    Some(request)
}

fn answer(stream: &mut TcpStream, status: u16) {
    let location = if status == 302 { "Location: /elsewhere\r\n" } else { "" };
    let head =
        format!("HTTP/1.1 {status} Scripted\r\n{location}Connection: close\r\nContent-Length: 0\r\n\r\n");
    drop(stream.write_all(head.as_bytes()));
}
