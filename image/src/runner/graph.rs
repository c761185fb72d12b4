//! What is compiled into the runner: packages and who needs whom.
//!
//! Rule: only what is linked counts; what builds or tests it does not.

use std::collections::{BTreeMap, BTreeSet};

use super::cargo::{Metadata, Node, Package};
use super::source::RUNNER;
use crate::error::RunnerError;

/// The resolved graph of a generated runner.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    packages: BTreeMap<String, Package>,
    nodes: BTreeMap<String, Node>,
    root: String,
}

impl Graph {
    pub(super) fn new(metadata: Metadata) -> Result<Self, RunnerError> {
        let resolve =
            metadata.resolve.ok_or_else(|| RunnerError::Resolve("cargo answered without a graph".into()))?;
        let root =
            resolve.root.ok_or_else(|| RunnerError::Resolve("cargo answered without a root".into()))?;
        Ok(Self {
            packages: metadata.packages.into_iter().map(|package| (package.id.clone(), package)).collect(),
            nodes: resolve.nodes.into_iter().map(|node| (node.id.clone(), node)).collect(),
            root,
        })
    }

    /// One that cargo was never asked for.
    #[cfg(test)]
    pub(crate) fn from_json(metadata: serde_json::Value) -> Self {
        Self::new(serde_json::from_value(metadata).unwrap()).unwrap()
    }

    /// Every package that is linked, without the generated one, by name and version.
    pub(crate) fn closure(&self) -> Vec<&Package> {
        let mut seen = BTreeSet::new();
        let mut open = vec![self.root.as_str()];
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(self.normal_dependencies(id));
            }
        }
        seen.remove(self.root.as_str());
        let mut packages: Vec<_> = seen.into_iter().filter_map(|id| self.packages.get(id)).collect();
        packages
            .sort_by_key(|package| (package.name.as_str(), package.version.as_str(), package.id.as_str()));
        packages
    }

    /// What a package links, by id.
    pub(crate) fn normal_dependencies(&self, id: &str) -> Vec<&str> {
        let deps = self.nodes.get(id).into_iter().flat_map(|node| &node.deps);
        let normal = deps.filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind.is_none()));
        // A procedural macro runs in the compiler; nothing of it is in the binary.
        let is_macro = |id: &str| {
            let targets = self.packages.get(id).into_iter().flat_map(|package| &package.targets);
            targets.into_iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
        };
        normal.map(|dep| dep.pkg.as_str()).filter(|id| !is_macro(id)).collect()
    }

    /// The dependency of the generated crate that has this name.
    pub(super) fn direct(&self, name: &str) -> Option<&Package> {
        let ids = self.normal_dependencies(&self.root);
        ids.into_iter().filter_map(|id| self.packages.get(id)).find(|package| package.name == name)
    }

    /// The exporters that the runner's features bring: a feature `x` that compiles in `charm-telemetry-x`.
    pub(super) fn vendor_exporters(&self) -> Vec<String> {
        let Some(runner) = self.direct(RUNNER) else { return Vec::new() };
        let active = self.nodes.get(&runner.id).into_iter().flat_map(|node| &node.features);
        let is_exporter = |feature: &&String| {
            let crate_name = format!("dep:charm-telemetry-{feature}");
            runner.features.get(*feature).is_some_and(|enables| enables.contains(&crate_name))
        };
        active.filter(is_exporter).cloned().collect()
    }

    /// Two copies of the core are two registries, and the runner looks into one.
    pub(super) fn check_one_core(&self) -> Result<(), RunnerError> {
        let cores: Vec<_> = self.closure().into_iter().filter(|package| package.name == CORE).collect();
        if cores.len() < 2 {
            return Ok(());
        }
        let users = cores.iter().map(|core| {
            let users = self
                .closure()
                .into_iter()
                .filter(|package| self.normal_dependencies(&package.id).contains(&core.id.as_str()));
            let users: Vec<_> = users.map(|package| format!("`{}`", package.name)).collect();
            format!("{} {} is used by {}", core.name, core.version, users.join(", "))
        });
        let users = users.collect::<Vec<_>>().join("; ");
        Err(RunnerError::Check(format!(
            "more than one `{CORE}` would be compiled in, and exporters of the other would silently be missing: {users}; \
             make the exporter depend on the version of the runner, and by version instead of by an absolute path"
        )))
    }
}

/// The SDK, of which there must be one.
pub(super) const CORE: &str = "charm-telemetry-core";
