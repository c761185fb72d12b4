//! The threads of the receiver.
//!
//! Rule: no thread waits for more than a moment without looking whether it has to end.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::answer::{Answer, Manner};
use super::wire::{RecordedRequest, read_request};

/// What the threads share.
pub(super) struct Desk {
    state: Mutex<State>,
    arrived: Condvar,
    stopped: AtomicBool,
}

/// The part under the lock.
pub(super) struct State {
    pub(super) script: VecDeque<Answer>,
    pub(super) decide: Arc<dyn Fn(&RecordedRequest) -> Answer + Send + Sync>,
    pub(super) requests: Vec<RecordedRequest>,
}

const MOMENT: Duration = Duration::from_millis(20);

impl Default for Desk {
    fn default() -> Self {
        let (script, requests) = (VecDeque::new(), Vec::new());
        let state = State { script, decide: Arc::new(|_| Answer::new(200)), requests };
        Self { state: Mutex::new(state), arrived: Condvar::new(), stopped: AtomicBool::new(false) }
    }
}

impl Desk {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'a>(&self, state: MutexGuard<'a, State>, patience: Duration) -> MutexGuard<'a, State> {
        self.arrived.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Records a request and says what to do with it.
    fn receive(&self, request: &RecordedRequest) -> Answer {
        let mut state = self.lock();
        let scripted = state.script.pop_front();
        let decide = state.decide.clone();
        state.requests.push(request.clone());
        drop(state);
        self.arrived.notify_all();
        scripted.unwrap_or_else(|| decide(request))
    }

    /// Waits; `false` if the receiver ends meanwhile.
    fn pause(&self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        while !self.is_stopped() && Instant::now() < end {
            thread::sleep(MOMENT.min(end.saturating_duration_since(Instant::now())));
        }
        !self.is_stopped()
    }
}

/// Takes connections until the receiver ends.
pub(super) fn accept(listener: &TcpListener, desk: &Arc<Desk>) {
    let mut threads = Vec::new();
    for connection in listener.incoming() {
        if desk.is_stopped() {
            break;
        }
        let (Ok(connection), desk) = (connection, desk.clone()) else { continue };
        threads.push(thread::spawn(move || drop(converse(&connection, &desk))));
    }
    for thread in threads {
        // A thread that panicked has printed why; its client saw the connection end.
        drop(thread.join());
    }
}

/// Answers one request after another.
fn converse(connection: &TcpStream, desk: &Desk) -> io::Result<()> {
    connection.set_read_timeout(Some(MOMENT))?;
    connection.set_write_timeout(Some(Duration::from_secs(1)))?;
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(Patient { connection, desk });
    while let Some(request) = read_request(&mut reader)? {
        let answer = desk.receive(&request);
        if !desk.pause(answer.delay) || !give(connection, desk, &answer)? {
            return Ok(());
        }
    }
    Ok(())
}

/// `false`: the connection is over.
fn give(mut connection: &TcpStream, desk: &Desk, answer: &Answer) -> io::Result<bool> {
    match answer.manner {
        Manner::Reset => {
            rustix::net::sockopt::set_socket_linger(connection, Some(Duration::ZERO))?;
            return Ok(false);
        }
        Manner::Silent => {
            while desk.pause(MOMENT) {}
            return Ok(false);
        }
        _ => {}
    }
    connection.write_all(head(answer).as_bytes())?;
    match answer.manner {
        Manner::Slow(pause) => {
            for byte in answer.body.chunks(1) {
                connection.write_all(byte)?;
                if !desk.pause(pause) {
                    return Ok(false);
                }
            }
        }
        Manner::Endless => {
            while !desk.is_stopped() {
                connection.write_all(&[b'x'; 16 * 1024])?;
            }
            return Ok(false);
        }
        _ => connection.write_all(&answer.body)?,
    }
    Ok(true)
}

fn head(answer: &Answer) -> String {
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    let length = if answer.manner == Manner::Endless { 10_000_000_000 } else { answer.body.len() as u64 };
    head + &format!("content-length: {length}\r\n\r\n")
}

/// Reads a connection, and ends when the receiver ends.
struct Patient<'a> {
    connection: &'a TcpStream,
    desk: &'a Desk,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match (&mut &*self.connection).read(buffer) {
                Err(error) if is_timeout(&error) && !self.desk.is_stopped() => {}
                result => return result,
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
