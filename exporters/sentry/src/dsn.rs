//! The address of a project: `https://KEY@HOST/PROJECT`.
//!
//! Rule: what is wrong is said without showing any part of the text, because an old DSN holds a secret.

use std::str::FromStr;

use charm_telemetry_core::Secret;

/// Where data goes, and the key that lets it in.
///
/// ```
/// use charm_telemetry_sentry::Dsn;
///
/// let dsn: Dsn = "https://abc@sentry.example.com/prefix/42".parse()?;
/// assert_eq!(dsn.envelope_url(), "https://sentry.example.com/prefix/api/42/envelope/");
/// # Ok::<(), charm_telemetry_sentry::DsnError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dsn {
    scheme: &'static str,
    public_key: String,
    secret_key: Option<Secret>,
    host: String,
    /// Empty, or with a slash at its front and none at its end.
    path: String,
    project: String,
}

/// Why a text is no DSN. Copy it anew from the project's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DsnError {
    /// It does not begin with `https://` or `http://`.
    #[error("it must begin with `https://` or `http://`")]
    Scheme,
    /// There is nothing before the `@`, or no `@`.
    #[error("it has no public key; write `https://KEY@HOST/PROJECT`")]
    NoKey,
    /// A key holds something that no key holds.
    #[error("its key has a character that is no letter, digit, `-` or `_`")]
    Key,
    /// There is nothing between `@` and `/`, or a port that is none.
    #[error("its host is missing or not valid; write `https://KEY@HOST/PROJECT`")]
    Host,
    /// There is nothing after the last `/`.
    #[error("it has no project at its end; write `https://KEY@HOST/PROJECT`")]
    NoProject,
    /// The project or the path before it has something that may not be in an address.
    #[error("its path has a character that may not be there; it must end with the number of the project")]
    Path,
}

impl Dsn {
    /// Where envelopes are posted. The slash at the end is part of it.
    pub fn envelope_url(&self) -> String {
        let Self { scheme, host, path, project, .. } = self;
        format!("{scheme}://{host}{path}/api/{project}/envelope/")
    }

    /// The project without its keys: whose data it is.
    pub fn identity(&self) -> String {
        let Self { scheme, host, path, project, .. } = self;
        format!("{scheme}://{host}{path}/{project}")
    }

    /// The key that is in every envelope. Not a secret: it can only send.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// The second key that old projects have.
    pub fn secret_key(&self) -> Option<&Secret> {
        self.secret_key.as_ref()
    }
}

impl FromStr for Dsn {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, DsnError> {
        let (scheme, rest) = scheme(text.trim())?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (keys, host) = authority.rsplit_once('@').ok_or(DsnError::NoKey)?;
        let (public_key, secret_key) = read_keys(keys)?;
        if !is_host(host) {
            return Err(DsnError::Host);
        }
        let (path, project) = read_path(path)?;
        Ok(Self { scheme, public_key, secret_key, host: host.to_owned(), path, project })
    }
}

fn scheme(text: &str) -> Result<(&'static str, &str), DsnError> {
    let found = ["https", "http"].into_iter().find_map(|scheme| {
        let rest = text.strip_prefix(scheme)?.strip_prefix("://")?;
        Some((scheme, rest))
    });
    found.ok_or(DsnError::Scheme)
}

fn read_keys(keys: &str) -> Result<(String, Option<Secret>), DsnError> {
    let (public, secret) = keys.split_once(':').unwrap_or((keys, ""));
    if public.is_empty() {
        return Err(DsnError::NoKey);
    }
    if ![public, secret].iter().all(|key| key.bytes().all(is_word)) {
        return Err(DsnError::Key);
    }
    Ok((public.to_owned(), (!secret.is_empty()).then(|| Secret::new(secret))))
}

/// A name, an address, or an IPv6 address between brackets; then perhaps a port.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, port)) => (address, Some(port.strip_prefix(':').unwrap_or("none"))),
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let name_byte = |b: u8| is_word(b) || b == b'.' || (b == b':' && host.starts_with('['));
    !name.is_empty() && name.bytes().all(name_byte) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn read_path(path: &str) -> Result<(String, String), DsnError> {
    let path = path.trim_end_matches('/');
    let (prefix, project) = path.rsplit_once('/').unwrap_or(("", path));
    if project.is_empty() {
        return Err(DsnError::NoProject);
    }
    let path_byte = |b: u8| is_word(b) || matches!(b, b'.' | b'~' | b'/' | b'%');
    if !project.bytes().all(is_word) || !prefix.bytes().all(path_byte) {
        return Err(DsnError::Path);
    }
    let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
    Ok((prefix, project.to_owned()))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
