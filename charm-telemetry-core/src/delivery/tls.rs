//! Whom we trust.
//!
//! Rule: the bundled roots and what `SSL_CERT_FILE` names, never the system's; ring, never a library of the system.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
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

/// TLS 1.2 and 1.3 with the bundled roots and those of `SSL_CERT_FILE`.
pub(crate) fn client_config() -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = env::var_os(CERT_FILE).filter(|path| !path.is_empty()) {
        add_file(&mut roots, Path::new(&path))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
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
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| fail(error.to_string()))?;
    let certificates: Vec<_> =
        certificates.collect::<Result<_, _>>().map_err(|error| fail(error.to_string()))?;
    if roots.add_parsable_certificates(certificates).0 == 0 {
        return Err(fail("there is none in it".to_owned()));
    }
    Ok(())
}
