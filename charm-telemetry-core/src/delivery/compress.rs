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

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_compressed_comes_back_and_is_smaller() {
        let spans = (0..4000)
            .map(|n| serde_json::json!({"span_id": format!("{:016x}", n * 7919), "name": "tool", "n": n}));
        let text = spans.collect::<serde_json::Value>().to_string();
        let zstd = compress(text.as_bytes(), Encoding::Zstd);
        let mut back = Vec::new();
        ruzstd::decoding::StreamingDecoder::new(zstd.as_slice()).unwrap().read_to_end(&mut back).unwrap();
        assert_eq!(back, text.as_bytes());
        let gzip = compress(text.as_bytes(), Encoding::Gzip);
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(gzip.as_slice()).read_to_end(&mut back).unwrap();
        assert_eq!(back, text.as_bytes());
        println!("{} bytes: zstd {}, gzip {}", text.len(), zstd.len(), gzip.len());
        assert!(zstd.len() < text.len() / 3 && gzip.len() < text.len() / 3);
        assert_eq!(compress(text.as_bytes(), Encoding::Identity), text.as_bytes());
    }
}
