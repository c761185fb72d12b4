//! A batch as bytes in a file.
//!
//! Rule: every byte is under a checksum; damage costs the items it hits, never one that is whole.
//!
//! Little-endian. Header, 54 bytes: magic `CHARMSPL`, version u16, identity u64, batch id 16 bytes, created u64
//! (milliseconds since 1970), items u32, reserved u32, CRC-32 of all that u32. Then each item: magic of 4
//! bytes, length u32, kind u8, CRC-32 of length, kind and bytes u32, bytes. The magic lets a reader find the next item
//! behind a damaged length.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::delivery::Item;

const MAGIC: &[u8; 8] = b"CHARMSPL";
const VERSION: u16 = 1;
pub(super) const HEADER_BYTES: usize = 54;
const ITEM_MAGIC: &[u8; 4] = b"\xc5itm";
const ITEM_HEADER_BYTES: usize = 13;

/// What is known of a batch besides its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) identity: u64,
    pub(crate) batch_id: [u8; 16],
    pub(crate) created: SystemTime,
}

/// What could be read of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) header: Header,
    pub(crate) items: Vec<Item>,
    /// Whether every item was whole.
    pub(crate) complete: bool,
}

/// Nothing in the file can be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormatError {
    #[error("it is not a batch")]
    Foreign,
    #[error("its format has version {0}, and this program reads version {VERSION}")]
    Version(u16),
    #[error("its header is damaged")]
    Header,
}

/// The whole file.
pub(crate) fn encode(header: &Header, items: &[Item]) -> Vec<u8> {
    let size: usize = items.iter().map(|item| ITEM_HEADER_BYTES + item.len()).sum();
    let mut bytes = Vec::with_capacity(HEADER_BYTES + size);
    let created = header.created.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&header.identity.to_le_bytes());
    bytes.extend_from_slice(&header.batch_id);
    bytes.extend_from_slice(&u64::try_from(created).unwrap_or(u64::MAX).to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(items.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    for item in items {
        let length = u32::try_from(item.len()).unwrap_or(u32::MAX).to_le_bytes();
        bytes.extend_from_slice(ITEM_MAGIC);
        bytes.extend_from_slice(&length);
        bytes.push(item.kind());
        bytes.extend_from_slice(&item_crc(length, item.kind(), item.bytes()).to_le_bytes());
        bytes.extend_from_slice(item.bytes());
    }
    bytes
}

/// Reads a file: all of it, or what is left of it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded, FormatError> {
    let (header, count) = decode_header(bytes)?;
    let (items, undamaged) = decode_items(&bytes[HEADER_BYTES..]);
    Ok(Decoded { header, complete: undamaged && items.len() == count as usize, items })
}

/// Reads the beginning of a file: its header, and how many items it says follow.
pub(super) fn decode_header(bytes: &[u8]) -> Result<(Header, u32), FormatError> {
    if !bytes.starts_with(MAGIC) {
        return Err(FormatError::Foreign);
    }
    let head = bytes.get(..HEADER_BYTES).ok_or(FormatError::Header)?;
    let (checked, crc) = head.split_at(HEADER_BYTES - 4);
    if crc32fast::hash(checked) != u32::from_le_bytes(array(crc)) {
        return Err(FormatError::Header);
    }
    let version = u16::from_le_bytes(array(&head[8..]));
    if version != VERSION {
        return Err(FormatError::Version(version));
    }
    let millis = u64::from_le_bytes(array(&head[34..]));
    let created = UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH);
    let header =
        Header { identity: u64::from_le_bytes(array(&head[10..])), batch_id: array(&head[18..]), created };
    Ok((header, u32::from_le_bytes(array(&head[42..]))))
}

/// Every whole item, and whether there was nothing else.
fn decode_items(mut rest: &[u8]) -> (Vec<Item>, bool) {
    let (mut items, mut undamaged) = (Vec::new(), true);
    while !rest.is_empty() {
        if let Some((item, behind)) = first_item(rest) {
            items.push(item);
            rest = behind;
        } else {
            undamaged = false;
            let next = memchr::memmem::find(&rest[1..], ITEM_MAGIC).map_or(rest.len(), |at| at + 1);
            rest = &rest[next..];
        }
    }
    (items, undamaged)
}

fn first_item(bytes: &[u8]) -> Option<(Item, &[u8])> {
    let (head, behind) = bytes.split_at_checked(ITEM_HEADER_BYTES)?;
    let (length, kind): ([u8; 4], u8) = (array(&head[4..]), head[8]);
    let (content, behind) = behind.split_at_checked(usize::try_from(u32::from_le_bytes(length)).ok()?)?;
    let intact = head.starts_with(ITEM_MAGIC)
        && item_crc(length, kind, content) == u32::from_le_bytes(array(&head[9..]));
    intact.then(|| (Item::of_kind(kind, content), behind))
}

fn item_crc(length: [u8; 4], kind: u8, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(&[kind]);
    hasher.update(bytes);
    hasher.finalize()
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[..N]);
    array
}
