//! Which features of the runner are compiled in.
//!
//! Rule: a feature is one that the runner's own `Cargo.toml` has, wherever the runner comes from.

use std::path::Path;

use super::cargo::{self, Features};
use super::crate_manifest::elsewhere_key;
use super::generate::{pin, write};
use super::request::RunnerRequest;
use super::source::{Place, RUNNER, RunnerSource};
use crate::error::{ImageError, RequestError, RunnerError};

/// `None` is the runner's own default, all vendors. Names of a manifest are features where the runner has such.
pub(super) fn wanted(
    folder: &Path,
    source: &RunnerSource,
    request: &RunnerRequest,
    target: &str,
) -> Result<Option<Vec<String>>, ImageError> {
    let Some(named) = &request.features else { return Ok(None) };
    if named.is_empty() && request.telemetry.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let known = known(folder, source, target)?;
    Ok(Some(chosen(named, &request.telemetry, &known)?))
}

fn chosen(named: &[String], telemetry: &[String], known: &[String]) -> Result<Vec<String>, RequestError> {
    if let Some(unknown) = named.iter().find(|name| !known.contains(name)) {
        return Err(RequestError::Argument(format!(
            "`{RUNNER}` has no feature `{unknown}`; it has: {}; an exporter of your own goes in by `--with`",
            known.join(", ")
        )));
    }
    let mut all: Vec<_> =
        named.iter().chain(telemetry.iter().filter(|name| known.contains(name))).cloned().collect();
    all.sort();
    all.dedup();
    Ok(all)
}

/// The features of the runner, without `default`.
fn known(folder: &Path, source: &RunnerSource, target: &str) -> Result<Vec<String>, ImageError> {
    let features = match &source.place {
        Place::Folder(runner) => runner.features.clone(),
        _ => looked_up(&folder.with_file_name("features"), source, target)?,
    };
    Ok(features.into_keys().filter(|name| name != "default").collect())
}

/// A runner of a repository or a registry need not be a dependency of anything here: a crate that has nothing but it is
/// written, for cargo to look at.
fn looked_up(folder: &Path, source: &RunnerSource, target: &str) -> Result<Features, ImageError> {
    let place = elsewhere_key(&source.place);
    let manifest = format!(
        "# Written by `cargo xtask image`, to ask which features the runner has.\n[package]\nname = \"charm-runner-features\"\n\
         edition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{RUNNER} = {{ {place} }}\n"
    );
    write(&folder.join("Cargo.toml"), &manifest)?;
    write(&folder.join("src/lib.rs"), "")?;
    write(&folder.join("Cargo.lock"), &std::fs::read_to_string(&source.lock).unwrap_or_default())?;
    let mut metadata = cargo::graph(folder, Some(target))?;
    if pin(folder, source, &metadata)? {
        metadata = cargo::graph(folder, Some(target))?;
    }
    let runner = metadata.packages.into_iter().find(|package| package.name == RUNNER);
    let missing = || {
        RunnerError::Source(format!(
            "the crate `{RUNNER}` was not found; name its folder with `--runner DIR`"
        ))
    };
    Ok(runner.ok_or_else(missing)?.features)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["delivery", "otlp", "sentry"];

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn names_of_a_manifest_are_features_where_the_runner_has_such() {
        let all = chosen(&texts(&["sentry"]), &texts(&["otlp", "mine", "sentry"]), &texts(&KNOWN)).unwrap();
        assert_eq!(all, ["otlp", "sentry"]);
    }

    #[test]
    fn all_stays_all_if_a_manifest_names_one() {
        let source =
            RunnerSource { place: Place::Registry { version: "0.0.0".into() }, lock: "/nonexistent".into() };
        let request =
            RunnerRequest { features: None, telemetry: texts(&["otlp"]), ..RunnerRequest::default() };
        assert_eq!(wanted(Path::new("/nonexistent"), &source, &request, "any").unwrap(), None);
    }

    #[test]
    fn for_no_feature_at_all_the_runner_is_not_looked_up() {
        let source =
            RunnerSource { place: Place::Registry { version: "0.0.0".into() }, lock: "/nonexistent".into() };
        let request = RunnerRequest { features: Some(Vec::new()), ..RunnerRequest::default() };
        let wanted = wanted(Path::new("/nonexistent"), &source, &request, "any").unwrap();
        assert_eq!(wanted, Some(Vec::new()));
    }
}
