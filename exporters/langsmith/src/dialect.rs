//! How this server is spoken to: which endpoint, which compression, how much at once.
//!
//! Rule: what a server has not said that it can do is not done; no answer to `/info` is no reason to wait.

use charm_telemetry_core::delivery::{Encoding, Response};
use serde::Deserialize;

use crate::request::{MAX_BODY_BYTES, MAX_RUNS};

/// What is known of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// `/runs/multipart`, else `/runs/batch`.
    pub(crate) multipart: bool,
    /// The compression of multipart bodies; `/runs/batch` takes none.
    pub(crate) compression: Encoding,
    /// Runs in one request.
    pub(crate) max_runs: usize,
    /// Bytes of one request.
    pub(crate) max_bytes: usize,
}

/// What LangSmith's SDKs do with a server that does not tell: multipart, uncompressed.
impl Default for Dialect {
    fn default() -> Self {
        Self {
            multipart: true,
            compression: Encoding::Identity,
            max_runs: MAX_RUNS,
            max_bytes: MAX_BODY_BYTES,
        }
    }
}

impl Dialect {
    /// As the answer of `/info` says.
    pub(crate) fn of_info(answer: Option<&Response>) -> Self {
        let whole = answer.filter(|answer| answer.is_success() && !answer.truncated);
        let info: Info =
            whole.and_then(|answer| serde_json::from_slice(&answer.body).ok()).unwrap_or_default();
        let (flags, batch) =
            (info.instance_flags.unwrap_or_default(), info.batch_ingest_config.unwrap_or_default());
        let compression = match (flags.zstd_compression_enabled, flags.gzip_body_enabled) {
            (Some(true), _) => Encoding::Zstd,
            (_, Some(true)) => Encoding::Gzip,
            _ => Encoding::Identity,
        };
        let at_most = |limit: Option<usize>, ours: usize| limit.filter(|&n| n > 0).unwrap_or(ours).min(ours);
        Self {
            multipart: batch.use_multipart_endpoint.unwrap_or(true),
            compression,
            max_runs: at_most(batch.size_limit, MAX_RUNS),
            max_bytes: at_most(batch.size_limit_bytes, MAX_BODY_BYTES),
        }
    }

    /// The compression of the next body.
    pub(crate) fn encoding(self) -> Encoding {
        if self.multipart { self.compression } else { Encoding::Identity }
    }
}

/// The part of the answer that matters here. Everything may be missing.
#[derive(Default, Deserialize)]
struct Info {
    instance_flags: Option<InstanceFlags>,
    batch_ingest_config: Option<BatchIngestConfig>,
}

#[derive(Default, Deserialize)]
struct InstanceFlags {
    zstd_compression_enabled: Option<bool>,
    gzip_body_enabled: Option<bool>,
}

#[derive(Default, Deserialize)]
struct BatchIngestConfig {
    use_multipart_endpoint: Option<bool>,
    size_limit: Option<usize>,
    size_limit_bytes: Option<usize>,
}
