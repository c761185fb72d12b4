//! The address of a project, in all its spellings.

use crate::{Dsn, DsnError};

#[track_caller]
fn check(text: &str, url: &str) {
    let dsn: Dsn = text.parse().unwrap();
    assert_eq!(dsn.envelope_url(), url, "{text}");
}

#[test]
fn a_dsn_says_where_envelopes_go() {
    check("https://abc@o1.ingest.sentry.io/42", "https://o1.ingest.sentry.io/api/42/envelope/");
    check("http://abc:def@localhost:8000/1", "http://localhost:8000/api/1/envelope/");
    check("https://abc@host/a/prefix/42", "https://host/a/prefix/api/42/envelope/");
    check("https://abc@host/42/", "https://host/api/42/envelope/");
    check("http://abc@[::1]:9000/my-project", "http://[::1]:9000/api/my-project/envelope/");
    check(" https://abc@host/42 ", "https://host/api/42/envelope/");
}

#[test]
fn the_secret_key_is_optional_and_never_shown() {
    let dsn: Dsn = "https://abc:sesame@host/42".parse().unwrap();
    assert_eq!(dsn.secret_key().map(|key| key.expose().to_owned()).as_deref(), Some("sesame"));
    assert!(!format!("{dsn:?}").contains("sesame"));
    assert!("https://abc@host/42".parse::<Dsn>().unwrap().secret_key().is_none());
}

#[test]
fn the_identity_of_a_project_stays_when_its_keys_change() {
    let identity = |text: &str| text.parse::<Dsn>().unwrap().identity();
    assert_eq!(identity("https://abc:def@host/42"), identity("https://xyz@host/42"));
    assert_ne!(identity("https://abc@host/42"), identity("https://abc@host/43"));
    assert!(!identity("https://abc@host/42").contains("abc"));
}

#[test]
fn what_is_no_dsn_says_why_without_any_part_of_it() {
    for (text, why) in [
        ("sesame", DsnError::Scheme),
        ("ftp://sesame@host/42", DsnError::Scheme),
        ("https://host/42", DsnError::NoKey),
        ("https://@host/42", DsnError::NoKey),
        ("https://:sesame@host/42", DsnError::NoKey),
        ("https://ses ame@host/42", DsnError::Key),
        ("https://abc\n@host/42", DsnError::Key),
        ("https://sesame@/42", DsnError::Host),
        ("https://sesame@host:port/42", DsnError::Host),
        ("https://sesame@host:99999/42", DsnError::Host),
        ("https://sesame@[::1/42", DsnError::Host),
        ("https://sesame@host", DsnError::NoProject),
        ("https://sesame@host/", DsnError::NoProject),
        ("https://sesame@host/42?key=sesame", DsnError::Path),
        ("https://sesame@host/a b/42", DsnError::Path),
    ] {
        let error = text.parse::<Dsn>().unwrap_err();
        assert_eq!(error, why, "{text}");
        assert!(!error.to_string().contains("sesame"));
    }
}
