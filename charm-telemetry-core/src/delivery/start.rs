//! Starting a delivery.
//!
//! Rule: whatever the disk or the network is like, a delivery starts; only what no retry can mend is an error.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::backoff::Random;
use super::config::DeliveryConfig;
use super::destination::Destination;
use super::engine::Engine;
use super::handle::DeliveryHandle;
use super::outcomes::DeliveryReport;
use super::runtime;
use super::tls_options::TlsOptions;
use super::transport::{HttpTransport, Transport};
use crate::notice;
use crate::spool::{FileSystem, RealFileSystem};

/// Starts deliveries.
///
/// ```
/// # use charm_telemetry_core::delivery::*;
/// # use charm_telemetry_core::testing::{Answer, ReceiverDouble};
/// # use std::{sync::Arc, time::Duration};
/// # struct Vendor(String);
/// # impl Destination for Vendor {
/// #     fn name(&self) -> &str { "vendor" }
/// #     fn identity(&self) -> String { self.0.clone() }
/// #     fn limits(&self) -> Limits { Limits::default() }
/// #     fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> { Ok(Body::json(items[0].bytes())) }
/// #     fn request(&self, _: &Sending<'_>) -> Request { Request::post(&self.0) }
/// # }
/// # let receiver = ReceiverDouble::start();
/// # let destination = Vendor(receiver.url("/intake"));
/// let delivery = Delivery::start(destination, DeliveryConfig::default())?;
/// delivery.send(Item::new(*b"{}"));
/// assert!(delivery.shutdown(Duration::from_secs(10)).outcomes.is_balanced());
/// assert_eq!(receiver.requests().len(), 1);
/// # Ok::<(), DeliveryError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Delivery;

/// Why a delivery cannot start.
///
/// ```
/// # use charm_telemetry_core::delivery::*;
/// # use charm_telemetry_core::testing::{Answer, ReceiverDouble};
/// # use std::{sync::Arc, time::Duration};
/// # struct Vendor(String);
/// # impl Destination for Vendor {
/// #     fn name(&self) -> &str { "My Vendor" }
/// #     fn identity(&self) -> String { self.0.clone() }
/// #     fn limits(&self) -> Limits { Limits::default() }
/// #     fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> { Ok(Body::json(items[0].bytes())) }
/// #     fn request(&self, _: &Sending<'_>) -> Request { Request::post(&self.0) }
/// # }
/// # let receiver = ReceiverDouble::start();
/// # let destination = Vendor(receiver.url("/intake"));
/// // `name` of the destination answers "My Vendor".
/// let Err(error) = Delivery::start(destination, DeliveryConfig::default()) else { panic!("a bad name") };
/// assert!(matches!(error, DeliveryError::Name(name) if name == "My Vendor"));
/// ```
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The name is not lower-case letters, digits and `-`. Give the destination another one.
    #[error("the destination's name `{0}` must be lower-case letters, digits and `-`")]
    Name(String),
    /// The HTTP client cannot be made: most often `SSL_CERT_FILE` names a file that cannot be read. Correct it.
    #[error("{0}")]
    Client(String),
    /// The system gives no thread. Nothing can be sent.
    #[error("no thread for sending: {0}")]
    Thread(#[from] io::Error),
}

/// What a delivery needs of the world.
pub(super) struct World {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) file_system: Arc<dyn FileSystem>,
    pub(super) random: Random,
    pub(super) wall: Wall,
}

/// The wall clock: for the age of files across processes, and for nothing else.
pub(super) type Wall = Arc<dyn Fn() -> SystemTime + Send + Sync>;

impl Delivery {
    /// Starts to serve a destination on the thread that all of them share. What an earlier process left in the spool
    /// for it is taken over.
    ///
    /// # Errors
    /// See [`DeliveryError`]. The disk and the receiver are no reasons.
    pub fn start(
        destination: impl Destination,
        mut config: DeliveryConfig,
    ) -> Result<DeliveryHandle, DeliveryError> {
        config.tell = config.tell.or_else(notice::of_this_thread);
        let client = config.tls.as_ref().map_or_else(HttpTransport::shared, TlsOptions::transport);
        let client = client.map_err(|error| DeliveryError::Client(error.to_string()))?;
        let world = World {
            transport: Arc::new(client),
            file_system: Arc::new(RealFileSystem),
            random: Random::new(),
            wall: Arc::new(SystemTime::now),
        };
        let engine = Engine::new(Arc::new(destination), config, world)?;
        let handle = DeliveryHandle::new(engine.shared().clone());
        runtime::shared()?.spawn(engine.run());
        Ok(handle)
    }

    /// Sends what dead processes left in the spool for a destination, and nothing else.
    ///
    /// # Errors
    /// See [`DeliveryError`].
    pub fn drain(
        destination: impl Destination,
        config: DeliveryConfig,
        deadline: Duration,
    ) -> Result<DeliveryReport, DeliveryError> {
        Ok(Self::start(destination, config)?.shutdown(deadline))
    }
}
