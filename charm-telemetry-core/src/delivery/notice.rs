//! What the operator is told about a destination.
//!
//! Rule: a notice is one line without secrets, and is told for the 1st, 2nd, 4th, 8th... time that its cause occurs.

use std::fmt;

/// Something about a destination that the operator should know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeliveryNotice {
    /// The destination's name.
    pub destination: String,
    /// What it is about.
    pub kind: NoticeKind,
    /// What happened, then the way out.
    pub message: String,
    /// How often it has happened.
    pub count: u64,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoticeKind {
    /// A request failed and is tried again.
    Retrying,
    /// The receiver refuses our credentials or our address, or its certificate is not valid.
    Paused,
    /// Items were lost.
    Dropped,
    /// The spool cannot be used; what is not sent stays in memory.
    SpoolDegraded,
    /// Files in the spool were damaged and set aside.
    Quarantined,
    /// Requests succeed again.
    Recovered,
}

impl fmt::Display for DeliveryNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.destination, self.message)?;
        if self.count > 1 { write!(f, " ({} times so far)", self.count) } else { Ok(()) }
    }
}
