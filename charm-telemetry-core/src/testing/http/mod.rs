//! A receiver for the tests of exporters: records every request and answers by script, however badly.
//!
//! Rule: it listens on loopback only, and everything that it starts ends with it.

mod answer;
mod serve;
mod wire;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use answer::Answer;
use serve::Desk;
pub use wire::RecordedRequest;

/// An HTTP/1.1 server on a free port of 127.0.0.1. It ends when it is dropped.
///
/// ```
/// use charm_telemetry_core::testing::{Answer, ReceiverDouble};
///
/// let receiver = ReceiverDouble::start();
/// receiver.script([Answer::new(503).header("Retry-After", "1"), Answer::new(202)]);
/// // ... point an exporter at `receiver.url("/intake")` and run it ...
/// assert!(receiver.requests().is_empty());
/// ```
pub struct ReceiverDouble {
    address: SocketAddr,
    desk: Arc<Desk>,
    listener: Option<JoinHandle<()>>,
}

impl ReceiverDouble {
    /// Starts one that answers 200 to everything until it is told otherwise.
    ///
    /// # Panics
    /// No port of 127.0.0.1 can be listened on.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let desk = Arc::new(Desk::default());
        let serving = desk.clone();
        let accept = move || serve::accept(&listener, &serving);
        let thread = thread::Builder::new().name("receiver-double".to_owned()).spawn(accept);
        Self { address, desk, listener: Some(thread.expect("a thread for the receiver")) }
    }

    /// `http://127.0.0.1:PORT` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers to the next requests, in this order, before what it answers otherwise.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.desk.lock().script.extend(answers);
    }

    /// The answer to every request that is not in the script.
    pub fn answer_always(&self, answer: Answer) {
        self.answer_with(move |_| answer.clone());
    }

    /// Decides about every request that is not in the script.
    pub fn answer_with(&self, decide: impl Fn(&RecordedRequest) -> Answer + Send + Sync + 'static) {
        self.desk.lock().decide = Arc::new(decide);
    }

    /// Every request so far, whole ones only.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.desk.lock().requests.clone()
    }

    /// Forgets the requests so far and returns them.
    pub fn take_requests(&self) -> Vec<RecordedRequest> {
        std::mem::take(&mut self.desk.lock().requests)
    }

    /// Waits until there are so many requests, and returns them.
    ///
    /// # Panics
    /// They did not come in time.
    #[track_caller]
    pub fn wait_for_requests(&self, count: usize, patience: Duration) -> Vec<RecordedRequest> {
        let end = Instant::now() + patience;
        let mut state = self.desk.lock();
        while state.requests.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count} requests came within {patience:?}", state.requests.len());
            state = self.desk.wait(state, left);
        }
        state.requests.clone()
    }
}

impl Drop for ReceiverDouble {
    fn drop(&mut self) {
        self.desk.stop();
        // Wakes the thread that accepts; if it cannot be reached, it has ended.
        drop(TcpStream::connect(self.address));
        if let Some(listener) = self.listener.take() {
            drop(listener.join());
        }
    }
}
