//! What can go wrong, a type for each stage.
//!
//! Rule: every message names what the user wrote and ends with the way out.

use std::path::{Path, PathBuf};

use crate::reference::is_loopback_host;

/// The request itself cannot be met.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Write the reference as the reason says.
    #[error("`{text}` is no image reference: {reason}")]
    Reference {
        /// What was written.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Name a platform that exists.
    #[error(
        "unknown platform `{text}`; known are linux/amd64, linux/arm64, linux/riscv64 and linux/s390x, and versions of \
         these, as linux/arm64/v8"
    )]
    PlatformName {
        /// What was written.
        text: String,
    },
    /// Install the target, or build where it is.
    #[error(
        "cannot build for `{platform}`: the toolchain has no standard library for `{target}` (installed: {installed}); \
         add it with `rustup target add {target}` and a linker for it, or build on such a machine"
    )]
    Platform {
        /// What was asked for.
        platform: String,
        /// Rust's name for it.
        target: String,
        /// What could be built for.
        installed: String,
    },
    /// Set the variable to whole seconds, or unset it.
    #[error(
        "SOURCE_DATE_EPOCH is `{text}`; set it to whole seconds since 1970, as `git log -1 --format=%ct` prints"
    )]
    Epoch {
        /// What it is set to.
        text: String,
    },
    /// Correct the argument.
    #[error("{0}")]
    Argument(String),
    /// Correct the manifest, or name another.
    #[error("`{}`: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The runner cannot be generated, compiled, or is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// Run where a Cargo workspace is, or correct the path.
    #[error("{0}")]
    Source(String),
    /// Cargo's own words say what to do.
    #[error("cargo could not resolve the runner with its exporters:\n{0}")]
    Resolve(String),
    /// Correct the exporter.
    #[error("{0}")]
    Compile(String),
    /// The exporters that were compiled in are not those that were asked for.
    #[error("{0}")]
    Check(String),
}

/// What to check when nobody answers there. No proxy stands before this machine.
fn way_to(registry: &str) -> &'static str {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    if is_loopback_host(host) || is_loopback_host(registry) {
        "is it running?"
    } else {
        "check its name, the network and HTTPS_PROXY"
    }
}

/// A registry, or a folder that holds images, does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Check the name of the registry, the network and the proxy.
    #[error("cannot reach the registry `{registry}`: {reason}; {}", way_to(registry))]
    Unreachable {
        /// The registry.
        registry: String,
        /// What the network said.
        reason: String,
    },
    /// Name the CA that signed its certificate.
    #[error(
        "the certificate of the registry `{registry}` is not trusted ({reason}); \
         name the PEM file of the CA that signed it in SSL_CERT_FILE"
    )]
    Untrusted {
        /// The registry.
        registry: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// Check the name; a private repository looks absent to a stranger.
    #[error("there is no image `{reference}`; check its name and tag (and log in, if it is private)")]
    NotFound {
        /// The image.
        reference: String,
    },
    /// Log in again.
    #[error("the registry `{registry}` refused {who}; {way_out}")]
    Unauthorized {
        /// The registry.
        registry: String,
        /// The user that was refused, and from where its password came.
        who: String,
        /// How to log in.
        way_out: String,
    },
    /// The registry's words say what to do.
    #[error("the registry `{registry}` answered {status} when asked to {task}: {body}")]
    Refused {
        /// The registry.
        registry: String,
        /// The HTTP status.
        status: u16,
        /// What it was asked for.
        task: String,
        /// What it said.
        body: String,
    },
    /// Something on the way, or the registry itself, is broken: try again, then report it to the registry.
    #[error("{0}")]
    Malformed(String),
    /// A credential helper failed, or a file of credentials cannot be read.
    #[error("{0}")]
    Credentials(String),
}

/// The image cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Make room.
    #[error("no space left for `{}`; make room there or choose another place", path.display())]
    NoSpace {
        /// What was being written.
        path: PathBuf,
    },
    /// Choose a place that can be written.
    #[error("cannot write `{}`: {reason}; choose a place that you may write to", path.display())]
    Write {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Choose another place.
    #[error("{0}")]
    Occupied(String),
    /// Start podman or docker.
    #[error("{0}")]
    Load(String),
}

impl OutputError {
    /// The sentence for what the system said of this path.
    pub(crate) fn writing(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::NoSpace { path },
            _ => Self::Write { path, reason: plain(&error) },
        }
    }
}

/// An error of the system without its number.
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

/// Anything that stops the building of an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// See [`RequestError`].
    #[error(transparent)]
    Request(#[from] RequestError),
    /// See [`RunnerError`].
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// See [`RegistryError`].
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// See [`OutputError`].
    #[error(transparent)]
    Output(#[from] OutputError),
}
