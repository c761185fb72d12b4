//! A request as a vendor describes it.
//!
//! Rule: a secret header is a [`Secret`] until the moment it is sent, and never shows in errors or in the spool.

use std::borrow::Cow;

use crate::secret::Secret;

/// The body of one request, before compression.
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
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(Cow<'static, str>, HeaderText)>,
}

/// The methods that are needed.
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
