//! Compresses a layer.
//!
//! Rule: the same bytes on every machine. So the compressor is named here, one without code for single processors: those
//! that have some find other matches on another machine, and the image would get another digest.

use miniz_oxide::deflate::compress_to_vec;

/// As `gzip -6` weighs time against size.
const LEVEL: u8 = 6;

/// No name, no time, and 255 for "unknown system": nothing in the header tells where it was made.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// The bytes as a gzip file.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut file = HEADER.to_vec();
    file.extend(compress_to_vec(bytes, LEVEL));
    file.extend(crc32fast::hash(bytes).to_le_bytes());
    // The format keeps the length modulo 2^32.
    file.extend((bytes.len() as u64).to_le_bytes()[..4].iter());
    file
}
