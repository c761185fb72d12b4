//! What answers mean: the whole table.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use charm_telemetry_core::DropReason;
use charm_telemetry_core::delivery::{Disposition, Response};

use crate::classify::classify;

const NOW: u64 = 1_795_366_135;

fn meaning(response: &Response) -> Disposition {
    classify(response, UNIX_EPOCH + Duration::from_secs(NOW))
}

fn after(seconds: u64) -> Disposition {
    Disposition::RetryAfter(Some(Duration::from_secs(seconds)))
}

#[test]
fn every_status_has_its_meaning() {
    let check = |statuses: &[u16], expected: Disposition| {
        for &status in statuses {
            assert_eq!(meaning(&Response::new(status)), expected, "{status}");
        }
    };
    check(&[200, 202, 204], Disposition::Delivered);
    check(&[400, 422], Disposition::Bisect);
    check(&[301, 307, 401, 403, 404, 405], Disposition::Pause);
    check(&[413], Disposition::TooLarge);
    check(&[408, 425, 429, 500, 502, 503, 504], Disposition::RetryAfter(None));
    check(&[402, 410, 501], Disposition::Drop(DropReason::PermanentStatus));
}

#[test]
fn a_rate_limit_is_waited_for_as_long_as_it_says_in_either_manner() {
    let limited = |reset: &str| meaning(&Response::new(429).with_header("X-RateLimit-Reset", reset));
    assert_eq!(limited("7"), after(7));
    assert_eq!(limited(&(NOW + 12).to_string()), after(12));
    assert_eq!(limited(&(NOW - 12).to_string()), after(0), "it is over");
    assert_eq!(limited("soon"), Disposition::RetryAfter(None));
}

#[test]
fn of_two_waits_the_longer_one_counts() {
    let limited = |reset: &str, after: &str| {
        meaning(&Response::new(429).with_header("x-ratelimit-reset", reset).with_header("Retry-After", after))
    };
    assert_eq!(limited("7", "60"), after(60));
    assert_eq!(limited("60", "7"), after(60));
    assert_eq!(limited(&(NOW - 12).to_string(), "60"), after(60), "what is over hides nothing");
    assert_eq!(limited("soon", "7"), after(7));
    assert_eq!(limited("7", "soon"), after(7));
}

#[test]
fn retry_after_counts_where_there_is_no_reset() {
    for status in [408, 429, 503] {
        assert_eq!(meaning(&Response::new(status).with_header("Retry-After", "9")), after(9), "{status}");
    }
}

#[test]
fn an_answer_far_from_the_clock_does_no_harm() {
    let answer = Response::new(429).with_header("x-ratelimit-reset", "99999999999999999999");
    assert_eq!(meaning(&answer), Disposition::RetryAfter(None));
    let answer = Response::new(429).with_header("x-ratelimit-reset", "1795366140");
    assert_eq!(
        classify(&answer, SystemTime::UNIX_EPOCH),
        after(1_795_366_140),
        "delivery believes five minutes of it"
    );
}
