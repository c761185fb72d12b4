//! The command line: `cargo xtask image`.
//!
//! Rule: standard output has the result alone; everything else goes to standard error.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::base::BaseName;
use crate::config::{self, StartSettings};
use crate::epoch::Epoch;
use crate::error::{ImageError, RequestError};
use crate::manifest::ManifestWishes;
use crate::media::Family;
use crate::output::Output;
use crate::platform::Platform;
use crate::progress::Progress;
use crate::reference::Reference;
use crate::report::ImageReport;
use crate::request::ImageRequest;
use crate::runner::{Lto, RunnerRequest, WithCrate};

/// Build a container image of the runner with chosen exporters compiled in, without a Docker daemon.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Debug, Parser)]
#[command(name = "cargo xtask image", bin_name = "cargo xtask image", after_help = EXAMPLES)]
struct Cli {
    /// Vendor exporters to compile in, as `datadog,sentry`; `all` (without --manifest the default) or `none`.
    #[arg(long, value_delimiter = ',', value_name = "NAMES", help_heading = "What goes in")]
    features: Option<Vec<String>>,
    /// Compile in what `runtime.telemetry` of this `charm.yaml` names, and take its `custom_image` as the tag.
    #[arg(long, value_name = "FILE", help_heading = "What goes in")]
    manifest: Option<PathBuf>,
    /// A crate with an exporter of your own: `NAME`, `NAME@VERSION` or `NAME=PATH`. Repeat it for more.
    #[arg(long, value_name = "CRATE", help_heading = "What goes in")]
    with: Vec<WithCrate>,
    /// The registry of `--with NAME`, by its name in Cargo's configuration.
    #[arg(long, value_name = "NAME", help_heading = "What goes in")]
    registry: Option<String>,
    /// Build by this lock file; it is written if it is not there.
    #[arg(long, value_name = "FILE", help_heading = "What goes in")]
    lock: Option<PathBuf>,
    /// The folder of the crate `charm-runner`, if it is not the one that this workspace has or depends on.
    #[arg(long, value_name = "DIR", help_heading = "What goes in")]
    runner: Option<PathBuf>,
    /// How much the linker optimises: `fat` makes the smallest image, `thin` is quicker, `off` is for trying things out.
    #[arg(long, value_enum, default_value = "fat", help_heading = "What goes in")]
    lto: Lto,
    /// Only write the crate of the runner, to be read, and print its folder.
    #[arg(
        long,
        conflicts_with_all = ["output", "load", "push", "print_digest", "json"],
        help_heading = "What goes in"
    )]
    generate_only: bool,

    /// The image to stand on: a reference, `oci:DIR`, or `scratch`.
    #[arg(long, default_value = "scratch", value_name = "BASE", help_heading = "On what")]
    base: BaseName,
    /// For which machines, as `linux/amd64`. The default is this one.
    #[arg(long, value_name = "PLATFORM", help_heading = "On what")]
    platform: Option<Platform>,
    /// The kind of manifest. The default is the base's.
    #[arg(long, value_enum, help_heading = "On what")]
    format: Option<Format>,

    /// A name for the image. Repeat it for more.
    #[arg(long, short, value_name = "REF", help_heading = "Where to")]
    tag: Vec<Reference>,
    /// Write `oci:DIR` (a layout) or `tar:FILE` (one file for Docker, Podman and skopeo). Repeat it for more.
    #[arg(long, short, value_name = "PLACE", help_heading = "Where to")]
    output: Vec<Output>,
    /// Load it into podman or docker, whichever runs.
    #[arg(long, help_heading = "Where to")]
    load: bool,
    /// Push it to the registry of each tag, with the credentials that Docker or Podman keeps.
    #[arg(long, help_heading = "Where to")]
    push: bool,

    /// A label, `NAME=VALUE`. Repeat it for more.
    #[arg(long, value_name = "PAIR", help_heading = "How it is described and started")]
    label: Vec<String>,
    /// An annotation of the manifest, `NAME=VALUE`. Repeat it for more.
    #[arg(long, value_name = "PAIR", help_heading = "How it is described and started")]
    annotation: Vec<String>,
    /// A variable of the container, `NAME=VALUE`; not for secrets. Repeat it for more.
    #[arg(long, value_name = "PAIR", help_heading = "How it is described and started")]
    env: Vec<String>,
    /// The user of the container. The default is the base's.
    #[arg(long, value_name = "USER", help_heading = "How it is described and started")]
    user: Option<String>,
    /// The entry point: words, or a JSON list of them; empty for none. The default is the base's.
    #[arg(long, value_name = "WORDS", help_heading = "How it is described and started")]
    entrypoint: Option<String>,

    /// Print the digest alone.
    #[arg(long, conflicts_with = "json", help_heading = "What is printed")]
    print_digest: bool,
    /// Print the result as JSON.
    #[arg(long, help_heading = "What is printed")]
    json: bool,
    /// No progress.
    #[arg(long, short, help_heading = "What is printed")]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask image --tag runner:1 --load
  cargo xtask image --manifest agent/charm.yaml --base python:3.13-slim --push
  cargo xtask image --features otlp --with webhook=../webhook --base python:3.13-slim --output tar:runner.tar

Push and pull use the logins of `docker login` and `podman login`. The time in the image is SOURCE_DATE_EPOCH.";

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Oci,
    Docker,
}

/// The whole command, with these crates in every image as if each were given by `--with NAME=PATH`, but from the folder
/// of the workspace: whoever types the command may be in any folder of it.
///
/// This is what the `xtask` of a repository with an exporter of its own is made of:
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     charm_telemetry_image::main_with(&[("my-exporter", ".")])
/// }
/// ```
pub fn main_with(crates: &[(&str, &str)]) -> ExitCode {
    let mut args: Vec<_> = std::env::args_os().collect();
    // `cargo xtask image --tag x` hands the word `image` on.
    if args.get(1).is_some_and(|word| word == "image") {
        args.remove(1);
    }
    let cli = Cli::parse_from(args);
    let ended = run(cli, crates);
    // Who is being ended by a signal ends by that, and not by what it broke on the way.
    let _held = crate::interrupt::hold();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The whole command.
pub fn main() -> ExitCode {
    main_with(&[])
}

fn run(mut cli: Cli, crates: &[(&str, &str)]) -> Result<(), ImageError> {
    crate::interrupt::watch().map_err(|error| {
        let reason = crate::error::plain(&error);
        RequestError::Argument(format!(
            "cannot listen to signals: {reason}; end other programs and try again"
        ))
    })?;
    let progress = if cli.quiet { Progress::silent() } else { Progress::on_stderr() };
    cli.with.extend(crate::runner::own_crates(crates)?);
    let request = cli.request()?;
    if cli.generate_only {
        let folder = crate::build::generate(&request.runner, &request.platform, &progress)?;
        print(&format!("{}\n", folder.display()));
        return Ok(());
    }
    let report = crate::build::build(&request, &progress)?;
    print(&cli.shown(&report));
    Ok(())
}

/// A closed standard output is the reader's wish.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

impl Cli {
    fn request(&self) -> Result<ImageRequest, RequestError> {
        let wishes = self.manifest.as_deref().map(ManifestWishes::read).transpose()?;
        let mut tags = self.tag.clone();
        if let (true, Some(wishes)) = (tags.is_empty(), &wishes) {
            tags.extend(wishes.tag()?);
        }
        Ok(ImageRequest {
            runner: self.runner_request(wishes.as_ref()),
            base: self.base.clone(),
            platform: self.platform.clone().unwrap_or_else(Platform::host),
            tags,
            outputs: self.output.clone(),
            load: self.load,
            push: self.push,
            start: self.start()?,
            annotations: pairs("--annotation", &self.annotation)?,
            family: self.format.map(|format| match format {
                Format::Oci => Family::Oci,
                Format::Docker => Family::Docker,
            }),
            time: Epoch::from_environment()?,
        })
    }

    fn runner_request(&self, wishes: Option<&ManifestWishes>) -> RunnerRequest {
        let words = self.features.as_deref();
        let features = match words {
            Some([word]) if word == "all" => None,
            Some(words) => {
                Some(words.iter().filter(|word| *word != "none" && !word.is_empty()).cloned().collect())
            }
            // A manifest says all that is wanted.
            None => wishes.map(|_| Vec::new()),
        };
        RunnerRequest {
            features,
            telemetry: wishes.map(|wishes| wishes.telemetry.clone()).unwrap_or_default(),
            with: self.with.clone(),
            runner: self.runner.clone(),
            lock: self.lock.clone(),
            registry: self.registry.clone(),
            lto: self.lto,
        }
    }

    fn start(&self) -> Result<StartSettings, RequestError> {
        Ok(StartSettings {
            env: pairs("--env", &self.env)?,
            user: self.user.clone(),
            entrypoint: self.entrypoint.as_deref().map(entrypoint).transpose()?,
            labels: pairs("--label", &self.label)?,
        })
    }

    fn shown(&self, report: &ImageReport) -> String {
        match (self.json, self.print_digest) {
            (true, _) => serde_json::to_string_pretty(report).expect("a report can be written") + "\n",
            (_, true) => format!("{}\n", report.digest),
            _ => report.to_string(),
        }
    }
}

/// Words, or a JSON list. Quotes are a shell's, and there is none.
fn entrypoint(text: &str) -> Result<Vec<String>, RequestError> {
    let bad = |reason: &str| {
        Err(RequestError::Argument(format!(
            "`--entrypoint {text}` {reason}; write a list in JSON, as `--entrypoint '[\"sh\", \"-c\", \"exec x\"]'`"
        )))
    };
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).or_else(|_| bad("is no list of words"));
    }
    if text.contains(['"', '\'', '\\']) {
        return bad("has quotes or a backslash, which nobody would take away");
    }
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

fn pairs(option: &str, texts: &[String]) -> Result<BTreeMap<String, String>, RequestError> {
    texts.iter().map(|text| config::pair(option, text)).collect()
}

#[cfg(test)]
mod tests;
