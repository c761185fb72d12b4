//! What the operator is told about a destination.
//!
//! Rule: a notice is one line without secrets, and is told for the 1st, 2nd, 4th, 8th... time that its cause occurs.

use std::fmt;

/// Something about a destination that the operator should know.
///
/// ```
/// # use charm_telemetry_core::delivery::*;
/// # use charm_telemetry_core::testing::{Answer, ReceiverDouble};
/// # use std::{sync::Arc, time::Duration};
/// # struct Vendor(String);
/// # impl Destination for Vendor {
/// #     fn name(&self) -> &str { "vendor" }
/// #     fn identity(&self) -> String { self.0.clone() }
/// #     fn limits(&self) -> Limits { Limits::default() }
/// #     fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> { Ok(Body::json(items[0].bytes())) }
/// #     fn request(&self, _: &Sending<'_>) -> Request { Request::post(&self.0) }
/// # }
/// # let receiver = ReceiverDouble::start();
/// # let destination = Vendor(receiver.url("/intake"));
/// # receiver.answer_always(Answer::new(410));
/// let (sender, notices) = std::sync::mpsc::channel();
/// let mut config = DeliveryConfig::default();
/// config.tell = Some(Arc::new(move |notice| drop(sender.send(notice.clone()))));
/// let delivery = Delivery::start(destination, config)?;
/// delivery.send(Item::new(*b"{}")); // the receiver answers 410
/// let notice = notices.recv_timeout(Duration::from_secs(10)).expect("the operator is told");
/// assert_eq!((&*notice.destination, notice.kind), ("vendor", NoticeKind::Dropped));
/// # delivery.shutdown(Duration::from_secs(10));
/// # Ok::<(), DeliveryError>(())
/// ```
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
///
/// ```
/// use charm_telemetry_core::delivery::{DeliveryConfig, NoticeKind};
/// use std::sync::Arc;
///
/// let is_urgent = |kind| matches!(kind, NoticeKind::Paused | NoticeKind::Dropped);
/// let mut config = DeliveryConfig::default();
/// config.tell = Some(Arc::new(move |notice| if is_urgent(notice.kind) { eprintln!("{notice}") }));
/// assert!(is_urgent(NoticeKind::Paused) && !is_urgent(NoticeKind::Retrying));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoticeKind {
    /// A request failed and is tried again.
    Retrying,
    /// The receiver refuses our credentials or our address, or its certificate is not valid.
    Paused,
    /// Items were lost.
    Dropped,
    /// The receiver took everything and has something to say about it.
    Warned,
    /// The spool cannot be used, and what is not sent stays in memory; or it is used, and a power cut may lose what it
    /// holds. Told once until it has worked again.
    SpoolDegraded,
    /// Files in the spool were damaged and set aside.
    Quarantined,
    /// The code of the destination panicked. What was lost by it is told as `Dropped`.
    Panicked,
    /// There is something to send, and for five minutes nothing was.
    Stuck,
    /// Requests succeed again, or what hung goes on.
    Recovered,
}

impl fmt::Display for DeliveryNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.destination, self.message)?;
        if self.count > 1 { write!(f, " ({} times so far)", self.count) } else { Ok(()) }
    }
}
