//! Files that can be used, and all the ways in which they cannot. Handshakes are tested with the runner.

use std::fs;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;

/// A folder with the files of two clients.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for client in ["a", "b"] {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(vec!["client.test".to_owned()]).unwrap();
            let certificate = certificate.self_signed(&key).unwrap();
            folder.write(&format!("{client}.pem"), &certificate.pem());
            folder.write(&format!("{client}.key"), &key.serialize_pem());
            folder.write(&format!("{client}.both"), &(key.serialize_pem() + &certificate.pem()));
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    /// Authority, certificate and key, by the names of their files; empty for none.
    fn read(&self, names: [&str; 3]) -> Result<Option<TlsOptions>, Vec<String>> {
        let paths = names.map(|name| self.0.path().join(name).to_str().unwrap().to_owned());
        let file = |index: usize| TlsFile {
            variable: ["CA", "CERT", "KEY"][index],
            path: (!names[index].is_empty()).then_some(&*paths[index]),
        };
        let files = TlsFiles { authority: file(0), certificate: file(1), key: file(2) };
        let folder = format!("{}/", self.0.path().display());
        TlsOptions::read(files).map_err(|problems| {
            problems.into_iter().map(|problem| problem.message.replace(&folder, "")).collect()
        })
    }
}

#[test]
fn files_that_are_right_are_used_and_no_file_is_no_options() {
    let folder = Folder::new();
    assert!(folder.read(["", "", ""]).unwrap().is_none());
    for (names, identified) in [
        (["a.pem", "", ""], false),
        (["", "a.pem", "a.key"], true),
        (["b.pem", "a.pem", "a.key"], true),
        // All in one, with the key before the certificate.
        (["b.both", "a.both", "a.both"], true),
    ] {
        let options = folder.read(names).unwrap().expect("there are files");
        let config = &options.0.config;
        assert_eq!(config.client_auth_cert_resolver.has_certs(), identified, "{names:?}");
        assert_eq!(options.0.authority, if names[0].is_empty() { "SSL_CERT_FILE" } else { "CA" });
        options.transport().unwrap();
        assert!(options.clone().0.client.get().is_some(), "clones share the client");
    }
}

#[test]
fn each_file_that_cannot_be_used_is_told_with_its_variable_and_the_reason() {
    let folder = Folder::new();
    folder.write("empty", "");
    folder.write("torn", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    folder.write("noise", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    folder.write(
        "locked",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nhunter2x\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    folder.write("odd", "-----BEGIN PRIVATE KEY-----\nhunter2x\n-----END PRIVATE KEY-----\n");
    folder.write("broken", "-----BEGIN PRIVATE hunter2x\nhunter2x\n");
    let no_certificate = |variable: &str, name: &str| {
        format!(
            "`{variable}` names `{name}`: there is no certificate in it; it must be PEM, with `BEGIN CERTIFICATE`"
        )
    };
    let no_key = |name: &str| {
        format!(
            "`KEY` names `{name}`: there is no private key in it that can be read; it must be PEM, with `BEGIN PRIVATE KEY`, `BEGIN RSA PRIVATE KEY` or `BEGIN EC PRIVATE KEY`, and not encrypted"
        )
    };
    let said = str::to_owned;
    for (names, expected) in [
        (["none", "", ""], said("`CA` names `none`: there is no such file")),
        ([".", "", ""], said("`CA` names `.`: it cannot be read: Is a directory (os error 21)")),
        (["empty", "", ""], no_certificate("CA", "empty")),
        (["torn", "", ""], no_certificate("CA", "torn")),
        (["noise", "", ""], no_certificate("CA", "noise")),
        (["a.key", "", ""], no_certificate("CA", "a.key")),
        (["", "none", "a.key"], said("`CERT` names `none`: there is no such file")),
        (["", "a.key", "a.key"], no_certificate("CERT", "a.key")),
        (
            ["", "noise", "a.key"],
            said("`CERT` names `noise`: its first certificate is not valid: BadEncoding"),
        ),
        (["", "a.pem", "none"], said("`KEY` names `none`: there is no such file")),
        (["", "a.pem", "a.pem"], no_key("a.pem")),
        (["", "a.pem", "locked"], no_key("locked")),
        (["", "a.pem", "broken"], no_key("broken")),
        (
            ["", "a.pem", "odd"],
            said(
                "`KEY` names `odd`: the key is of no kind that can be used; take RSA, ECDSA (P-256, P-384, P-521) or Ed25519",
            ),
        ),
        (
            ["", "a.pem", "b.key"],
            said("`KEY` names `b.key`: it is not the key of the first certificate in `a.pem`"),
        ),
        (["", "a.pem", ""], said("`CERT` names `a.pem`: that is of no use alone; set `KEY` too, or neither")),
        (
            ["a.pem", "", "a.key"],
            said("`KEY` names `a.key`: that is of no use alone; set `CERT` too, or neither"),
        ),
    ] {
        assert_eq!(folder.read(names).unwrap_err(), [expected], "{names:?}");
    }
    let all = folder.read(["none", "empty", "locked"]).unwrap_err();
    assert_eq!(all.len(), 3, "all at once: {all:?}");
    assert!(!format!("{all:?}").contains("hunter2"));
}

#[test]
fn nothing_of_a_key_is_shown() {
    let folder = Folder::new();
    let options = folder.read(["", "a.pem", "a.key"]).unwrap().unwrap();
    assert_eq!(format!("{options:?}"), "TlsOptions { authority: \"SSL_CERT_FILE\", .. }");
}
