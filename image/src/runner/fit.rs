//! Whether an exporter of a folder is for the core that the runner has.
//!
//! Rule: who asks for a core that is not there hears it from us, before cargo looks for it in a registry.

use semver::{Version, VersionReq};

use super::cargo::{self, Dependency, Package};
use super::graph::CORE;
use super::source::{Place, RunnerSource};
use crate::error::RunnerError;

/// Every package that names the core by version names one that the runner's fits. Of a runner that is in no folder only
/// cargo knows what core it has.
pub(super) fn check(source: &RunnerSource, packages: &[Package]) -> Result<(), RunnerError> {
    let Place::Folder(runner) = &source.place else { return Ok(()) };
    let core = version(runner)?;
    packages.iter().try_for_each(|package| fits(package, &core))
}

/// All crates of the house have one version, but a folder may be another checkout.
fn version(runner: &Package) -> Result<String, RunnerError> {
    let house = cargo::members(runner.folder())?.packages;
    let core = house.into_iter().find(|package| package.name == CORE);
    Ok(core.map_or_else(|| runner.version.clone(), |core| core.version))
}

fn fits(package: &Package, core: &str) -> Result<(), RunnerError> {
    for need in package.dependencies.iter().filter(|need| is_by_version(need)) {
        // What cargo writes can be read; if it could not, cargo would say so itself.
        let (Ok(wanted), Ok(present)) = (VersionReq::parse(&need.req), Version::parse(core)) else {
            continue;
        };
        if !wanted.matches(&present) {
            return Err(RunnerError::Check(format!(
                "`{}` is for `{CORE}` {wanted}, and the runner has {present}; make it depend on \"{}.{}\", \
                 or take a runner of that version with `--runner DIR`",
                package.name, present.major, present.minor
            )));
        }
    }
    Ok(())
}

/// What a repository has is of no version that was asked for; what only tests need is not compiled in.
fn is_by_version(need: &Dependency) -> bool {
    let of_registry = need.source.as_deref().is_some_and(|source| source.starts_with("registry+"));
    need.name == CORE && of_registry && need.kind.as_deref() != Some("dev")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exporter(need: &serde_json::Value) -> Package {
        let package = serde_json::json!({
            "id": "mine", "name": "mine", "version": "1.2.3", "manifest_path": "/mine/Cargo.toml",
            "dependencies": [need], "targets": [], "features": {},
        });
        serde_json::from_value(package).unwrap()
    }

    fn need(req: &str) -> Package {
        exporter(&serde_json::json!({ "name": CORE, "req": req, "source": "registry+https://a.b/index" }))
    }

    #[test]
    fn an_exporter_for_another_core_is_refused_with_both_versions() {
        let error = fits(&need("^9"), "0.1.3").unwrap_err().to_string();
        let expected =
            "`mine` is for `charm-telemetry-core` ^9, and the runner has 0.1.3; make it depend on \"0.1\", ";
        assert!(error.starts_with(expected), "{error}");
        assert!(fits(&need("^0.2"), "0.1.3").is_err());
    }

    #[test]
    fn one_that_fits_or_names_a_place_is_cargos_affair() {
        for req in ["*", "^0.1", "=0.1.3", ">=0.1, <0.3"] {
            assert!(fits(&need(req), "0.1.3").is_ok(), "{req}");
        }
        let by_path = serde_json::json!({ "name": CORE, "req": "^9", "path": "/core" });
        assert!(fits(&exporter(&by_path), "0.1.3").is_ok());
        // No version that is only announced matches `*`.
        let by_commit = serde_json::json!({ "name": CORE, "req": "*", "source": "git+https://a.b/c#0123" });
        assert!(fits(&exporter(&by_commit), "0.2.0-rc.1").is_ok());
    }

    #[test]
    fn what_only_tests_need_is_not_compiled_in() {
        let for_tests = |kind: Option<&str>| {
            let source = "registry+https://a.b/index";
            exporter(&serde_json::json!({ "name": CORE, "req": "^9", "source": source, "kind": kind }))
        };
        assert!(fits(&for_tests(Some("dev")), "0.1.3").is_ok());
        assert!(fits(&for_tests(None), "0.1.3").is_err());
    }

    #[test]
    fn what_core_a_runner_of_a_registry_has_is_not_guessed() {
        let place = Place::Registry { version: "9.0.0".to_owned() };
        let source = RunnerSource { place, lock: "/nonexistent".into() };
        assert!(check(&source, &[need("^9")]).is_ok());
    }
}
