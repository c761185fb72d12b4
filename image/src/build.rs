//! Builds an image: the one road from a request to a report.
//!
//! Rule: what can be refused is refused before the compiler starts, and nothing is published that was not checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::base::Base;
use crate::blobs::BlobCache;
use crate::config::SCRATCH_USER;
use crate::content;
use crate::error::{ImageError, OutputError};
use crate::image::{self, Assembly, Image};
use crate::layer::{Files, Layer};
use crate::output::{self, Engine, Output, PushTarget, Pushed};
use crate::platform::Platform;
use crate::progress::Progress;
use crate::report::{BaseReport, ImageReport, LayerReport};
use crate::request::ImageRequest;
use crate::runner::{Runner, RunnerRequest, Workplace};
use crate::sbom;

/// Builds the image and puts it where the request says.
///
/// The current folder must be in a Cargo workspace: what is generated goes into its target folder, and its lock file
/// fixes the versions.
///
/// # Errors
/// [`ImageError`]. Nothing is left half-written. Outputs come one after the other, files first and registries last: what
/// was written, loaded or pushed before one that fails stays.
pub fn build(request: &ImageRequest, progress: &Progress) -> Result<ImageReport, ImageError> {
    let started = Instant::now();
    request.check()?;
    let engine = request.load.then(Engine::running).transpose()?;
    request.outputs.iter().try_for_each(|place| place.check(&request.tags))?;
    let workplace = Workplace::open(&request.runner, progress)?;
    let generated = workplace.generate(&request.runner, &request.platform, progress)?;
    // Before compiling, because a wrong name or password should not cost minutes.
    let base = open_base(request, progress)?;
    let push_targets = open_push_targets(request, progress)?;
    let runner = workplace.build(generated, &request.runner, &request.platform, progress)?;
    let Assembled { image, sbom, binary_size } = assemble(request, base, &runner)?;
    let blobs = workplace.blobs();
    let destination = Destination {
        request,
        image: &image,
        sbom: &sbom,
        progress,
        cache: BlobCache::new(&blobs, progress),
    };
    let outputs = destination.write_files()?;
    if let Some(engine) = engine {
        destination.load(engine, workplace.scratch())?;
    }
    let pushed = destination.push(&push_targets)?;
    Ok(ImageReport {
        seconds: started.elapsed(),
        outputs,
        pushed,
        binary_size,
        loaded: engine.map(|Engine(program)| program),
        crates: runner.graph.closure().len(),
        exporters: runner.exporters,
        ..describe(request, &image)
    })
}

/// Writes the crate of the runner and leaves it to be read; answers with its folder.
///
/// # Errors
/// [`ImageError`].
pub fn generate(
    request: &RunnerRequest,
    platform: &Platform,
    progress: &Progress,
) -> Result<PathBuf, ImageError> {
    request.check()?;
    let workplace = Workplace::open(request, progress)?;
    Ok(workplace.generate(request, platform, progress)?.folder)
}

fn open_base(request: &ImageRequest, progress: &Progress) -> Result<Base, ImageError> {
    let step = progress.step("read the base");
    let base = Base::open(&request.base, &request.platform)?;
    image::refuse_unfit(&base, request.family, &request.annotations)?;
    let digest = base.digest.as_ref().map_or_else(|| "scratch".to_owned(), ToString::to_string);
    step.done(&digest);
    Ok(base)
}

fn open_push_targets(request: &ImageRequest, progress: &Progress) -> Result<Vec<PushTarget>, ImageError> {
    let tags = if request.push { request.tags.as_slice() } else { &[] };
    let open = |tag| {
        let step = progress.step(&format!("ask whether {tag} can be pushed"));
        let target = PushTarget::open(tag)?;
        step.done("yes");
        Ok(target)
    };
    tags.iter().map(open).collect()
}

struct Assembled {
    image: Image,
    sbom: Vec<u8>,
    binary_size: u64,
}

fn assemble(request: &ImageRequest, base: Base, runner: &Runner) -> Result<Assembled, ImageError> {
    let names: Vec<_> = runner.exporters.iter().map(|exporter| exporter.name.clone()).collect();
    let sbom = sbom::cyclonedx(&runner.graph, &base, &names, request.time);
    let described = descriptions(request, &base, &names);
    let mut start = request.start.clone();
    let is_scratch = base.is_scratch();
    let mut assembly = Assembly::on(base, request.family, &request.platform, request.time)?;
    if is_scratch {
        assembly.add(pack(content::bare_system(), request)?, "users and folders");
        start.user.get_or_insert_with(|| SCRATCH_USER.to_owned());
    }
    let binary_size = runner.binary.len() as u64;
    assembly.add(pack(content::runner(runner.binary.clone(), sbom.clone()), request)?, "charm-runner");
    let labels = described.iter().chain(&request.start.labels).map(clone_pair).collect();
    assembly.config.start_with_runner(&start, &labels, request.time);
    let annotations = described.iter().chain(&request.annotations).map(clone_pair).collect();
    Ok(Assembled { image: assembly.finish(&annotations), sbom, binary_size })
}

fn clone_pair((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

fn pack(files: Files, request: &ImageRequest) -> Result<Layer, OutputError> {
    files.into_layer(request.time).map_err(OutputError::writing(Path::new("layer")))
}

/// What labels and annotations say of the image, before the user's own.
fn descriptions(request: &ImageRequest, base: &Base, exporters: &[String]) -> BTreeMap<String, String> {
    let standard = |key: &str| format!("org.opencontainers.image.{key}");
    let mut all = BTreeMap::from([
        (standard("title"), "charm-runner".to_owned()),
        (standard("description"), format!("Charm runner with the exporters: {}", exporters.join(", "))),
        (standard("version"), env!("CARGO_PKG_VERSION").to_owned()),
        (standard("created"), request.time.to_string()),
    ]);
    all.extend(base.name.clone().map(|name| (standard("base.name"), name)));
    all.extend(base.digest.as_ref().map(|digest| (standard("base.digest"), digest.to_string())));
    all
}

/// Where one image goes.
struct Destination<'a> {
    request: &'a ImageRequest,
    image: &'a Image,
    sbom: &'a [u8],
    progress: &'a Progress,
    cache: BlobCache<'a>,
}

impl Destination<'_> {
    fn write_files(&self) -> Result<Vec<String>, ImageError> {
        let mut written = Vec::new();
        for place in &self.request.outputs {
            match place {
                Output::Layout(folder) => {
                    let step = self.progress.step(&format!("write {}", folder.display()));
                    output::write_layout(self.image, &self.request.tags, folder, &self.cache)?;
                    step.done("an OCI layout");
                    written.push(folder.display().to_string());
                }
                Output::Archive(file) => {
                    let step = self.progress.step(&format!("write {}", file.display()));
                    let beside = output::beside(file);
                    let sbom = Some((beside.as_path(), self.sbom));
                    output::write_archive(self.image, &self.request.tags, file, sbom, &self.cache)?;
                    step.done("an archive for Docker, Podman and skopeo");
                    written.extend([file.display().to_string(), beside.display().to_string()]);
                }
            }
        }
        Ok(written)
    }

    fn load(&self, engine: Engine, scratch: &Path) -> Result<(), ImageError> {
        let Engine(program) = engine;
        let step = self.progress.step(&format!("load it into {program}"));
        output::load(engine, self.image, &self.request.tags, scratch, &self.cache)?;
        step.done("it has it");
        Ok(())
    }

    fn push(&self, targets: &[PushTarget]) -> Result<Vec<Pushed>, ImageError> {
        let push = |target| output::push(self.image, target, &self.cache, self.progress);
        targets.iter().map(push).collect()
    }
}

fn describe(request: &ImageRequest, image: &Image) -> ImageReport {
    let base = (!image.base.is_scratch())
        .then(|| BaseReport { name: image.base.name.clone(), digest: image.base.digest.clone() });
    let layer = |layer: &crate::image::ImageLayer| LayerReport {
        digest: layer.descriptor.digest.clone(),
        size: layer.descriptor.size,
        what: layer.what.to_string(),
    };
    ImageReport {
        digest: image.digest.clone(),
        image_id: image.config_descriptor.digest.clone(),
        format: image.family.name(),
        platform: request.platform.to_string(),
        tags: request.tags.iter().map(ToString::to_string).collect(),
        base,
        exporters: Vec::new(),
        layers: image.layers.iter().map(layer).collect(),
        size: image.size(),
        binary_size: 0,
        crates: 0,
        outputs: Vec::new(),
        pushed: Vec::new(),
        loaded: None,
        seconds: std::time::Duration::ZERO,
    }
}

#[cfg(test)]
mod tests;
