//! The runner that goes into the image: generated, compiled, asked what it holds.
//!
//! Rule: nothing that is compiled depends on where it is compiled, and nothing is believed that was not asked.

mod cargo;
mod check;
mod compile;
mod crate_manifest;
mod features;
mod fit;
mod generate;
mod graph;
mod links;
mod request;
mod source;

pub use check::Exporter;
pub use request::{Lto, RunnerRequest, WithCrate, WithSource};

pub(crate) use cargo::Package;
pub(crate) use graph::Graph;

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::{ImageError, OutputError, RunnerError};
use crate::platform::Platform;
use crate::progress::{Progress, humane_size};
use generate::Generated;
use source::RunnerSource;

/// The crates that a repository has in all of its images: their folders are seen from the root of its workspace.
pub(crate) fn own_crates(crates: &[(&str, &str)]) -> Result<Vec<WithCrate>, RunnerError> {
    if crates.is_empty() {
        return Ok(Vec::new());
    }
    let root = source::workspace_here()?.workspace_root;
    let with = |&(name, path): &(&str, &str)| WithCrate {
        name: name.to_owned(),
        source: WithSource::Path(root.join(path)),
    };
    Ok(crates.iter().map(with).collect())
}

/// A runner that was compiled and did not lie.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) binary: Vec<u8>,
    pub(crate) exporters: Vec<Exporter>,
    pub(crate) graph: Graph,
}

/// Where a runner is generated, and that no one else does so there at the same time.
#[derive(Debug)]
pub(crate) struct Workplace {
    folder: PathBuf,
    source: RunnerSource,
    _lock: File,
}

impl Workplace {
    /// The place for the workspace that the current folder is in.
    pub(crate) fn open(request: &RunnerRequest, progress: &Progress) -> Result<Self, ImageError> {
        let (source, target) = source::find(request.runner.as_deref())?;
        let folder = target.join("charm-image");
        std::fs::create_dir_all(&folder).map_err(OutputError::writing(&folder))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(OutputError::writing(&path))?;
        if lock.try_lock().is_err() {
            progress.note("another image is being built here; waiting for it");
            lock.lock().map_err(OutputError::writing(&path))?;
        }
        Ok(Self { folder, source, _lock: lock })
    }

    /// Where what was fetched from registries is kept.
    pub(crate) fn blobs(&self) -> PathBuf {
        self.folder.join("blobs")
    }

    /// A folder for files that live as long as a build.
    pub(crate) fn scratch(&self) -> &Path {
        &self.folder
    }

    /// Writes the runner's crate and fixes the version of everything in it.
    pub(crate) fn generate(
        &self,
        request: &RunnerRequest,
        platform: &Platform,
        progress: &Progress,
    ) -> Result<Generated, ImageError> {
        let step = progress.step("generate the runner");
        let target = platform.installed_target()?;
        let generated = generate::generate(&self.folder.join("runner"), &self.source, request, &target)?;
        generated.graph.check_one_core()?;
        let count = generated.graph.closure().len();
        step.done(&format!("{} crates, in {}", count, generated.folder.display()));
        Ok(generated)
    }

    /// Compiles it and compares its exporters with the request.
    #[expect(clippy::unused_self, reason = "only who holds the place may compile in it")]
    pub(crate) fn build(
        &self,
        generated: Generated,
        request: &RunnerRequest,
        platform: &Platform,
        progress: &Progress,
    ) -> Result<Runner, ImageError> {
        let target = platform.installed_target()?;
        let step = progress.step(&format!("compile it for {platform}"));
        let binary_path = compile::compile(&generated, &target, progress)?;
        let binary = std::fs::read(&binary_path).map_err(|error| {
            RunnerError::Source(format!("cannot read `{}`: {error}", binary_path.display()))
        })?;
        step.done(&humane_size(binary.len() as u64));
        let step = progress.step("ask it for its exporters");
        let askable = askable(&generated, binary_path, platform, progress)?;
        let exporters = check::ask(&askable)?;
        check::compare(&exporters, &generated, request)?;
        for extra in check::unasked(&exporters, &generated, request) {
            progress.note(&format!(
                "`{extra}` is compiled in although nobody asked for it: a `--with` crate brings it"
            ));
        }
        let names: Vec<_> = exporters.iter().map(|exporter| exporter.name.as_str()).collect();
        step.done(&if names.is_empty() { "none".to_owned() } else { names.join(", ") });
        Ok(Runner { binary, exporters, graph: generated.graph })
    }
}

/// A binary of the same source that this machine can run.
fn askable(
    generated: &Generated,
    binary: PathBuf,
    platform: &Platform,
    progress: &Progress,
) -> Result<PathBuf, ImageError> {
    let host = Platform::host();
    if host.architecture == platform.architecture {
        return Ok(binary);
    }
    progress.note(&format!("this machine is {host}: the same runner is compiled for it too, to be asked"));
    Ok(compile::compile(generated, &host.installed_target()?, progress)?)
}
