//! Builds container images of the Charm runner with the wanted exporters compiled in, without a Docker daemon.
//!
//! The command is `cargo xtask image`; [`build()`] is the same for programs. A repository with an exporter of its own has
//! the command by an `xtask` of three lines: see [`main_with`].
//!
//! ```no_run
//! use charm_telemetry_image::{ImageRequest, Output, Progress, build};
//!
//! let mut request = ImageRequest::new();
//! request.base = "python:3.13-slim".parse()?;
//! request.outputs.push(Output::Archive("runner.tar".into()));
//! let report = build(&request, &Progress::on_stderr())?;
//! println!("{}", report.digest);
//! # Ok::<(), charm_telemetry_image::ImageError>(())
//! ```

mod error;

mod cli;
mod epoch;
mod manifest;
mod platform;
mod reference;
mod request;

mod build;
mod runner;
mod sbom;

mod base;
mod blobs;
mod registry;

mod config;
mod content;
mod descriptor;
mod digest;
mod gzip;
mod image;
mod layer;
mod media;

mod interrupt;
mod output;
mod partial;
mod program;
mod progress;
mod report;

pub use base::BaseName;
pub use build::{build, generate};
pub use cli::{main, main_with};
pub use config::StartSettings;
pub use descriptor::Descriptor;
pub use digest::Digest;
pub use epoch::Epoch;
pub use error::{ImageError, OutputError, RegistryError, RequestError, RunnerError};
pub use manifest::ManifestWishes;
pub use media::Family;
pub use output::{Output, Pushed};
pub use platform::Platform;
pub use progress::Progress;
pub use reference::Reference;
pub use registry::Transfer;
pub use report::{BaseReport, ImageReport, LayerReport};
pub use request::ImageRequest;
pub use runner::{Exporter, Lto, RunnerRequest, WithCrate, WithSource};
