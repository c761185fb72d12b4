//! The `Cargo.toml` of the generated runner.
//!
//! Rule: the same request writes the same text, and no path in it leads out of the folder.

use std::fmt::Write as _;
use std::path::Path;

use super::cargo::{self, Package};
use super::links::Links;
use super::request::{Lto, RunnerRequest, WithCrate, WithSource};
use super::source::{Place, RUNNER, RunnerSource};

/// The `Cargo.toml`.
pub(super) struct CrateManifest<'a> {
    pub(super) source: &'a RunnerSource,
    pub(super) request: &'a RunnerRequest,
    pub(super) links: &'a Links,
    pub(super) local: &'a [Package],
    pub(super) features: Option<Vec<String>>,
}

impl CrateManifest<'_> {
    pub(super) fn text(&self) -> String {
        self.with_keys(&self.feature_keys())
    }

    /// As if no feature was chosen.
    pub(super) fn text_without_features(&self) -> String {
        self.with_keys("")
    }

    fn with_keys(&self, keys: &str) -> String {
        let mut text = String::from(HEAD);
        let _ = writeln!(text, "{RUNNER} = {{ {}{keys} }}", self.runner_place());
        let mut with: Vec<_> = self.request.with.iter().collect();
        with.sort_by(|one, other| one.name.cmp(&other.name));
        for with in with {
            let _ = writeln!(text, "{} = {{ {} }}", with.name, self.with_place(with));
        }
        self.patch(&mut text);
        let lto = match self.request.lto {
            Lto::Off => "false",
            Lto::Thin => "\"thin\"",
            Lto::Fat => "\"fat\"",
        };
        let units = if self.request.lto == Lto::Off { 16 } else { 1 };
        let _ = write!(text, "\n[profile.release]\nlto = {lto}\ncodegen-units = {units}\nstrip = true\n");
        text.push_str("# One exporter that panics must not end the runner.\npanic = \"unwind\"\n");
        text
    }

    fn runner_place(&self) -> String {
        match &self.source.place {
            Place::Folder(package) => self.path_key(package.folder()),
            elsewhere => elsewhere_key(elsewhere),
        }
    }

    fn feature_keys(&self) -> String {
        let Some(features) = &self.features else { return String::new() };
        let list = features.iter().map(|feature| quoted(feature)).collect::<Vec<_>>().join(", ");
        format!(", default-features = false, features = [{list}]")
    }

    fn with_place(&self, with: &WithCrate) -> String {
        match &with.source {
            WithSource::Path(_) => {
                let package = self.local.iter().find(|package| package.name == with.name);
                self.path_key(package.expect("every crate with a path was looked up").folder())
            }
            WithSource::Registry(version) => {
                let version = quoted(&version.as_deref().map_or_else(|| "*".to_owned(), exact));
                let registry = self.request.registry.as_ref();
                let registry = registry.map(|name| format!(", registry = {}", quoted(name)));
                format!("version = {version}{}", registry.unwrap_or_default())
            }
        }
    }

    /// A third party that names our crates by version gets those of the runner's own folder.
    fn patch(&self, text: &mut String) {
        let Place::Folder(runner) = &self.source.place else { return };
        let from_registry = |with: &WithCrate| matches!(with.source, WithSource::Registry(_));
        let third = self.local.iter().skip(1).flat_map(|package| &package.dependencies);
        let by_version = |name: &str| third.clone().any(|need| need.name == name && need.path.is_none());
        let Ok(house) = cargo::members(runner.folder()) else { return };
        let ours = house.packages.iter().filter(|package| SDK.contains(&package.name.as_str()));
        let ours: Vec<_> = ours
            .filter(|package| by_version(&package.name) || self.request.with.iter().any(from_registry))
            .collect();
        if ours.is_empty() {
            return;
        }
        text.push_str("\n[patch.crates-io]\n");
        for package in ours {
            let _ = writeln!(text, "{} = {{ {} }}", package.name, self.path_key(package.folder()));
        }
    }

    fn path_key(&self, folder: &Path) -> String {
        let path = self.links.path_of(folder).expect("every local package was linked");
        format!("path = {}", quoted(&path.to_string_lossy()))
    }
}

const HEAD: &str = r#"# Written by `cargo xtask image`, anew at every start.
[package]
name = "charm-runner-image"
version = "0.0.0"
edition = "2024"
publish = false

[[bin]]
name = "charm-runner-image"
path = "src/main.rs"

[workspace]
exclude = ["deps"]

[dependencies]
"#;

/// The keys of a dependency that is in no folder. The commit of a repository is fixed by the lock file: here it would
/// make another source of it than the one that the exporters name.
pub(super) fn elsewhere_key(place: &Place) -> String {
    match place {
        Place::Folder(_) => unreachable!("a folder has a path, and links know it"),
        Place::Git { url, reference: None, .. } => format!("git = {}", quoted(url)),
        Place::Git { url, reference: Some(reference), .. } => {
            format!("git = {}, {} = {}", quoted(url), reference.key, quoted(&reference.name))
        }
        Place::Registry { version } => format!("version = {}", quoted(&format!("={version}"))),
    }
}

/// What exporters depend on.
const SDK: [&str; 2] = ["charm-telemetry-core", "charm-telemetry-macros"];

/// A bare version means this one, because two builds of one command are to be the same.
fn exact(version: &str) -> String {
    let is_bare = version.starts_with(|c: char| c.is_ascii_digit()) && version.matches('.').count() >= 2;
    if is_bare && !version.contains([',', '*', ' ']) { format!("={version}") } else { version.to_owned() }
}

/// A TOML string: JSON's escapes are valid there.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
