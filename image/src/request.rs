//! The whole wish: what goes in, on what, where to.
//!
//! Rule: a request is checked for contradictions before anything is done.

use std::collections::BTreeMap;

use crate::base::BaseName;
use crate::config::StartSettings;
use crate::epoch::Epoch;
use crate::error::RequestError;
use crate::media::Family;
use crate::output::{self, Output};
use crate::platform::Platform;
use crate::reference::Reference;
use crate::runner::RunnerRequest;

/// An image to build.
#[derive(Debug, Clone)]
pub struct ImageRequest {
    /// What is compiled in.
    pub runner: RunnerRequest,
    /// What the image stands on.
    pub base: BaseName,
    /// For which machines.
    pub platform: Platform,
    /// Names of the image; each is pushed if `push` is set.
    pub tags: Vec<Reference>,
    /// Files and folders to write.
    pub outputs: Vec<Output>,
    /// Hand it to podman or docker.
    pub load: bool,
    /// Put it into the registries of its names.
    pub push: bool,
    /// How a container of it starts.
    pub start: StartSettings,
    /// More annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// OCI's manifests or Docker's; `None` is as the base has it.
    pub family: Option<Family>,
    /// The time in the image.
    pub time: Epoch,
}

impl ImageRequest {
    /// All vendor exporters on nothing, for this machine, to be put nowhere yet.
    pub fn new() -> Self {
        Self {
            runner: RunnerRequest::default(),
            base: BaseName::Scratch,
            platform: Platform::host(),
            tags: Vec::new(),
            outputs: Vec::new(),
            load: false,
            push: false,
            start: StartSettings::default(),
            annotations: BTreeMap::new(),
            family: None,
            time: Epoch::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), RequestError> {
        let need = |option: &str| {
            Err(RequestError::Argument(format!("`{option}` needs a name for the image; add `--tag NAME`")))
        };
        if let Some(pinned) = self.tags.iter().find(|tag| tag.digest.is_some()) {
            return Err(RequestError::Argument(format!(
                "`--tag {pinned}` has a digest, which only the finished image can have; leave out what begins with `@`"
            )));
        }
        self.runner.check()?;
        match () {
            () if self.push && self.tags.is_empty() => need("--push"),
            () if self.load && self.tags.is_empty() => need("--load"),
            () if !self.push && !self.load && self.outputs.is_empty() => Err(RequestError::Argument(
                "nowhere to put the image; add `--output oci:DIR`, `--output tar:FILE`, `--load` or `--push`"
                    .to_owned(),
            )),
            () => output::refuse_shared(&self.outputs, &self.base),
        }
    }
}

impl Default for ImageRequest {
    fn default() -> Self {
        Self::new()
    }
}
