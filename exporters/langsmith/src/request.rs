//! Where runs go, and with which headers.
//!
//! Rule: the key is in a header of the request and nowhere else.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use charm_telemetry_core::delivery::{
    Body, Destination, Disposition, EncodeError, Encoding, Item, Limits, Request, Response, Sending,
};
use charm_telemetry_core::{DropReason, Secret};

use crate::LangsmithExporter;
use crate::classify::classify;
use crate::dialect::Dialect;
use crate::early::Beginnings;
use crate::encode::MAX_RUN_BYTES;
use crate::endpoint::{Endpoint, unquoted};
use crate::run_parts::{Operation, RunParts};
use crate::{batch, multipart};

/// Runs in one request, as LangSmith's SDKs send them.
pub(crate) const MAX_RUNS: usize = 100;

/// Bytes of one request. LangSmith's `/info` says 20 MiB, but proxies before it refuse less, with a page of HTML.
pub(crate) const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// How long the first run of a batch waits for others.
const LINGER: Duration = Duration::from_millis(500);

/// The project of one LangSmith.
pub(crate) struct Project {
    endpoint: Endpoint,
    key: Secret,
    workspace: Option<String>,
    name: String,
    dialect: Mutex<Dialect>,
    /// Who has to know which beginnings of runs were lost.
    beginnings: Option<Beginnings>,
}

/// A batch is more than the server said that it takes: it is halved.
#[derive(Debug, thiserror::Error)]
#[error("the server takes {most} {what} at once, and there are {are}")]
struct TooMuch {
    most: usize,
    are: usize,
    what: &'static str,
}

impl Project {
    pub(crate) fn new(exporter: &LangsmithExporter) -> Self {
        Self {
            endpoint: exporter.endpoint.clone(),
            key: Secret::new(unquoted(exporter.api_key.expose())),
            workspace: exporter
                .workspace
                .as_deref()
                .map(unquoted)
                .filter(|id| !id.is_empty())
                .map(str::to_owned),
            name: exporter.project.clone(),
            dialect: Mutex::default(),
            beginnings: None,
        }
    }

    /// Tells these of the beginnings that are lost.
    pub(crate) fn telling(self, beginnings: Option<Beginnings>) -> Self {
        Self { beginnings, ..self }
    }

    fn dialect(&self) -> Dialect {
        *self.dialect.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn speak(&self, dialect: Dialect) {
        *self.dialect.lock().unwrap_or_else(PoisonError::into_inner) = dialect;
    }

    fn authorized(&self, request: Request) -> Request {
        let request =
            request.header("accept", "application/json").secret_header("x-api-key", self.key.clone());
        match &self.workspace {
            Some(workspace) => request.header("x-tenant-id", workspace.clone()),
            None => request,
        }
    }
}

impl Destination for Project {
    fn name(&self) -> &'static str {
        "langsmith"
    }

    fn identity(&self) -> String {
        format!("{} {} {}", self.endpoint, self.workspace.as_deref().unwrap_or_default(), self.name)
    }

    fn limits(&self) -> Limits {
        Limits {
            max_items: MAX_RUNS,
            max_body_bytes: MAX_BODY_BYTES,
            max_item_bytes: MAX_RUN_BYTES,
            item_overhead: multipart::RUN_OVERHEAD,
            linger: LINGER,
        }
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        let dialect = self.dialect();
        let runs = RunParts::of_items(items)?;
        let body = if dialect.multipart {
            Body::new(multipart::CONTENT_TYPE, multipart::body(&runs))
        } else {
            Body::json(batch::body(&runs))
        };
        let checks = [(dialect.max_runs, runs.len(), "runs"), (dialect.max_bytes, body.bytes.len(), "bytes")];
        match checks.into_iter().find(|(most, are, _)| are > most && items.len() > 1) {
            Some((most, are, what)) => Err(TooMuch { most, are, what }.into()),
            None => Ok(body),
        }
    }

    fn request(&self, sending: &Sending<'_>) -> Request {
        let is_multipart = sending.body.content_type == multipart::CONTENT_TYPE;
        let path = if is_multipart { "/runs/multipart" } else { "/runs/batch" };
        let request = self.authorized(Request::post(self.endpoint.join(path)));
        // As the SDKs, which say so of zstd alone.
        if !is_multipart || sending.encoding != Encoding::Zstd {
            return request;
        }
        request
            .header("x-pre-compressed-size", multipart::data_bytes(&sending.body.bytes).to_string())
            .header("x-post-compressed-size", sending.encoded_len.to_string())
    }

    fn encoding(&self) -> Encoding {
        self.dialect().encoding()
    }

    fn classify(&self, response: &Response) -> Disposition {
        let (disposition, dialect) = classify(response, self.dialect());
        self.speak(dialect);
        disposition
    }

    /// A server of one's own takes runs of any age.
    fn is_outdated(&self, item: &Item, now: SystemTime) -> bool {
        self.endpoint.is_cloud() && RunParts::of_item(item).is_ok_and(|run| run.is_too_old(now))
    }

    fn wants_dropped(&self) -> bool {
        self.beginnings.is_some()
    }

    /// The end of a run of which the beginning was lost is posted, not patched.
    fn dropped(&self, items: &[Item], _reason: DropReason) {
        let Some(beginnings) = &self.beginnings else { return };
        let posts = items.iter().filter_map(|item| RunParts::of_item(item).ok());
        let posts = posts.filter(|run| run.operation == Operation::Post);
        posts.filter_map(|run| run.id.parse().ok()).for_each(|id| beginnings.lose(id));
    }

    fn greeting(&self) -> Option<Request> {
        Some(self.authorized(Request::get(self.endpoint.join("/info"))))
    }

    fn greeted(&self, answer: Option<&Response>) {
        self.speak(Dialect::of_info(answer));
    }
}
