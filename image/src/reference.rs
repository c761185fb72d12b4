//! The name of an image: registry, repository, tag, digest.
//!
//! Rule: what was typed is checked completely before anyone is asked for it.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::error::RequestError;

/// `registry.example.com:5000/team/runner:1.2@sha256:...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The registry, with its port. `docker.io` if none was named.
    pub registry: String,
    /// The path in the registry.
    pub repository: String,
    /// The tag. `latest` if neither it nor a digest was given.
    pub tag: Option<String>,
    /// The digest, if the image is pinned.
    pub digest: Option<Digest>,
}

const DEFAULT_REGISTRY: &str = "docker.io";

impl Reference {
    /// The host that is asked, which for Docker's own registry is not the one in the name.
    pub(crate) fn endpoint(&self) -> &str {
        if self.registry == DEFAULT_REGISTRY { "registry-1.docker.io" } else { &self.registry }
    }

    /// Whether the registry is on this machine: only then is plain HTTP spoken.
    pub fn is_loopback(&self) -> bool {
        let bracket = self.registry.find(']').map(|at| &self.registry[..=at]);
        is_loopback_host(bracket.unwrap_or_else(|| self.registry.split(':').next().unwrap_or_default()))
    }

    /// The last part of a manifest's address.
    pub(crate) fn selector(&self) -> &str {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.as_str(),
            (None, Some(tag)) => tag,
            (None, None) => "latest",
        }
    }

    /// Without tag and digest.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }
}

/// Whether this host, an IPv6 address in brackets, is this machine by its name alone.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl FromStr for Reference {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        parse(text).map_err(|reason| RequestError::Reference { text: text.to_owned(), reason })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))?;
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

fn parse(text: &str) -> Result<Reference, String> {
    if let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
        return Err(format!("a reference has no scheme; write `{rest}`"));
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(parse_digest(digest)?)),
        None => (text, None),
    };
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(parse_tag(tag)?)),
        _ => (name, None),
    };
    let (registry, repository) = split_registry(path);
    check_registry(&registry)?;
    check_repository(&repository)?;
    let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
    Ok(Reference { registry, repository, tag, digest })
}

/// The first part is a registry if it looks like a host: with a dot, a port, or `localhost`.
fn split_registry(path: &str) -> (String, String) {
    match path.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => match host {
            "index.docker.io" | DEFAULT_REGISTRY => (DEFAULT_REGISTRY.to_owned(), with_library(rest)),
            _ => (host.to_owned(), rest.to_owned()),
        },
        _ => (DEFAULT_REGISTRY.to_owned(), with_library(path)),
    }
}

fn check_registry(registry: &str) -> Result<(), String> {
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (registry, None),
    };
    let bad = |what: &str| Err(format!("`{registry}` is no registry: {what}"));
    if port
        .is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().is_err())
    {
        return bad("its port is no number up to 65535; write `HOST:PORT`");
    }
    if !is_host(host) {
        return bad("write a host of letters, digits, `-` and `.`, or an address, as `[::1]`");
    }
    Ok(())
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let ends_fit = label.starts_with(is_alphanumeric) && label.ends_with(is_alphanumeric);
        ends_fit && label.chars().all(|c| is_alphanumeric(c) || c == '-')
    };
    host.split('.').all(is_label)
}

fn is_alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn with_library(path: &str) -> String {
    if path.contains('/') { path.to_owned() } else { format!("library/{path}") }
}

fn parse_digest(text: &str) -> Result<Digest, String> {
    Digest::parse(text).ok_or_else(|| format!("`{text}` is no digest; write `sha256:` and 64 hex digits"))
}

fn parse_tag(tag: &str) -> Result<String, String> {
    let first_fits = tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let fits = tag.len() <= 128 && tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let way_out = "write up to 128 letters, digits, `.`, `_`, `-`, not beginning with `.` or `-`";
    (first_fits && fits).then(|| tag.to_owned()).ok_or_else(|| format!("`{tag}` is no tag; {way_out}"))
}

fn check_repository(repository: &str) -> Result<(), String> {
    if repository.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(format!("a repository is in lower case; write `{}`", repository.to_lowercase()));
    }
    let fits = !repository.is_empty() && repository.split('/').all(is_component);
    let way_out = "write words of lower-case letters and digits, joined by `.`, `_`, `-` or `/`";
    // What was completed is told as it was typed.
    let typed = repository.strip_prefix("library/").unwrap_or(repository);
    if fits { Ok(()) } else { Err(format!("`{typed}` is no repository; {way_out}")) }
}

fn is_component(part: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let ends_fit = part.starts_with(alphanumeric) && part.ends_with(alphanumeric);
    ends_fit && part.chars().all(|c| alphanumeric(c) || "._-".contains(c)) && !part.contains("..")
}

#[cfg(test)]
mod tests {
    use super::Reference;

    fn check(text: &str, expected: &str) {
        let found = match text.parse::<Reference>() {
            Ok(reference) => reference.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "for `{text}`");
    }

    #[test]
    fn a_short_name_is_completed() {
        check("python", "docker.io/library/python:latest");
        check("python:3.11", "docker.io/library/python:3.11");
        check("team/app", "docker.io/team/app:latest");
        check("index.docker.io/python", "docker.io/library/python:latest");
        check("localhost/app:1", "localhost/app:1");
        check("127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c");
        check("[::1]:5000/a", "[::1]:5000/a:latest");
    }

    #[test]
    fn a_digest_replaces_the_default_tag() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        check(&format!("ghcr.io/a/b@{digest}"), &format!("ghcr.io/a/b@{digest}"));
        check(&format!("ghcr.io/a/b:1@{digest}"), &format!("ghcr.io/a/b:1@{digest}"));
    }

    #[test]
    fn a_bad_reference_says_what_to_write() {
        let prefix = |text: &str| format!("`{text}` is no image reference: ");
        check("Team/App", &(prefix("Team/App") + "a repository is in lower case; write `team/app`"));
        check("https://a.io/b", &(prefix("https://a.io/b") + "a reference has no scheme; write `a.io/b`"));
        check(
            "a:-b",
            &(prefix("a:-b")
                + "`-b` is no tag; write up to 128 letters, digits, `.`, `_`, `-`, not beginning with `.` or `-`"),
        );
        check(
            "a@sha256:12",
            &(prefix("a@sha256:12") + "`sha256:12` is no digest; write `sha256:` and 64 hex digits"),
        );
        check(
            "a:b:c",
            &(prefix("a:b:c")
                + "`a:b` is no repository; write words of lower-case letters and digits, joined by `.`, `_`, `-` or `/`"),
        );
        let host = "write a host of letters, digits, `-` and `.`, or an address, as `[::1]`";
        for (text, registry) in [
            ("<account>.dkr.ecr.eu-west-1.amazonaws.com/a:1", "<account>.dkr.ecr.eu-west-1.amazonaws.com"),
            ("my reg.io/a", "my reg.io"),
            ("reg..io/a", "reg..io"),
            ("-reg.io/a", "-reg.io"),
            (":5000/a", ":5000"),
            ("[::g]:1/a", "[::g]:1"),
            ("[::1/a", "[::1"),
        ] {
            check(text, &(prefix(text) + &format!("`{registry}` is no registry: {host}")));
        }
        for (text, registry) in [
            ("a.io:/b", "a.io:"),
            ("a.io:x/b", "a.io:x"),
            ("a.io:65536/b", "a.io:65536"),
            ("a.io:+1/b", "a.io:+1"),
        ] {
            let port = "its port is no number up to 65535; write `HOST:PORT`";
            check(text, &(prefix(text) + &format!("`{registry}` is no registry: {port}")));
        }
        check(
            "a//b",
            &(prefix("a//b")
                + "`a//b` is no repository; write words of lower-case letters and digits, joined by `.`, `_`, `-` or `/`"),
        );
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        for (text, expected) in [
            ("localhost:5000/a", true),
            ("127.8.0.1:5000/a", true),
            ("[::1]:5000/a", true),
            ("10.0.0.1:5000/a", false),
            ("localhost.example.com/a", false),
            ("a", false),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().is_loopback(), expected, "for `{text}`");
        }
    }
}
