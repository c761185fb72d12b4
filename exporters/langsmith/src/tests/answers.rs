//! The tables: what `/info` says, and what an answer means.
//!
//! Rule: pure functions, so that every line of a table is a line here.

use std::time::Duration;

use charm_telemetry_core::DropReason;
use charm_telemetry_core::delivery::{Disposition, Encoding, Response};

use crate::classify::classify;
use crate::dialect::Dialect;

fn means(status: u16) -> Disposition {
    classify(&Response::new(status), Dialect::default()).0
}

#[test]
fn every_status_means_what_the_table_says() {
    for status in [200, 202, 204, 409] {
        assert_eq!(means(status), Disposition::Delivered, "{status}");
    }
    for status in [408, 425, 500, 502, 503, 504, 520] {
        assert_eq!(means(status), Disposition::RetryAfter(None), "{status}");
    }
    for status in [400, 422] {
        assert_eq!(means(status), Disposition::Bisect, "{status}");
    }
    for status in [401, 403, 405, 302] {
        assert_eq!(means(status), Disposition::Pause, "{status}");
    }
    assert_eq!(means(413), Disposition::TooLarge);
    for status in [415, 418, 501] {
        assert_eq!(means(status), Disposition::Drop(DropReason::PermanentStatus), "{status}");
    }
}

#[test]
fn a_rate_limit_is_waited_for_though_the_server_names_no_time() {
    assert_eq!(means(429), Disposition::RetryAfter(Some(Duration::from_secs(10))));
    for status in [429, 503] {
        let named = Response::new(status).with_header("Retry-After", "3");
        let (disposition, _) = classify(&named, Dialect::default());
        assert_eq!(disposition, Disposition::RetryAfter(Some(Duration::from_secs(3))));
    }
}

#[test]
fn a_server_without_multipart_is_spoken_to_by_batch_and_uncompressed() {
    let zstd = Dialect { compression: Encoding::Zstd, ..Dialect::default() };
    let (disposition, batch) = classify(&Response::new(404), zstd);
    assert_eq!(disposition, Disposition::Reassemble);
    assert_eq!((batch.multipart, batch.encoding()), (false, Encoding::Identity));
    let (disposition, again) = classify(&Response::new(404), batch);
    assert_eq!((disposition, again), (Disposition::Pause, zstd), "the address is wrong, not the endpoint");
}

#[test]
fn a_compression_that_is_refused_after_all_is_not_used_again() {
    let zstd = Dialect { compression: Encoding::Zstd, ..Dialect::default() };
    let (disposition, plain) = classify(&Response::new(415), zstd);
    assert_eq!((disposition, plain), (Disposition::Reassemble, Dialect::default()));
    let (disposition, _) = classify(&Response::new(415), plain);
    assert_eq!(disposition, Disposition::Drop(DropReason::PermanentStatus));
}

fn told(body: &str) -> Dialect {
    Dialect::of_info(Some(&Response::new(200).with_body(body)))
}

#[test]
fn a_server_that_does_not_tell_gets_uncompressed_multipart() {
    let plain = Dialect::default();
    assert_eq!((plain.multipart, plain.encoding()), (true, Encoding::Identity));
    assert_eq!(Dialect::of_info(None), plain);
    for answer in ["", "<html>", "{}", "[]", "null", r#"{"instance_flags":null,"batch_ingest_config":{}}"#] {
        assert_eq!(told(answer), plain, "{answer}");
    }
    let refused = Response::new(404).with_body(r#"{"instance_flags":{"zstd_compression_enabled":true}}"#);
    assert_eq!(Dialect::of_info(Some(&refused)), plain);
}

#[test]
fn compression_is_used_only_if_the_server_allows_it() {
    let flags = |flags: &str| told(&format!("{{\"instance_flags\":{{{flags}}}}}")).encoding();
    assert_eq!(flags(r#""zstd_compression_enabled":true,"gzip_body_enabled":true"#), Encoding::Zstd);
    assert_eq!(flags(r#""zstd_compression_enabled":false,"gzip_body_enabled":true"#), Encoding::Gzip);
    assert_eq!(flags(r#""zstd_compression_enabled":false"#), Encoding::Identity);
    assert_eq!(flags(r#""other":{"x":1}"#), Encoding::Identity);
}

#[test]
fn the_server_may_ask_for_less_but_not_for_more() {
    let less = told(
        r#"{"batch_ingest_config":{"use_multipart_endpoint":false,"size_limit":7,"size_limit_bytes":5000}}"#,
    );
    assert_eq!((less.multipart, less.max_runs, less.max_bytes), (false, 7, 5000));
    let more = told(r#"{"batch_ingest_config":{"size_limit":1000,"size_limit_bytes":20971520}}"#);
    assert_eq!((more.max_runs, more.max_bytes), (100, 4_194_304));
    let none = told(r#"{"batch_ingest_config":{"size_limit":0,"size_limit_bytes":0}}"#);
    assert_eq!((none.max_runs, none.max_bytes), (100, 4_194_304));
}
