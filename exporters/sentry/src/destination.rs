//! One kind of data on its way to the project.
//!
//! Rule: one category, one destination, so that a limit on spans never holds up an error; what is limited is dropped
//! and reported, as Sentry's rules have it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use charm_telemetry_core::DropReason;
use charm_telemetry_core::delivery::{
    Body, Destination, Disposition, EncodeError, Item, Limits, Request, Response, Sending,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::classify::classify;
use crate::client_report::{reason, report};
use crate::dsn::Dsn;
use crate::encode::MAX_ITEM_BYTES;
use crate::envelope::{CONTENT_TYPE, ItemType, envelope};
use crate::losses::{Losses, Untold};
use crate::profile::Sdk;
use crate::rate_limits::{Category, RateLimits};
use crate::request::request;

/// Spans in one envelope, and bytes of them: what Sentry's own SDK puts into one.
const MAX_SPANS: usize = 1000;
const MAX_SPANS_BYTES: usize = 5_000_000;

/// The project, shared by the destinations of all categories.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) dsn: Dsn,
    limits: Mutex<RateLimits>,
}

/// What takes one category to the project.
pub(crate) struct ToProject {
    category: Category,
    project: Arc<Project>,
    account: Account,
    /// The last answer was a limit: Sentry counts what it cost.
    limited_by_answer: AtomicBool,
}

/// What is done about a loss.
pub(crate) enum Account {
    /// It is told.
    Told(Arc<Losses>),
    /// It is a report: a limit on it is no reason to forget what it tells.
    Kept(Arc<Untold>),
}

/// What the first line of an item says.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    event_id: Option<String>,
    trace: BTreeMap<String, Value>,
    spans: Option<u64>,
}

#[derive(Serialize)]
struct EnvelopeHeader {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    sent_at: String,
    sdk: Sdk,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<BTreeMap<String, Value>>,
}

impl Project {
    pub(crate) fn new(dsn: Dsn) -> Self {
        Self { dsn, limits: Mutex::default() }
    }

    pub(crate) fn forbids(&self, category: Category) -> bool {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).forbid(category, Instant::now())
    }

    fn learn(&self, response: &Response) {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.learn(response, Instant::now(), SystemTime::now());
    }
}

impl ToProject {
    pub(crate) fn new(category: Category, project: Arc<Project>, account: Account) -> Self {
        Self { category, project, account, limited_by_answer: AtomicBool::new(false) }
    }

    /// `sent_at` is written here and not when the item was made: it is how Sentry finds out that our clock is wrong.
    fn header(&self, items: &[Item], now: SystemTime) -> EnvelopeHeader {
        let first = split(&items[0]).0;
        let same_trace = items.iter().all(|item| split(item).0 == first);
        let line: Line = serde_json::from_slice(first).unwrap_or_default();
        // The sampling context of one trace must not stand over spans of another.
        let trace = (same_trace && !line.trace.is_empty()).then_some(line.trace).map(|mut trace| {
            trace.insert("public_key".to_owned(), self.project.dsn.public_key().into());
            trace
        });
        EnvelopeHeader { event_id: line.event_id, sent_at: rfc3339(now), sdk: Sdk::OURS, trace }
    }

    /// Tells of losses, with the spans that went with transactions.
    fn tell(&self, losses: &Losses, items: &[Item], why: &'static str) {
        losses.add(why, self.category, items.len() as u64);
        if self.category == Category::Transaction {
            let spans = items.iter().map(|item| line(item).spans.unwrap_or(1)).sum();
            losses.add(why, Category::Span, spans);
        }
    }
}

impl Destination for ToProject {
    fn name(&self) -> &'static str {
        match self.category {
            Category::Error => "sentry-errors",
            Category::Transaction => "sentry-transactions",
            Category::Span => "sentry-spans",
            Category::Internal => "sentry-reports",
        }
    }

    fn identity(&self) -> String {
        self.project.dsn.identity()
    }

    fn limits(&self) -> Limits {
        const LINGER: Duration = Duration::from_secs(1);
        let (max_items, max_body_bytes) = match self.category {
            Category::Error | Category::Transaction => (1, 2 * MAX_ITEM_BYTES),
            Category::Span | Category::Internal => (MAX_SPANS, MAX_SPANS_BYTES),
        };
        let max_item_bytes = MAX_ITEM_BYTES;
        Limits { max_items, max_body_bytes, max_item_bytes, item_overhead: 1, linger: LINGER }
    }

    fn forbids(&self) -> Option<DropReason> {
        self.project.forbids(self.category).then_some(DropReason::RateLimited)
    }

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        let now = SystemTime::now();
        let header = self.header(items, now);
        let bytes = match self.category {
            Category::Error => envelope(&header, ItemType::Event, split(&items[0]).1),
            Category::Transaction => envelope(&header, ItemType::Transaction, split(&items[0]).1),
            Category::Span => envelope(&header, ItemType::Spans(items.len()), &spans(items)),
            Category::Internal => envelope(&header, ItemType::ClientReport, &report(items, now)?),
        };
        Ok(Body::new(CONTENT_TYPE, bytes))
    }

    fn request(&self, _sending: &Sending<'_>) -> Request {
        request(&self.project.dsn)
    }

    fn classify(&self, response: &Response) -> Disposition {
        self.project.learn(response);
        self.limited_by_answer.store(response.status == 429, Ordering::Relaxed);
        classify(response)
    }

    fn wants_dropped(&self) -> bool {
        true
    }

    fn dropped(&self, items: &[Item], why: DropReason) {
        let limited_by_answer = self.limited_by_answer.swap(false, Ordering::Relaxed);
        match &self.account {
            Account::Told(losses) if !limited_by_answer => self.tell(losses, items, reason(why)),
            Account::Kept(untold) if why == DropReason::RateLimited => untold.give_back(items),
            Account::Told(_) | Account::Kept(_) => {}
        }
    }
}

/// The line and the payload of an item.
fn split(item: &Item) -> (&[u8], &[u8]) {
    let bytes = item.bytes();
    match bytes.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (b"{}", bytes),
    }
}

fn line(item: &Item) -> Line {
    serde_json::from_slice(split(item).0).unwrap_or_default()
}

/// The payload of an item of spans.
fn spans(items: &[Item]) -> Vec<u8> {
    let mut payload = br#"{"version":2,"items":["#.to_vec();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            payload.push(b',');
        }
        payload.extend_from_slice(split(item).1);
    }
    payload.extend_from_slice(b"]}");
    payload
}

/// In UTC, to the millisecond.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since_1970.as_secs() / 86_400, since_1970.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        since_1970.subsec_millis()
    )
}

/// The date so many days after 1970-01-01, by counting in years that begin in March.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}
