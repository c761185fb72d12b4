//! Whose a span or a metric is: the resource, written in front of it.
//!
//! Rule: an item says by itself where it comes from, since another process, with another resource, may send it.

use charm_telemetry_core::delivery::{EncodeError, Item};

use crate::options::Protocol;
use crate::wire::Attribute;
use crate::{json, protobuf};

/// Items that begin with their resource. Written into the spool: never to be changed.
const KIND: u8 = 1;

/// The bytes of the length of a resource.
type Length = [u8; 4];

/// The resource of this process, written once.
pub(crate) struct Origin {
    head: Vec<u8>,
}

/// What an item holds: a resource, and a span or a metric of it.
pub(crate) struct Part<'a> {
    pub(crate) resource: &'a [u8],
    pub(crate) bytes: &'a [u8],
}

impl Origin {
    /// A resource with these attributes, for items of this protocol.
    pub(crate) fn new(protocol: Protocol, attributes: &[Attribute<'_>]) -> Self {
        let resource = match protocol {
            Protocol::Json => json::resource(attributes),
            Protocol::Protobuf | Protocol::Grpc => protobuf::resource(attributes),
        };
        let length = u32::try_from(resource.len()).expect("variables are shorter than 4 GiB");
        Self { head: [&length.to_le_bytes(), &*resource].concat() }
    }

    /// The item of a span or a metric that is written already.
    pub(crate) fn item(&self, bytes: &[u8]) -> Item {
        Item::of_kind(KIND, [&*self.head, bytes].concat())
    }
}

impl<'a> Part<'a> {
    /// What the item holds.
    ///
    /// # Errors
    /// If it is no such item.
    pub(crate) fn of(item: &'a Item) -> Result<Self, EncodeError> {
        let read = || {
            let (length, rest) = item.bytes().split_first_chunk().filter(|_| item.kind() == KIND)?;
            let length: Length = *length;
            rest.split_at_checked(u32::from_le_bytes(length) as usize)
        };
        let (resource, bytes) = read().ok_or("the item does not say whose it is")?;
        Ok(Self { resource, bytes })
    }
}
