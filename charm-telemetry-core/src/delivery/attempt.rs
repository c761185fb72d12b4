//! One request and its answer.
//!
//! Rule: the vendor's code runs on a helper thread, and a panic in it costs no more than the item that caused it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::compress::compress;
use super::destination::Destination;
use super::disposition::Disposition;
use super::engine::Flight;
use super::excerpt::excerpt;
use super::item::Item;
use super::notice::NoticeKind;
use super::request::{Request, Sending};
use super::response::Response;
use super::shared::Shared;
use super::transport::{Transport, TransportError, WireRequest};
use super::vendor::by_vendor;
use crate::outcome::DropReason;

/// Makes requests.
pub(super) struct Attempt {
    shared: Arc<Shared>,
    destination: Arc<dyn Destination>,
    transport: Arc<dyn Transport>,
}

/// What makes a request of items, in notices.
const BUILDING: &str = "the code that makes requests";

/// Some neighbouring items of a batch.
pub(super) struct Part {
    items: Vec<Item>,
    batch_id: String,
    attempt: u32,
}

/// What to do with a part.
pub(super) enum Verdict {
    Delivered { rejected: u64, wait: Duration },
    Halve(DropReason),
    Drop(DropReason),
    Later { wish: Option<Duration> },
    Paused,
}

impl Part {
    pub(super) fn of(flight: &Flight, range: Range<usize>, attempt: u32) -> Self {
        let mut id = uuid::Uuid::from_bytes(flight.batch_id).as_u128();
        if range.len() != flight.items.len() {
            // The same part of the same batch has the same id; another part has another.
            let place = ((range.start as u128) << 32) | range.end as u128;
            id ^= (place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        }
        Self { items: flight.items[range].to_vec(), batch_id: format!("{id:032x}"), attempt }
    }
}

impl Attempt {
    pub(super) fn new(
        shared: Arc<Shared>,
        destination: Arc<dyn Destination>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Self { shared, destination, transport }
    }

    pub(super) fn destination(&self) -> &Arc<dyn Destination> {
        &self.destination
    }

    /// Asks what the receiver can do.
    pub(super) async fn greet(&self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let destination = self.destination.clone();
        let greeting = by_vendor(&self.shared, "`greeting`", move || destination.greeting());
        let greeting = tokio::select! {
            greeting = greeting => greeting.flatten(),
            () = self.shared.out_of_time() => None,
        };
        let Some(request) = greeting else { return };
        let timeout = self.shared.config.request_timeout.min(PATIENCE);
        let answer = self.transport.send(WireRequest { request, body: Vec::new() }, timeout);
        let answer = tokio::select! {
            answer = answer => answer.ok(),
            () = self.shared.out_of_time() => None,
        };
        let destination = self.destination.clone();
        let greeted = by_vendor(&self.shared, "`greeted`", move || destination.greeted(answer.as_ref()));
        tokio::select! {
            biased;
            _ = greeted => {}
            () = self.shared.out_of_time() => {}
        }
    }

    /// Sends a part until it has an answer that means something.
    pub(super) async fn run(&self, part: &Part, end: Option<Instant>) -> Verdict {
        tokio::select! {
            verdict = self.send_and_read(part, end) => verdict,
            // Whether it arrived is not known: it is sent again by the next start.
            () = self.shared.out_of_time() => Verdict::Later { wish: None },
        }
    }

    async fn send_and_read(&self, part: &Part, end: Option<Instant>) -> Verdict {
        let mut outcome = self.send_once(part, end).await;
        if matches!(outcome, Outcome::Reassemble) {
            outcome = self.send_once(part, end).await;
        }
        outcome.into()
    }

    async fn send_once(&self, part: &Part, end: Option<Instant>) -> Outcome {
        let wire = match self.build(part).await {
            Ok(wire) => wire,
            Err(verdict) => return Outcome::Verdict(verdict),
        };
        self.count_request(wire.body.len() as u64, part.attempt > 1);
        let limit = self.shared.config.request_timeout;
        let timeout = end.map_or(limit, |end| end.saturating_duration_since(Instant::now()).min(limit));
        let request = wire.request.clone();
        match self.transport.send(wire, timeout).await {
            Ok(response) => self.judge(part, &request, response).await,
            Err(error) => Outcome::Verdict(self.unanswered(&error)),
        }
    }

    fn count_request(&self, bytes: u64, is_retry: bool) {
        let mut state = self.shared.lock();
        state.ledger.request(bytes, is_retry);
        state.last_request = Some(Instant::now());
    }

    /// Assembles and compresses on a helper thread.
    async fn build(&self, part: &Part) -> Result<WireRequest, Verdict> {
        let (destination, items) = (self.destination.clone(), part.items.clone());
        let (batch_id, attempt) = (part.batch_id.clone(), part.attempt);
        let limit = self.shared.limits.max_body_bytes;
        let build = move || {
            if let Some(reason) = destination.forbids() {
                return Err(Unbuilt::Forbidden(reason));
            }
            let mut body = destination.assemble(&items).map_err(|error| Unbuilt::Error(error.to_string()))?;
            if body.bytes.len() > limit && items.len() > 1 {
                return Err(Unbuilt::TooLarge);
            }
            let encoding = destination.encoding();
            let encoded = compress(&body.bytes, encoding);
            let sending = Sending {
                body: &body,
                items: items.len(),
                encoding,
                encoded_len: encoded.len(),
                batch_id: &batch_id,
                attempt,
            };
            let mut request = destination.request(&sending);
            request = request.header("content-type", std::mem::take(&mut body.content_type));
            if let Some(token) = encoding.token() {
                request = request.header("content-encoding", token);
            }
            Ok(WireRequest { request, body: encoded })
        };
        match by_vendor(&self.shared, BUILDING, build).await {
            Some(Ok(wire)) => Ok(wire),
            Some(Err(Unbuilt::Forbidden(reason))) => Err(Verdict::Drop(reason)),
            Some(Err(Unbuilt::TooLarge)) => Err(Verdict::Halve(DropReason::TooLarge)),
            Some(Err(Unbuilt::Error(error))) => {
                self.shared.remember_error(&format!("cannot be encoded: {error}"));
                Err(Verdict::Halve(DropReason::EncodeError))
            }
            None => Err(Verdict::Halve(DropReason::ExporterPanic)),
        }
    }

    async fn judge(&self, part: &Part, request: &Request, response: Response) -> Outcome {
        let said = format!("the receiver answered {}: {}", response.status, excerpt(&response, request));
        let destination = self.destination.clone();
        let fallback = Disposition::standard(&response);
        // If the vendor's table panics, the general one decides.
        let classify = move || destination.classify(&response);
        let disposition = by_vendor(&self.shared, "`classify`", classify).await.unwrap_or(fallback);
        Outcome::Verdict(match disposition {
            Disposition::Delivered => Verdict::Delivered { rejected: 0, wait: Duration::ZERO },
            Disposition::DeliveredThenWait(wait) => {
                Verdict::Delivered { rejected: 0, wait: wait.min(self.shared.config.max_retry_after) }
            }
            Disposition::PartlyRejected { rejected: 0, reason } => {
                let warning = excerpt(&Response::new(200).with_body(reason), request);
                let message = format!("the receiver took everything and says: {warning}");
                self.shared.notice(NoticeKind::Warned, &message);
                Verdict::Delivered { rejected: 0, wait: Duration::ZERO }
            }
            Disposition::PartlyRejected { rejected, reason } => {
                let reason = excerpt(&Response::new(200).with_body(reason), request);
                let what = match part.items.len() {
                    1 => "the item".to_owned(),
                    sent => format!("{rejected} of {sent} items"),
                };
                let message = format!("the receiver refused {what}: {reason}");
                self.shared.remember_error(&message);
                self.shared.notice(NoticeKind::Dropped, &message);
                Verdict::Delivered { rejected, wait: Duration::ZERO }
            }
            Disposition::RetryAfter(wish) => {
                self.shared.notice(NoticeKind::Retrying, &format!("{said}; it is sent again"));
                Verdict::Later { wish }
            }
            Disposition::TooLarge => {
                self.shared.remember_error(&said);
                Verdict::Halve(DropReason::TooLarge)
            }
            Disposition::Bisect => {
                self.shared.remember_error(&said);
                Verdict::Halve(DropReason::Rejected)
            }
            Disposition::Reassemble => return Outcome::Reassemble,
            Disposition::Pause => {
                let message = format!("{said}; check the key and the address; it is sent again, slowly");
                self.shared.notice(NoticeKind::Paused, &message);
                Verdict::Paused
            }
            Disposition::Drop(reason) => {
                self.shared.remember_error(&said);
                Verdict::Drop(reason)
            }
        })
    }

    fn unanswered(&self, error: &TransportError) -> Verdict {
        let message = format!("{error}; it is sent again");
        match error {
            TransportError::Certificate(..)
            | TransportError::ClientCertificate(_)
            | TransportError::Invalid(_) => {
                self.shared.notice(NoticeKind::Paused, &message);
                Verdict::Paused
            }
            _ => {
                self.shared.notice(NoticeKind::Retrying, &message);
                Verdict::Later { wish: None }
            }
        }
    }
}

/// What came of one request.
enum Outcome {
    Verdict(Verdict),
    Reassemble,
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Verdict(verdict) => verdict,
            // Twice in a row: the destination has nothing else to try.
            Outcome::Reassemble => Self::Later { wish: None },
        }
    }
}

/// Why there is no request.
enum Unbuilt {
    Forbidden(DropReason),
    TooLarge,
    Error(String),
}
