//! One finished thing on its way to a vendor: a span, a run, an event.
//!
//! Rule: an item is opaque; only its vendor looks inside, so that batches can be split and spooled without knowing it.

use std::fmt;
use std::sync::Arc;

/// Bytes that a vendor encoded, with a number that only the vendor understands. Cheap to clone.
///
/// The bytes go to the spool as they are: they hold no secret.
///
/// ```
/// use charm_telemetry_core::delivery::Item;
///
/// const PATCH: u8 = 1;
/// let item = Item::of_kind(PATCH, *b"{}");
/// assert_eq!((item.kind(), item.bytes()), (PATCH, &b"{}"[..]));
/// assert_eq!(format!("{item:?}"), "Item(kind 1, 2 bytes)", "what a user said is not shown");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    kind: u8,
    bytes: Arc<[u8]>,
}

impl Item {
    /// An item of a vendor who has only one kind.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::of_kind(0, bytes)
    }

    /// An item of one of the vendor's kinds (for example: post or patch). The spool keeps the number, so it must not
    /// change its meaning from release to release.
    pub fn of_kind(kind: u8, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { kind, bytes: bytes.into() }
    }

    /// The vendor's kind.
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// What the vendor encoded.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes that is.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What the item costs in memory, nearly.
    pub(crate) fn weight(&self) -> usize {
        const OVERHEAD: usize = 64;
        self.bytes.len() + OVERHEAD
    }
}

/// Shows the size, not the bytes: they may be what a user said.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item(kind {}, {} bytes)", self.kind, self.bytes.len())
    }
}
