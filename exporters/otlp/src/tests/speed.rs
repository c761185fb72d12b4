//! Our encoder beside that of the official types: why there is one of our own.
//!
//! Rule: both write the same span, whose attributes are all there before; the times are printed for `cargo xtask bench`, and decide nothing here.

use std::hint::black_box;
use std::time::Instant;

use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use super::encoding::wire;
use super::script::*;
use crate::encode::encode;
use crate::protobuf;

/// How often the spans are encoded: a build that is not optimized only shows that it works.
const ROUNDS: u32 = if cfg!(debug_assertions) { 1 } else { 20_000 };

/// Nanoseconds for one span.
fn timed(spans: u32, mut once: impl FnMut()) -> f64 {
    let started = Instant::now();
    (0..ROUNDS).for_each(|_| once());
    started.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS * spans)
}

#[test]
fn our_encoder_and_the_official_one_write_the_same_span() {
    let (spans, options) = (whole_run(), options());
    let official: Vec<_> = spans.iter().map(|span| wire(span, &options)).collect();
    for (span, official) in spans.iter().zip(&official) {
        let ours = protobuf::span(&encode(span, &options));
        let read = |bytes: &[u8]| Span::decode(bytes).expect("the official types can read it");
        assert_eq!(read(&ours), read(&official.encode_to_vec()));
    }
    let count = u32::try_from(spans.len()).expect("a run has a handful");
    let mapped: Vec<_> = spans.iter().map(|span| encode(span, &options)).collect();
    let ours = timed(count, || {
        for span in &mapped {
            black_box(protobuf::span(span));
        }
    });
    let theirs = timed(count, || {
        for span in &official {
            black_box(span.encode_to_vec());
        }
    });
    println!("otlp_span_ns {ours:.0}");
    println!("otlp_span_official_types_ns {theirs:.0}");
}
