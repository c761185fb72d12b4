//! What the receiver does with a request.
//!
//! Rule: every way in which a network fails is one method.

use std::time::Duration;

/// An answer, or a failure to give one.
///
/// ```
/// # use std::io::{BufRead as _, BufReader, Write as _};
/// # use std::net::TcpStream;
/// # use charm_telemetry_core::testing::{Answer, ReceiverDouble};
/// let receiver = ReceiverDouble::start();
/// receiver.answer_always(Answer::new(429).header("Retry-After", "1").body("slow down"));
/// # let mut client = TcpStream::connect(receiver.address())?;
/// client.write_all(b"POST /intake HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")?;
/// # let mut status = String::new();
/// # BufReader::new(client).read_line(&mut status)?;
/// assert!(status.starts_with("HTTP/1.1 429"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) delay: Duration,
    pub(super) manner: Manner,
}

/// How an answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Whole,
    /// The connection is reset instead.
    Reset,
    /// Nothing is ever said.
    Silent,
    /// The body comes one byte at a time.
    Slow(Duration),
    /// The body never ends.
    Endless,
}

impl Answer {
    /// A status without a body.
    pub fn new(status: u16) -> Self {
        let manner = Manner::Whole;
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO, manner }
    }

    /// The connection is reset after the request was read: it cannot be known whether it arrived.
    pub fn reset() -> Self {
        Self { manner: Manner::Reset, ..Self::new(0) }
    }

    /// The request is read and nothing is ever said.
    pub fn silence() -> Self {
        Self { manner: Manner::Silent, ..Self::new(0) }
    }

    /// A status and a body without end.
    pub fn endless(status: u16) -> Self {
        Self { manner: Manner::Endless, ..Self::new(status) }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Given so much later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// With the body one byte at a time, with this pause after each.
    #[must_use]
    pub fn slowly(mut self, pause: Duration) -> Self {
        self.manner = Manner::Slow(pause);
        self
    }
}
