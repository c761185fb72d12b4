//! The two families of manifests: OCI's and Docker's schema 2.
//!
//! Rule: one image is of one family; what a base brings in another family is described anew, its bytes stay.

/// Which names a manifest uses for itself and its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `application/vnd.oci.image.*`.
    Oci,
    /// `application/vnd.docker.*`: keeps a base's health check where only Docker's configuration has one.
    Docker,
}

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// What a registry may answer when asked for a manifest.
pub(crate) const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// What a document turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Document {
    Manifest(Family),
    Index,
}

impl Document {
    /// By its own `mediaType`, else by what its carrier said, else by what it holds.
    pub(crate) fn of(json: &serde_json::Value, said: Option<&str>) -> Option<Self> {
        let own = json.get("mediaType").and_then(serde_json::Value::as_str);
        match own.or(said).unwrap_or_default() {
            OCI_MANIFEST => Some(Self::Manifest(Family::Oci)),
            DOCKER_MANIFEST => Some(Self::Manifest(Family::Docker)),
            OCI_INDEX | DOCKER_LIST => Some(Self::Index),
            _ if json.get("manifests").is_some() => Some(Self::Index),
            _ if json.get("config").is_some() && json.get("layers").is_some() => {
                Some(Self::Manifest(Family::Oci))
            }
            _ => None,
        }
    }
}

impl Family {
    /// As it is written in a report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oci => "oci",
            Self::Docker => "docker",
        }
    }

    pub(crate) fn manifest(self) -> &'static str {
        match self {
            Self::Oci => OCI_MANIFEST,
            Self::Docker => DOCKER_MANIFEST,
        }
    }

    pub(crate) fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    pub(crate) fn gzip_layer(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }

    /// This family's name for a layer that the other family may have named. `None`: it has none.
    pub(crate) fn layer(self, media_type: &str) -> Option<&str> {
        const PAIRS: [(&str, &str); 3] = [
            (
                "application/vnd.oci.image.layer.v1.tar+gzip",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            ),
            ("application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"),
            (
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            ),
        ];
        let pair = PAIRS.iter().find(|(oci, docker)| media_type == *oci || media_type == *docker);
        match (self, pair) {
            (Self::Oci, Some((oci, _))) => Some(oci),
            (Self::Docker, Some((_, docker))) => Some(docker),
            (Self::Oci, None) => Some(media_type),
            (Self::Docker, None) => None,
        }
    }
}
