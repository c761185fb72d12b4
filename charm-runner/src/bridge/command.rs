//! The command that runs a Python agent through the bridge.
//! The one rule: everything the bridge needs travels in one anonymous file, so that nothing shows in `ps` or on disk.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use thiserror::Error;

use super::PythonAdapter;
use super::marshal::Marshal;
use super::source::{LOADER, PARTS, fingerprint};
use crate::json_input::{self, JsonInput};

/// The environment variable with the number of the descriptor that takes the frames.
pub const PIPE_ENV: &str = "CHARM_BRIDGE_FD";

/// The environment variable with the number of the descriptor that holds the request.
const REQUEST_ENV: &str = "CHARM_BRIDGE_REQUEST";

/// One run of a Python agent.
#[derive(Debug, Clone)]
pub struct Launch {
    project: PathBuf,
    adapter: PythonAdapter,
    entry_point: String,
    inputs: String,
    python: PathBuf,
    cache: Option<PathBuf>,
}

impl Launch {
    /// Runs `entry_point` (`module.path:attribute`) of the project with `python3` of the `PATH` and no inputs.
    pub fn new(project: impl Into<PathBuf>, adapter: PythonAdapter, entry_point: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            adapter,
            entry_point: entry_point.into(),
            inputs: "{}".to_owned(),
            python: PathBuf::from("python3"),
            cache: None,
        }
    }

    /// The inputs, as JSON text that Python reads. What is no object is wrapped as `{"input": ...}`; `null` is no inputs.
    #[must_use]
    pub fn inputs(mut self, json: impl Into<String>) -> Self {
        self.inputs = json.into();
        self
    }

    /// The interpreter to run.
    #[must_use]
    pub fn python(mut self, python: impl Into<PathBuf>) -> Self {
        self.python = python.into();
        self
    }

    /// A directory for the bridge's bytecode, made if it is missing. Without it each start compiles anew, which takes
    /// one to three milliseconds. It is left alone if anyone else owns it or can write to it, for what is there gets run.
    #[must_use]
    pub fn cache(mut self, directory: Option<PathBuf>) -> Self {
        self.cache = directory;
        self
    }

    /// Where bytecode belongs by the rules of the desktop: below `$XDG_CACHE_HOME`, else `$HOME/.cache`.
    pub fn default_cache() -> Option<PathBuf> {
        let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
        Some(base.join("charm-runner"))
    }

    /// The command. It carries the request with it, in a descriptor of its own that only its child inherits; to be
    /// complete it wants [`PIPE_ENV`] and the write end of the pipe that this names.
    ///
    /// # Errors
    ///
    /// When the inputs are not JSON, when the project is not there, or when there is no descriptor left.
    pub fn command(&self) -> Result<Command, LaunchError> {
        let project = self
            .project
            .canonicalize()
            .map_err(|source| LaunchError::Project { path: self.project.clone(), source })?;
        let request = in_memory(&self.request()?).map_err(LaunchError::Request)?;
        let mut command = Command::new(&self.python);
        command.arg("-c").arg(LOADER).current_dir(&project).env(REQUEST_ENV, request.as_raw_fd().to_string());
        hand_on(&mut command, request);
        Ok(command)
    }

    fn request(&self) -> Result<Vec<u8>, LaunchError> {
        let mut request = Marshal::default();
        request.dict();
        request.str("parts");
        request.dict();
        for (name, source) in PARTS {
            pair(&mut request, name, source);
        }
        request.end_dict();
        pair(&mut request, "entry", &self.entry_point);
        pair(&mut request, "adapter", self.adapter.as_str());
        pair(&mut request, "cache", &self.cache_prefix().unwrap_or_default());
        request.str("inputs");
        self.write_inputs(&mut request).map_err(LaunchError::Inputs)?;
        request.end_dict();
        Ok(request.into_bytes())
    }

    /// The inputs as values, or as their text where only Python's own reader has values for them.
    fn write_inputs(&self, request: &mut Marshal) -> Result<(), serde_json::Error> {
        let inputs = json_input::object(&self.inputs);
        if json_input::is_plain(&inputs) {
            return request.json(&inputs);
        }
        request.str(&JsonInput::read(&inputs)?.exact);
        Ok(())
    }

    /// The beginning of the path of the bytecode; Python adds its version. A directory that can't be made, or that
    /// others can write to, is no cache.
    fn cache_prefix(&self) -> Option<String> {
        let directory = self.cache.as_ref()?;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).ok()?;
        let found = std::fs::metadata(directory).ok()?;
        let ours = found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0;
        let prefix = directory.join(format!("bridge-{:016x}", fingerprint()));
        ours.then_some(prefix)?.into_os_string().into_string().ok()
    }
}

/// Why a Python agent can't be started.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The inputs must be corrected.
    #[error("the inputs are not valid JSON: {0}")]
    Inputs(#[source] serde_json::Error),
    /// The path of the project must be corrected.
    #[error("can't find the project `{}`: {source}", path.display())]
    Project {
        /// As it was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system is out of descriptors or memory.
    #[error("can't prepare the request to the agent: {0}")]
    Request(#[source] io::Error),
}

fn pair(request: &mut Marshal, key: &str, value: &str) {
    request.str(key);
    request.str(value);
}

fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("charm-bridge", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Lets the child of this command, and no other, inherit the file. The command owns it from now on.
#[expect(
    unsafe_code,
    reason = "clearing close-on-exec for one child alone can only be done between fork and exec"
)]
fn hand_on(command: &mut Command, file: File) {
    let keep = move || Ok(fcntl_setfd(&file, FdFlags::empty())?);
    // SAFETY: the closure makes one system call on a descriptor that it owns; it neither allocates nor locks.
    unsafe { command.pre_exec(keep) };
}
