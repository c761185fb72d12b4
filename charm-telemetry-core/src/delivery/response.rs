//! An answer, cut to what can be needed of it.
//!
//! Rule: an answer costs at most 64 KiB of memory, whatever the receiver sends.

/// The most that is read of a body, in bytes.
///
/// ```
/// assert_eq!(charm_telemetry_core::delivery::MAX_RESPONSE_BYTES, 65_536);
/// ```
pub const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// What a receiver answered. Build one by hand to test a table.
///
/// ```
/// use charm_telemetry_core::delivery::{Disposition, Response};
///
/// let answer = Response::new(503).with_header("Retry-After", "7");
/// assert_eq!(Disposition::standard(&answer), Disposition::RetryAfter(Some(std::time::Duration::from_secs(7))));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The body, at most 64 KiB of it and never decompressed.
    pub body: Vec<u8>,
    /// Whether there was more.
    pub truncated: bool,
    headers: Vec<(String, String)>,
}

impl Response {
    /// An answer without headers and body.
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// With a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|(_, value)| value.as_str())
    }

    /// Every header of that name, in any case.
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}
