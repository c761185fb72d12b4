//! Whom we trust.
//!
//! Rule: the bundled roots and what `SSL_CERT_FILE` names, or what one destination names, never the system's; ring, never
//! a library of the system.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("`SSL_CERT_FILE` names `{}`, which cannot be read as certificates: {why}", path.display())]
    CertFile { path: PathBuf, why: String },
    #[error("no TLS: {0}")]
    Rustls(#[from] rustls::Error),
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// TLS 1.2 and 1.3 with these authorities and, if there is one, an identity of our own.
pub(crate) fn config(
    roots: RootCertStore,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let trusting = versions.with_root_certificates(roots);
    match identity {
        Some((chain, key)) => trusting.with_client_auth_cert(chain, key),
        None => Ok(trusting.with_no_client_auth()),
    }
}

/// The bundled roots and those of `SSL_CERT_FILE`.
pub(crate) fn trusted() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = env::var_os(CERT_FILE).filter(|path| !path.is_empty()) {
        add_file(&mut roots, Path::new(&path))?;
    }
    Ok(roots)
}

/// Whether `SSL_CERT_FILE` can be used, before anything depends on it.
pub(crate) fn check_cert_file() -> Result<(), TlsError> {
    match env::var_os(CERT_FILE).filter(|path| !path.is_empty()) {
        Some(path) => add_file(&mut RootCertStore::empty(), Path::new(&path)),
        None => Ok(()),
    }
}

/// The certificates of one's own authority.
pub(crate) const CERT_FILE: &str = "SSL_CERT_FILE";

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let fail = |why: String| TlsError::CertFile { path: path.to_owned(), why };
    let pem = fs::read(path).map_err(|error| fail(error.to_string()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| fail(error.to_string()))?;
    if roots.add_parsable_certificates(certificates).0 == 0 {
        return Err(fail("there is none in it".to_owned()));
    }
    Ok(())
}
