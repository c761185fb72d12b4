//! A LangSmith: what it has told of itself, and what it has.
//!
//! Rule: whatever it refuses is remembered, so that a test fails though the exporter goes on without a word.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use charm_telemetry_core::testing::{Answer, RecordedRequest};
use serde_json::Value;
use uuid::Uuid;

use super::{Orders, Run, batch, data_bytes, multipart, rules};

/// How far from now a run may have begun.
const WINDOW: Duration = Duration::from_hours(24);

/// What it takes at most, whatever it says.
const MOST: [(&str, u64); 2] = [("size_limit", 100), ("size_limit_bytes", 20_971_520)];

/// One that is told requests.
pub(in super::super) struct Server {
    key: String,
    info: Answer,
    told: Value,
    now: fn() -> SystemTime,
    greetings: u32,
    posted: BTreeSet<Uuid>,
    orders: Orders,
    refused: Vec<String>,
}

/// A status and why.
struct Refusal(u16, String);

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self(400, why)
    }
}

impl Server {
    /// Answers `/info` with this; `body` is what that says.
    pub(in super::super) fn new(key: &str, info: Answer, body: &str, now: fn() -> SystemTime) -> Self {
        let told = serde_json::from_str(body).unwrap_or_default();
        let (posted, orders, refused) = (BTreeSet::new(), Orders::default(), Vec::new());
        Self { key: key.to_owned(), info, told, now, greetings: 0, posted, orders, refused }
    }

    /// Everything that it has refused, and what it would rather not have been asked.
    pub(in super::super) fn refused(&self) -> &[String] {
        &self.refused
    }

    /// What it says to a request.
    pub(in super::super) fn answer(&mut self, request: &RecordedRequest) -> Answer {
        match self.judge(request) {
            Ok(answer) => answer,
            Err(Refusal(status, why)) => {
                self.refused.push(format!("{} {}: {status}: {why}", request.method, request.path));
                Answer::new(status).body(why)
            }
        }
    }

    fn judge(&mut self, request: &RecordedRequest) -> Result<Answer, Refusal> {
        if request.header("x-api-key") != Some(&self.key) {
            return Err(Refusal(403, "Forbidden".to_owned()));
        }
        if (request.method.as_str(), request.path.as_str()) == ("GET", "/info") {
            self.greetings += 1;
            let once = self.greetings == 1;
            return once
                .then(|| self.info.clone())
                .ok_or_else(|| Refusal(429, "it was told once".to_owned()));
        }
        let runs = self.read(request)?;
        for run in &runs {
            self.keep(run)?;
        }
        Ok(Answer::new(202))
    }

    fn read(&self, request: &RecordedRequest) -> Result<Vec<Run>, Refusal> {
        let speaks_multipart = self.told["batch_ingest_config"]["use_multipart_endpoint"] != false;
        let runs = match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/runs/multipart") if speaks_multipart => {
                self.check_encoding(request)?;
                multipart(request.header("content-type").unwrap_or_default(), &request.body)?
            }
            ("POST", "/runs/batch") => {
                no_encoding(request)?;
                if request.header("content-type") != Some("application/json") {
                    return Err(Refusal(415, "it is no JSON".to_owned()));
                }
                batch(&request.body)?
            }
            (method, path) => return Err(Refusal(404, format!("there is no {method} {path}"))),
        };
        self.check_size(&runs, request.body.len())?;
        Ok(runs)
    }

    /// Only what was allowed, and with its sizes, which are those of zstd alone.
    fn check_encoding(&self, request: &RecordedRequest) -> Result<(), Refusal> {
        let flag = match request.header("content-encoding") {
            None => return no_encoding(request),
            Some("zstd") => "zstd_compression_enabled",
            Some("gzip") => "gzip_body_enabled",
            Some(other) => return Err(Refusal(415, format!("`{other}` is unknown"))),
        };
        if self.told["instance_flags"][flag] != true {
            return Err(Refusal(415, format!("`{flag}` was not told")));
        }
        let sizes = ["x-pre-compressed-size", "x-post-compressed-size"].map(|name| request.header(name));
        let content_type = request.header("content-type").unwrap_or_default();
        let expected = if flag.starts_with("zstd") {
            let sizes = [data_bytes(content_type, &request.body)?, request.raw_body.len()];
            sizes.map(|size| Some(size.to_string()))
        } else {
            [None, None]
        };
        let right = sizes.iter().zip(&expected).all(|(got, expected)| *got == expected.as_deref());
        if right { Ok(()) } else { Err(format!("sizes {sizes:?} and not {expected:?}").into()) }
    }

    fn check_size(&self, runs: &[Run], bytes: usize) -> Result<(), Refusal> {
        for ((name, most), is) in MOST.into_iter().zip([runs.len(), bytes]) {
            let told = self.told["batch_ingest_config"][name].as_u64().filter(|&told| told > 0);
            let most = told.map_or(most, |told| told.min(most));
            if is as u64 > most {
                return Err(Refusal(413, format!("{is} is more than the {name} of {most}")));
            }
        }
        Ok(())
    }

    fn keep(&mut self, run: &Run) -> Result<(), Refusal> {
        let start = rules::micros(run.main["start_time"].as_str().unwrap_or_default()).unwrap_or_default();
        let start = SystemTime::UNIX_EPOCH + Duration::from_micros(start);
        let now = (self.now)();
        let away = now.duration_since(start).or_else(|_| start.duration_since(now)).unwrap_or_default();
        if away > WINDOW {
            return Err(format!("{}: `start_time` is {away:?} away from now", run.name()).into());
        }
        rules::check_tokens(run)?;
        self.orders.add(run)?;
        match run.operation.as_str() {
            "post" if !self.posted.insert(run.id) => {
                Err(Refusal(409, format!("{} was posted before", run.name())))
            }
            "patch" if !self.posted.contains(&run.id) => {
                Err(format!("{} was never posted", run.name()).into())
            }
            _ => Ok(()),
        }
    }
}

fn no_encoding(request: &RecordedRequest) -> Result<(), Refusal> {
    let headers = ["content-encoding", "x-pre-compressed-size", "x-post-compressed-size"];
    match headers.into_iter().find(|name| request.header(name).is_some()) {
        Some(name) => Err(Refusal(415, format!("`{name}` of a body that is not compressed"))),
        None => Ok(()),
    }
}
