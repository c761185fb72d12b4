//! A request as a vendor describes it.
//!
//! Rule: a secret header is a [`Secret`] until the moment it is sent, and never shows in errors or in the spool.

use std::borrow::Cow;

use crate::secret::Secret;

/// The body of one request, before compression.
///
/// ```
/// use charm_telemetry_core::delivery::Body;
///
/// let body = Body::new("application/x-ndjson", "{}\n{}\n");
/// assert_eq!((body.bytes.len(), &*body.content_type), (6, "application/x-ndjson"));
/// assert_eq!(Body::json("[]").content_type, "application/json");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their `Content-Type`.
    pub content_type: Cow<'static, str>,
}

impl Body {
    /// A body of JSON.
    pub fn json(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new("application/json", bytes)
    }

    /// A body of any type.
    pub fn new(content_type: impl Into<Cow<'static, str>>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), content_type: content_type.into() }
    }
}

/// How a body is compressed.
///
/// ```
/// use charm_telemetry_core::delivery::Encoding;
///
/// assert_eq!(Encoding::default().token(), Some("gzip"));
/// assert_eq!(Encoding::Identity.token(), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// gzip, level 1.
    #[default]
    Gzip,
    /// Zstandard, fastest level.
    Zstd,
}

impl Encoding {
    /// The value of `Content-Encoding`, `None` if the header is to be left out.
    pub fn token(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// What is known of a request when its headers are written.
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
/// fn request(&self, sending: &Sending<'_>) -> Request {
///     Request::post(&self.0)
///         .header("X-Batch", sending.batch_id)
///         .header("X-Items", sending.items.to_string())
/// }
/// # }
/// # let receiver = ReceiverDouble::start();
/// # let destination = Vendor(receiver.url("/intake"));
/// # let delivery = Delivery::start(destination, DeliveryConfig::default())?;
/// # delivery.send(Item::new(*b"{}"));
/// # delivery.shutdown(Duration::from_secs(10));
/// # assert_eq!(receiver.requests()[0].header("x-items"), Some("1"));
/// # Ok::<(), DeliveryError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Sending<'a> {
    /// The body, before compression.
    pub body: &'a Body,
    /// How many items it holds.
    pub items: usize,
    /// How it was compressed.
    pub encoding: Encoding,
    /// How many bytes go over the wire.
    pub encoded_len: usize,
    /// The same for every try of the same items, also after a restart: 32 hexadecimal digits.
    pub batch_id: &'a str,
    /// 1 for the first try.
    pub attempt: u32,
}

/// Where a request goes and with which headers.
///
/// ```
/// use charm_telemetry_core::Secret;
/// use charm_telemetry_core::delivery::Request;
///
/// let request = Request::post("https://example.com/intake")
///     .header("X-Source", "charm")
///     .secret_header("Api-Key", Secret::new("sesame"));
/// assert_eq!(request.headers().count(), 2);
/// assert!(!format!("{request:?}").contains("sesame"));
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(Cow<'static, str>, HeaderText)>,
}

/// The methods that are needed.
///
/// ```
/// use charm_telemetry_core::delivery::{Method, Request};
///
/// let request = Request::post("https://example.com/traces/7").method(Method::Put);
/// assert_eq!(request.url(), "https://example.com/traces/7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// To ask.
    Get,
    /// To send.
    Post,
    /// To send.
    Put,
}

/// The value of a header.
///
/// ```
/// use charm_telemetry_core::Secret;
/// use charm_telemetry_core::delivery::{HeaderText, Request};
///
/// let request = Request::get("https://example.com/info").secret_header("Api-Key", Secret::new("sesame"));
/// let (name, value) = request.headers().next().expect("it was just added");
/// assert_eq!((name, value), ("Api-Key", &HeaderText::Secret(Secret::new("sesame"))));
/// assert!(!format!("{value:?}").contains("sesame"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderText {
    /// Anyone may see it.
    Plain(String),
    /// Nobody may see it; an echo of it in an answer is blotted out before the answer is shown.
    Secret(Secret),
}

impl Request {
    /// A `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self { method: Method::Post, url: url.into(), headers: Vec::new() }
    }

    /// A `GET`, for greetings.
    pub fn get(url: impl Into<String>) -> Self {
        Self { method: Method::Get, url: url.into(), headers: Vec::new() }
    }

    /// With another method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), HeaderText::Plain(value.into())));
        self
    }

    /// With a header that holds a secret.
    #[must_use]
    pub fn secret_header(mut self, name: impl Into<Cow<'static, str>>, value: Secret) -> Self {
        self.headers.push((name.into(), HeaderText::Secret(value)));
        self
    }

    /// Where it goes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers, as they were added. For tests of vendors.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &HeaderText)> {
        self.headers.iter().map(|(name, value)| (name.as_ref(), value))
    }

    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.headers.iter().filter_map(|(_, value)| match value {
            HeaderText::Secret(secret) => Some(secret),
            HeaderText::Plain(_) => None,
        })
    }
}
