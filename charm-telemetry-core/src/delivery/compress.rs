//! Making bodies smaller.
//!
//! Rule: fast before small (the lowest levels), and in Rust alone.
//!
//! Zstandard is written by `ruzstd`: the C library is faster and smaller in output, but needs a C cross-compiler for
//! every target of an image and adds half a megabyte to the binary, for the one vendor who prefers it to gzip.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::request::Encoding;

/// The body as it goes over the wire.
pub(super) fn compress(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Identity => bytes.to_vec(),
        Encoding::Gzip => gzip(bytes),
        Encoding::Zstd => compress_to_vec(bytes, CompressionLevel::Fastest),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail")
}
