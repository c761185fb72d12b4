//! Whom one destination trusts and how it shows itself, where that is not what all the others do.
//!
//! Rule: the files are read once, before anything is sent, and no word of what is in them is ever shown.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::tls::{self, TlsError};
use super::transport::HttpTransport;
use crate::environment::VariableProblem;

/// Certificates of one destination: it then has an HTTP client of its own. Clones share that client.
///
/// ```
/// use charm_telemetry_core::delivery::{TlsFile, TlsFiles, TlsOptions};
///
/// let mut files = TlsFiles {
///     authority: TlsFile { variable: "SIREN_CERTIFICATE", path: None },
///     certificate: TlsFile { variable: "SIREN_CLIENT_CERTIFICATE", path: None },
///     key: TlsFile { variable: "SIREN_CLIENT_KEY", path: None },
/// };
/// assert!(TlsOptions::read(files)?.is_none(), "nothing of its own: the client that all share will do");
///
/// files.authority.path = Some("/nowhere.pem");
/// let problems = TlsOptions::read(files).err().unwrap();
/// assert!(problems[0].message.starts_with("`SIREN_CERTIFICATE` names `/nowhere.pem`"));
/// # Ok::<(), Vec<charm_telemetry_core::VariableProblem>>(())
/// ```
#[derive(Clone)]
pub struct TlsOptions(Arc<Own>);

struct Own {
    config: ClientConfig,
    /// Where an authority is named that the destination is to trust.
    authority: &'static str,
    client: OnceLock<HttpTransport>,
}

/// A variable that names a file in PEM, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsFile<'a> {
    /// The variable.
    pub variable: &'static str,
    /// The file, if the variable is set.
    pub path: Option<&'a str>,
}

/// The files that a destination may have of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsFiles<'a> {
    /// Certificates to trust, in place of the bundled ones and those of `SSL_CERT_FILE`.
    pub authority: TlsFile<'a>,
    /// The client's certificate, and those between it and its authority.
    pub certificate: TlsFile<'a>,
    /// The key of the client's certificate, not encrypted.
    pub key: TlsFile<'a>,
}

/// Longer is no file of certificates, or has no end.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

impl TlsOptions {
    /// What the files say; `None` if no file is named.
    ///
    /// # Errors
    /// Every file that cannot be used, by its variable; a key without a certificate, and the reverse.
    pub fn read(files: TlsFiles<'_>) -> Result<Option<Self>, Vec<VariableProblem>> {
        let TlsFiles { authority, certificate, key } = files;
        if [authority, certificate, key].iter().all(|file| file.path.is_none()) {
            return Ok(None);
        }
        let mut problems = Vec::new();
        let roots = kept(roots(authority), &mut problems);
        let chain = kept(certificate.parse(certificates), &mut problems).flatten();
        let secret = kept(key.parse(private_key), &mut problems).flatten();
        problems.extend(alone(certificate, key).or_else(|| alone(key, certificate)));
        let Some(roots) = roots.filter(|_| problems.is_empty()) else { return Err(problems) };
        let config = tls::config(roots, chain.zip(secret));
        let config = config.map_err(|error| vec![unfit(certificate, key, &error)])?;
        let variable = if authority.path.is_some() { authority.variable } else { tls::CERT_FILE };
        Ok(Some(Self(Arc::new(Own { config, authority: variable, client: OnceLock::new() }))))
    }

    /// The client, made at the first call.
    pub(super) fn transport(&self) -> Result<HttpTransport, TlsError> {
        if let Some(transport) = self.0.client.get() {
            return Ok(transport.clone());
        }
        let transport = HttpTransport::with(self.0.config.clone(), self.0.authority)?;
        Ok(self.0.client.get_or_init(|| transport).clone())
    }
}

/// Nothing of what is in the files.
impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions").field("authority", &self.0.authority).finish_non_exhaustive()
    }
}

impl TlsFile<'_> {
    fn problem(&self, why: impl fmt::Display) -> VariableProblem {
        let (variable, path) = (self.variable, self.path.unwrap_or_default());
        VariableProblem { variable, message: format!("`{variable}` names `{path}`: {why}"), missing: false }
    }

    /// `None` if no file is named.
    fn parse<T>(
        &self,
        parse: impl FnOnce(&[u8]) -> Result<T, &'static str>,
    ) -> Result<Option<T>, VariableProblem> {
        let Some(path) = self.path else { return Ok(None) };
        let mut pem = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut pem));
        read.map_err(|error| self.problem(explain(&error)))?;
        parse(&pem).map(Some).map_err(|why| self.problem(why))
    }
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

fn kept<T>(result: Result<T, VariableProblem>, problems: &mut Vec<VariableProblem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

/// The authorities of the file alone: who names one means that no other is to be believed.
fn roots(authority: TlsFile<'_>) -> Result<RootCertStore, VariableProblem> {
    let of_file = |pem: &[u8]| {
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(certificates(pem)?);
        if usable == 0 { Err(NO_CERTIFICATE) } else { Ok(roots) }
    };
    authority.parse(of_file)?.map_or_else(tls::trusted, Ok).map_err(|error| VariableProblem {
        variable: tls::CERT_FILE,
        message: error.to_string(),
        missing: false,
    })
}

const NO_CERTIFICATE: &str = "there is no certificate in it; it must be PEM, with `BEGIN CERTIFICATE`";
const NO_KEY: &str = "there is no private key in it that can be read; it must be PEM, with `BEGIN PRIVATE KEY`, `BEGIN RSA PRIVATE KEY` or `BEGIN EC PRIVATE KEY`, and not encrypted";

/// What the reader of PEM has to say is not shown: it may quote the file.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(NO_CERTIFICATE)
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, &'static str> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| NO_KEY)
}

/// Half of an identity.
fn alone(one: TlsFile<'_>, other: TlsFile<'_>) -> Option<VariableProblem> {
    let is_alone = one.path.is_some() && other.path.is_none();
    is_alone.then(|| {
        one.problem(format_args!("that is of no use alone; set `{}` too, or neither", other.variable))
    })
}

fn unfit(certificate: TlsFile<'_>, key: TlsFile<'_>, error: &rustls::Error) -> VariableProblem {
    match error {
        rustls::Error::InvalidCertificate(why) => {
            certificate.problem(format_args!("its first certificate is not valid: {why:?}"))
        }
        rustls::Error::InconsistentKeys(_) => {
            let other = certificate.path.unwrap_or_default();
            key.problem(format_args!("it is not the key of the first certificate in `{other}`"))
        }
        _ => key.problem(
            "the key is of no kind that can be used; take RSA, ECDSA (P-256, P-384, P-521) or Ed25519",
        ),
    }
}

#[cfg(test)]
mod tests;
