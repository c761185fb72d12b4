//! What a vendor gives: where to send, how to put items into a request, and what an answer means.
//!
//! Rule: everything here is pure, but for what a vendor remembers of an answer; no clock, no network, no file.

use std::error::Error;
use std::time::{Duration, SystemTime};

use super::disposition::Disposition;
use super::item::Item;
use super::request::{Body, Encoding, Request, Sending};
use super::response::Response;
use crate::outcome::DropReason;

/// Why items could not be put into a body.
///
/// ```
/// use charm_telemetry_core::delivery::{EncodeError, Item};
///
/// fn text(item: &Item) -> Result<&str, EncodeError> {
///     Ok(std::str::from_utf8(item.bytes())?) // any error, by `?`
/// }
/// assert!(text(&Item::new(*b"\xff")).is_err());
/// ```
pub type EncodeError = Box<dyn Error + Send + Sync>;

/// A place to which finished items are sent, and its rules.
///
/// # Contract
///
/// - The methods are called by the delivery's own threads, never by two threads at once, and must not wait for
///   anything. One that panics or fails costs the item that caused it, not the others: the batch is halved until the
///   culprit is alone.
/// - A batch may arrive twice (the answer was lost, the process was killed): give items ids that stay the same, so
///   that the vendor can tell. [`Sending::batch_id`] stays the same too, over retries and restarts, as long as the
///   batch is not split.
/// - Items are sent in the order in which they were handed over, one request at a time. Things that must not wait for
///   each other (categories with their own rate limits, other endpoints) are destinations of their own: one costs no
///   thread.
/// - Only [`request`](Self::request) and [`greeting`](Self::greeting) see secrets; items never hold one, because
///   they may go to disk.
///
/// ```
/// # use charm_telemetry_core::delivery::*;
/// # use charm_telemetry_core::testing::ReceiverDouble;
/// struct Vendor(String);
///
/// impl Destination for Vendor {
///     fn name(&self) -> &str { "vendor" }
///     fn identity(&self) -> String { self.0.clone() }
///     fn limits(&self) -> Limits { Limits::default() }
///     fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
///         Ok(Body::new("application/x-ndjson", items.iter().map(Item::bytes).collect::<Vec<_>>().join(&b'\n')))
///     }
///     fn request(&self, _: &Sending<'_>) -> Request { Request::post(&self.0) }
/// }
/// # let receiver = ReceiverDouble::start();
/// # let delivery = Delivery::start(Vendor(receiver.url("/intake")), DeliveryConfig::default())?;
/// # delivery.send(Item::new(*b"{}"));
/// # delivery.send(Item::new(*b"[]"));
/// # delivery.shutdown(std::time::Duration::from_secs(10));
/// # assert_eq!(receiver.requests()[0].body, b"{}\n[]");
/// # Ok::<(), DeliveryError>(())
/// ```
pub trait Destination: Send + Sync + 'static {
    /// The name in reports and of the directory in the spool: lower-case letters, digits, `-`. Fixed for ever.
    fn name(&self) -> &str;

    /// Whose data this is, without secrets: the endpoint and, if there is one, the project. What was spooled under
    /// another identity is not sent here; it waits for its own. A changed key is the same identity.
    fn identity(&self) -> String;

    /// How much one request may hold.
    fn limits(&self) -> Limits;

    /// Puts items into the body of one request, uncompressed. At least one item is given.
    ///
    /// # Errors
    /// Any. The items are halved until the one that cannot be encoded is alone; that one is dropped as `encode_error`.
    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError>;

    /// The request for a body: where it goes and with which headers. `Content-Type`, `Content-Encoding` and
    /// `Content-Length` are added by the delivery.
    fn request(&self, sending: &Sending<'_>) -> Request;

    /// How bodies are compressed; asked for each request. gzip unless the vendor says otherwise.
    fn encoding(&self) -> Encoding {
        Encoding::Gzip
    }

    /// What an answer means: the vendor's own table. The default is [`Disposition::standard`].
    fn classify(&self, response: &Response) -> Disposition {
        Disposition::standard(response)
    }

    /// A question that is asked once, before the first batch: what the receiver can do.
    fn greeting(&self) -> Option<Request> {
        None
    }

    /// The answer to the greeting, `None` if there was none in time.
    fn greeted(&self, _answer: Option<&Response>) {}

    /// Why nothing may be sent now, for vendors whose rules say to drop in that case and not to wait. Asked before each
    /// request; with an answer there is no request, and the batch is lost for that reason.
    fn forbids(&self) -> Option<DropReason> {
        None
    }

    /// Whether the receiver would refuse an item because it is too old by now, for receivers who refuse all of a request
    /// for one such item. Asked before each request for what has waited in the spool; what is, is lost as `expired`, and
    /// the rest is sent. The age in the item itself counts: the wall clock of who wrote it may have been wrong.
    fn is_outdated(&self, _item: &Item, _now: SystemTime) -> bool {
        false
    }

    /// Whether [`Destination::dropped`] is to be called. Asked when the delivery starts.
    fn wants_dropped(&self) -> bool {
        false
    }

    /// Told of items that were lost after they were accepted, if [`Destination::wants_dropped`] says so: for vendors who
    /// want losses reported. Remember them here and send the sum with a later item.
    ///
    /// It is told of what was given up while it was sent (`rejected` by the status of an answer, `too_large`,
    /// `permanent_status`, `encode_error`, `rate_limited`, `exporter_panic`), and of what was given up in the spool
    /// (`spool_full`, `expired`) as far as the files can still be read and memory allows. It is not told of what a
    /// partial success refuses, of `corrupt` and `shutdown_deadline`, and of items that were not accepted: those are known
    /// by the answer of [`DeliveryHandle::send`](super::DeliveryHandle::send). The counts of the report have all of them.
    fn dropped(&self, _items: &[Item], _reason: DropReason) {}
}

/// How much one request may hold, and how long items wait for company.
///
/// ```
/// use charm_telemetry_core::delivery::Limits;
///
/// let limits = Limits { max_items: 100, ..Limits::default() };
/// assert_eq!(limits.max_body_bytes, 4 * 1024 * 1024);
/// assert_eq!(limits.linger.as_secs(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Items in one request.
    pub max_items: usize,
    /// Bytes of one body, before compression.
    pub max_body_bytes: usize,
    /// Bytes of one item. A larger one is dropped as `too_large` when it is handed over.
    pub max_item_bytes: usize,
    /// What assembling adds to each item, at most: commas, part headers.
    pub item_overhead: usize,
    /// How long the first item of a batch waits for others.
    pub linger: Duration,
}

/// 512 items, 4 MiB, 1 MiB for one item, one second.
impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            max_items: 512,
            max_body_bytes: 4 * MIB,
            max_item_bytes: MIB,
            item_overhead: 16,
            linger: Duration::from_secs(1),
        }
    }
}
