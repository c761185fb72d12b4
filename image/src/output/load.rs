//! Hands the image to the container engine of this machine.
//!
//! Rule: it is loaded when the engine says that it has it under the wanted name, not when a command ended well.

use std::path::Path;
use std::process::{Command, Stdio};

use super::write_archive;
use crate::blobs::BlobCache;
use crate::error::{ImageError, OutputError, plain};
use crate::image::Image;
use crate::partial::PartialFolder;
use crate::program::{self, Program, Reach};
use crate::reference::Reference;

/// A program that runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Engine(pub(crate) &'static str);

impl Engine {
    /// The first that is there and runs.
    pub(crate) fn running() -> Result<Self, OutputError> {
        ["podman", "docker"].into_iter().find(|program| answers(program)).map(Self).ok_or_else(|| {
            OutputError::Load(
                "`--load`: neither podman nor docker runs here; start one, or use `--output tar:FILE` and load that elsewhere"
                    .to_owned(),
            )
        })
    }
}

/// `info` needs a running daemon where there is one.
fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("info").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let answer = Program::start(&mut command, Reach::Alone).and_then(Program::wait);
    answer.is_ok_and(|status| status.success())
}

pub(crate) fn load(
    engine: Engine,
    image: &Image,
    tags: &[Reference],
    scratch: &Path,
    cache: &BlobCache<'_>,
) -> Result<(), ImageError> {
    let folder = PartialFolder::new_in(scratch).map_err(OutputError::writing(scratch))?;
    let file = folder.path().join("image.tar");
    write_archive(image, tags, &file, None, cache)?;
    run(engine, &["load", "--quiet", "--input", &file.to_string_lossy()])?;
    for tag in tags {
        let id = run(engine, &["image", "inspect", "--format", "{{.Id}}", &tag.to_string()])?;
        check(engine, image, tag, &id)?;
    }
    Ok(())
}

/// An engine with its own image store answers with the digest of the manifest, others with that of the configuration.
fn check(engine: Engine, image: &Image, tag: &Reference, id: &str) -> Result<(), ImageError> {
    let id = id.trim().trim_start_matches("sha256:");
    if id == image.config_descriptor.digest.hex() || id == image.digest.hex() {
        return Ok(());
    }
    let Engine(program) = engine;
    Err(OutputError::Load(format!(
        "`{program}` has another image under `{tag}` after loading; remove it and try again"
    ))
    .into())
}

fn run(Engine(program): Engine, args: &[&str]) -> Result<String, OutputError> {
    let output = program::output(Command::new(program).args(args));
    let output =
        output.map_err(|error| OutputError::Load(format!("cannot start `{program}`: {}", plain(&error))))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let what = args.first().copied().unwrap_or_default();
    let way_out = "try `--output tar:FILE` and load that by hand";
    Err(OutputError::Load(format!("`{program} {what}` failed: {said}; {way_out}")))
}
