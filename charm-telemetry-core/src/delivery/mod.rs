//! Sending what a vendor encoded, and losing none of it without saying so.
//!
//! Rule: this is the only code that sends; an item that was accepted ends delivered, spooled, or dropped with a
//! reason, and the counts add up at all times.
//!
//! A vendor writes a [`Destination`]: pure functions that put finished items into a request and read the answer.
//! [`Delivery::start`] gives a [`DeliveryHandle`] for the hooks of the exporter:
//!
//! ```no_run
//! # use charm_telemetry_core::delivery::*;
//! # fn example(destination: impl Destination) -> Result<(), DeliveryError> {
//! let delivery = Delivery::start(destination, DeliveryConfig::default())?;
//! delivery.send(Item::new(br#"{"name":"a finished span"}"#.to_vec())); // never blocks
//! let report = delivery.shutdown(std::time::Duration::from_secs(5));
//! assert!(report.outcomes.is_balanced());
//! # Ok(())
//! # }
//! ```

mod attempt;
mod backoff;
mod compress;
mod config;
mod destination;
mod disposition;
mod engine;
mod excerpt;
mod handle;
mod item;
mod ledger;
mod names;
mod notice;
mod on_disk;
mod outcomes;
mod request;
mod response;
mod retry_after;
mod runtime;
mod sending;
mod shared;
mod spiller;
mod start;
#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
mod tls;
mod tls_options;
mod transport;
mod vendor;
mod watch;

pub use config::{DeliveryConfig, SpoolConfig, Tell, state_dir};
pub(crate) use config::{check, is_shared};
pub use destination::{Destination, EncodeError, Limits};
pub use disposition::Disposition;
pub use handle::{DeliveryHandle, reports};
pub use item::Item;
pub use notice::{DeliveryNotice, NoticeKind};
pub use outcomes::{DeliveryOutcomes, DeliveryReport, DeliveryState};
pub use request::{Body, Encoding, HeaderText, Method, Request, Sending};
pub use response::{MAX_RESPONSE_BYTES, Response};
pub use retry_after::parse_retry_after;
pub use start::{Delivery, DeliveryError};
pub use tls_options::{TlsFile, TlsFiles, TlsOptions};
