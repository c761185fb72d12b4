//! What is to be compiled in.
//!
//! Rule: this says what was asked for, before anything was looked up.

use std::path::PathBuf;
use std::str::FromStr;

use crate::error::RequestError;

/// The wish for a runner.
#[derive(Debug, Clone, Default)]
pub struct RunnerRequest {
    /// The features of `charm-runner`; `None` is its default, all vendor exporters.
    pub features: Option<Vec<String>>,
    /// Names out of `runtime.telemetry`, each a feature or registered by one of `with`.
    pub telemetry: Vec<String>,
    /// Third parties.
    pub with: Vec<WithCrate>,
    /// The folder of the crate `charm-runner`, if it is not the one of the current workspace.
    pub runner: Option<PathBuf>,
    /// A lock file to build by, written if it is not there.
    pub lock: Option<PathBuf>,
    /// The registry of those of `with` that have no path, by its name in Cargo's configuration.
    pub registry: Option<String>,
    /// How much the linker optimises.
    pub lto: Lto,
}

impl RunnerRequest {
    /// Of a crate its folder is named.
    pub(crate) fn check(&self) -> Result<(), RequestError> {
        let is_file = |one: &&WithCrate| matches!(&one.source, WithSource::Path(path) if path.is_file());
        match self.with.iter().find(is_file) {
            Some(WithCrate { name, source: WithSource::Path(path) }) => {
                let path = path.display();
                Err(RequestError::Argument(format!(
                    "`--with {name}={path}` is a file; name the folder that has the crate's Cargo.toml"
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Optimisation across crates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Lto {
    /// None: the quickest build, the largest binary.
    Off,
    /// Between those two.
    Thin,
    /// The smallest binary, the slowest build.
    #[default]
    Fat,
}

/// One third-party exporter crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithCrate {
    /// The name of its package.
    pub name: String,
    /// Where it comes from.
    pub source: WithSource,
}

/// Where a crate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WithSource {
    /// A registry, and which version; `None` is the newest.
    Registry(Option<String>),
    /// A folder.
    Path(PathBuf),
}

impl FromStr for WithCrate {
    type Err = RequestError;

    /// `NAME`, `NAME@VERSION` or `NAME=PATH`.
    fn from_str(text: &str) -> Result<Self, RequestError> {
        let (name, source) = match (text.split_once('='), text.split_once('@')) {
            (Some((name, path)), _) if !name.contains('@') => (name, WithSource::Path(folder_of(path))),
            (_, Some((name, version))) => (name, WithSource::Registry(Some(version.to_owned()))),
            _ => (text, WithSource::Registry(None)),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let empty = matches!(&source, WithSource::Path(path) if path.as_os_str().is_empty())
            || matches!(&source, WithSource::Registry(Some(version)) if version.is_empty());
        if name.is_empty() || !name.chars().all(fits) || empty {
            return Err(RequestError::Argument(format!(
                "`--with {text}` names no crate; write `NAME`, `NAME@VERSION` or `NAME=PATH`"
            )));
        }
        Ok(Self { name: name.to_owned(), source })
    }
}

/// A crate is named by its folder; by its manifest as well, as cargo has it.
fn folder_of(path: &str) -> PathBuf {
    let folder = path.strip_suffix("Cargo.toml").filter(|folder| folder.is_empty() || folder.ends_with('/'));
    match folder {
        Some("") => ".".into(),
        Some(folder) => folder.into(),
        None => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{RunnerRequest, WithCrate, WithSource};

    fn check(text: &str, name: &str, source: WithSource) {
        assert_eq!(text.parse::<WithCrate>().unwrap(), WithCrate { name: name.to_owned(), source });
    }

    #[test]
    fn a_crate_comes_from_a_registry_or_a_folder() {
        check("webhook", "webhook", WithSource::Registry(None));
        check("webhook@1.2", "webhook", WithSource::Registry(Some("1.2".to_owned())));
        check("webhook@=1.2.3", "webhook", WithSource::Registry(Some("=1.2.3".to_owned())));
        check("webhook=../a@b=c", "webhook", WithSource::Path("../a@b=c".into()));
        check("webhook=../a/Cargo.toml", "webhook", WithSource::Path("../a".into()));
        check("webhook=Cargo.toml", "webhook", WithSource::Path(".".into()));
        check("webhook=myCargo.toml", "webhook", WithSource::Path("myCargo.toml".into()));
    }

    #[test]
    fn nonsense_is_refused_with_the_three_forms() {
        for text in ["", "=a", "a=", "a@", "a b", "../a"] {
            let error = text.parse::<WithCrate>().unwrap_err().to_string();
            assert!(error.ends_with("write `NAME`, `NAME@VERSION` or `NAME=PATH`"), "{error}");
        }
    }

    #[test]
    fn a_crate_that_is_a_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!("mine={}", file.path().display());
        let mut request = RunnerRequest::default();
        request.with.push(text.parse().unwrap());
        let expected = format!("`--with {text}` is a file; name the folder that has the crate's Cargo.toml");
        assert_eq!(request.check().unwrap_err().to_string(), expected);
        request.with[0].source = WithSource::Path(file.path().parent().unwrap().into());
        assert!(request.check().is_ok());
    }
}
