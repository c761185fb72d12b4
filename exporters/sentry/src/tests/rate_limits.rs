//! Limits, as they come in headers, and the table of answers.

use std::time::{Duration, Instant, SystemTime};

use charm_telemetry_core::DropReason;
use charm_telemetry_core::delivery::{Disposition, Response};

use crate::classify::classify;
use crate::rate_limits::{Category, RateLimits};

use Category::{Error, Internal, Span, Transaction};

/// Which categories are limited so many seconds after these answers.
fn limited(answers: &[Response], after: f64) -> Vec<Category> {
    let now = Instant::now();
    let mut limits = RateLimits::default();
    for answer in answers {
        limits.learn(answer, now, SystemTime::now());
    }
    let then = now + Duration::from_secs_f64(after);
    [Error, Transaction, Span, Internal]
        .into_iter()
        .filter(|category| limits.forbid(*category, then))
        .collect()
}

fn header(status: u16, value: &str) -> Response {
    Response::new(status).with_header("X-Sentry-Rate-Limits", value)
}

#[track_caller]
fn check(value: &str, expected: &[Category]) {
    for status in [200, 429, 503] {
        assert_eq!(limited(&[header(status, value)], 1.0), expected, "{status} `{value}`");
    }
}

#[test]
fn a_header_limits_what_it_names_with_any_status() {
    check("60:error:organization", &[Error]);
    check("60:transaction;span:key:quota, 30:foo_unknown:org", &[Transaction, Span]);
    check("60:transaction:key", &[Transaction]);
    check(" 60 : span ; error : organization : reason : ns1;ns2 : more : fields ", &[Error, Span]);
    check("1.5:span:key", &[Span]);
    check("60::organization", &[Error, Transaction, Span, Internal]);
    check("60", &[Error, Transaction, Span, Internal]);
    check("60:default;session;log_item;attachment:key", &[]);
    check("60:foo_unknown:org", &[]);
    check("0:error:key", &[]);
    check("60:internal:key", &[]);
}

#[test]
fn a_header_that_cannot_be_read_limits_nothing_on_a_success() {
    for garbage in ["", "soon:error:key", "-5:error:key", "NaN:error:key", "inf:error:key", ":::", ",,,"] {
        assert_eq!(limited(&[header(200, garbage)], 1.0), [], "`{garbage}`");
    }
    assert_eq!(limited(&[header(200, "soon:error:key, 60:span:key")], 1.0), [Span]);
}

#[test]
fn a_limit_ends_to_the_fraction_of_a_second() {
    let answer = [header(200, "1.5:span:key")];
    assert_eq!(limited(&answer, 1.4), [Span]);
    assert_eq!(limited(&answer, 1.6), []);
}

#[test]
fn the_longer_limit_counts_whichever_came_first() {
    let (long, short) = (header(200, "60:error:key"), header(429, "5:error:key"));
    assert_eq!(limited(&[long.clone(), short.clone()], 30.0), [Error]);
    assert_eq!(limited(&[short.clone(), long], 30.0), [Error]);
    assert_eq!(limited(&[short], 30.0), []);
}

#[test]
fn several_headers_count_together() {
    let answer = header(200, "60:error:key").with_header("X-Sentry-Rate-Limits", "60:span:key");
    assert_eq!(limited(&[answer], 1.0), [Error, Span]);
}

#[test]
fn without_the_header_a_429_limits_everything() {
    let all = [Error, Transaction, Span, Internal];
    let answer = |value: &str| [Response::new(429).with_header("Retry-After", value)];
    assert_eq!(limited(&answer("10"), 9.0), all);
    assert_eq!(limited(&answer("10"), 11.0), []);
    assert_eq!(limited(&answer("soon"), 59.0), all);
    assert_eq!(limited(&[Response::new(429)], 59.0), all);
    assert_eq!(limited(&[Response::new(429)], 61.0), []);
    let date = "Fri, 31 Dec 2100 23:59:59 GMT";
    assert_eq!(limited(&answer(date), 100.0), all);
}

#[test]
fn the_header_wins_over_retry_after_and_other_statuses_limit_nothing_by_themselves() {
    let answer = header(429, "60:span:key").with_header("Retry-After", "600");
    assert_eq!(limited(std::slice::from_ref(&answer), 1.0), [Span]);
    assert_eq!(limited(&[answer], 100.0), []);
    assert_eq!(limited(&[Response::new(503).with_header("Retry-After", "10")], 1.0), []);
}

#[test]
fn a_limit_without_measure_is_believed_for_a_month() {
    let answer = [header(200, "99999999999999:error:key")];
    assert_eq!(limited(&answer, 1e6), [Error]);
    assert_eq!(limited(&answer, 3e6), []);
}

#[test]
fn every_answer_has_a_meaning() {
    let meaning = |status| classify(&Response::new(status));
    for status in [200, 201, 202, 204] {
        assert_eq!(meaning(status), Disposition::Delivered);
    }
    assert_eq!(meaning(429), Disposition::Drop(DropReason::RateLimited));
    let with_time = Response::new(429).with_header("Retry-After", "1");
    assert_eq!(classify(&with_time), Disposition::Drop(DropReason::RateLimited));
    assert_eq!(meaning(413), Disposition::TooLarge);
    assert_eq!((meaning(400), meaning(422)), (Disposition::Bisect, Disposition::Bisect));
    for status in [301, 307, 401, 403, 404, 405, 407] {
        assert_eq!(meaning(status), Disposition::Pause, "{status}");
    }
    for status in [408, 425, 500, 502, 503, 504, 599] {
        assert_eq!(meaning(status), Disposition::RetryAfter(None), "{status}");
    }
    for status in [402, 410, 451, 501] {
        assert_eq!(meaning(status), Disposition::Drop(DropReason::PermanentStatus), "{status}");
    }
}
