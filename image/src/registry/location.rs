//! Addresses that a registry sends us to.
//!
//! Rule: two addresses are of one place only if scheme, host and port are the same; the default port may be left out.

use ureq::http::Uri;

use crate::reference::is_loopback_host;

/// `https://host:port` of an address, without a port that is the default.
pub(super) fn origin_of(address: &str) -> String {
    let Ok(uri) = address.parse::<Uri>() else { return String::new() };
    let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
    let default = if scheme == "https" { 443 } else { 80 };
    let port = uri.port_u16().filter(|port| *port != default).map(|port| format!(":{port}"));
    format!("{scheme}://{}{}", host.to_ascii_lowercase(), port.unwrap_or_default())
}

/// Whether nobody on the way can read what is sent there.
pub(super) fn is_encrypted_or_here(address: &str) -> bool {
    let Ok(uri) = address.parse::<Uri>() else { return false };
    uri.scheme_str() == Some("https") || uri.host().is_some_and(is_loopback_host)
}

/// Where `next` leads, as seen from an address. A registry behind a proxy may not know that it is spoken to over TLS: to the
/// same host that stays.
pub(super) fn resolve(from: &str, next: &str) -> String {
    let at = joined(from, next);
    let encrypted = at.replacen("http:", "https:", 1);
    if at.starts_with("http:") && origin_of(&encrypted) == origin_of(from) { encrypted } else { at }
}

/// Whether the second origin is the first one over TLS: the same host, and the same port or both the default.
pub(super) fn is_over_tls(plain: &str, other: &str) -> bool {
    let rest = |scheme: &str, origin: &str| origin.strip_prefix(scheme).map(str::to_owned);
    rest("http://", plain).is_some_and(|place| rest("https://", other) == Some(place))
}

fn joined(from: &str, next: &str) -> String {
    let is_whole = |text: &str| text.starts_with("http://") || text.starts_with("https://");
    let (scheme, rest) = from.split_once("://").unwrap_or(("https", from));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    match next {
        _ if is_whole(next) => next.to_owned(),
        _ if next.starts_with("//") => format!("{scheme}:{next}"),
        _ if next.starts_with('/') => format!("{scheme}://{host}{next}"),
        _ => {
            let folder = path.split('?').next().unwrap_or_default().rsplit_once('/');
            let folder = folder.map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
            format!("{scheme}://{host}/{folder}{next}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_encrypted_or_here, is_over_tls, origin_of, resolve};

    #[test]
    fn a_place_is_scheme_host_and_port() {
        for (address, expected) in [
            ("https://A.io/v2/", "https://a.io"),
            ("https://a.io:443/v2/", "https://a.io"),
            ("https://a.io:8443/v2/x?y=z", "https://a.io:8443"),
            ("http://[::1]:80/x", "http://[::1]"),
            ("http://user@a.io:81", "http://a.io:81"),
        ] {
            assert_eq!(origin_of(address), expected, "for `{address}`");
        }
    }

    #[test]
    fn a_registry_answers_with_whole_addresses_and_with_parts_of_them() {
        for (next, expected) in [
            ("https://b.io/x", "https://b.io/x"),
            ("//b.io/x", "https://b.io/x"),
            ("/x?y", "https://a.io:5/x?y"),
            ("x", "https://a.io:5/v2/x"),
        ] {
            assert_eq!(resolve("https://a.io:5/v2/blobs?q=a/b", next), expected, "for `{next}`");
        }
        assert_eq!(resolve("https://a.io", "/v2/"), "https://a.io/v2/");
    }

    #[test]
    fn what_is_encrypted_stays_so_at_one_host() {
        for (from, next, expected) in [
            ("https://a.io/v2/", "http://a.io/up", "https://a.io/up"),
            ("https://a.io:5/v2/", "http://a.io:5/up", "https://a.io:5/up"),
            ("https://a.io/v2/", "http://b.io/up", "http://b.io/up"),
            ("http://localhost:5/v2/", "http://localhost:5/up", "http://localhost:5/up"),
        ] {
            assert_eq!(resolve(from, next), expected, "for `{next}`");
        }
    }

    #[test]
    fn only_the_same_place_over_tls_is_the_same_registry() {
        for (plain, other, expected) in [
            ("http://localhost:5", "https://localhost:5", true),
            // The name `localhost/a` means both ports.
            ("http://localhost", "https://localhost", true),
            ("http://localhost:5", "https://localhost:6", false),
            ("http://localhost:5", "https://localhost", false),
            ("http://localhost", "https://localhost:80", false),
            ("http://localhost:5", "https://127.0.0.1:5", false),
            ("http://localhost:5", "https://a.io:5", false),
            ("http://localhost:5", "http://localhost:5", false),
            ("https://localhost:5", "http://localhost:5", false),
            ("https://localhost:5", "https://localhost:5", false),
        ] {
            assert_eq!(is_over_tls(plain, other), expected, "from `{plain}` to `{other}`");
        }
    }

    #[test]
    fn in_the_clear_only_to_this_machine() {
        for (address, expected) in [
            ("https://a.io/", true),
            ("http://127.0.0.1:5/", true),
            ("http://[::1]:5/", true),
            ("http://localhost/", true),
            ("http://a.io/", false),
            ("http://localhost.a.io/", false),
            ("http://127.0.0.1@a.io/", false),
            ("ftp://a.io/", false),
        ] {
            assert_eq!(is_encrypted_or_here(address), expected, "for `{address}`");
        }
    }
}
