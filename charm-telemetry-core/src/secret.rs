//! A value that must never be seen: API keys and tokens.
//!
//! Rule: the text leaves only through [`Secret::expose`]; no formatting, serialisation or error shows it.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A secret text, for example an API key.
///
/// `Debug` and `Display` print `[secret]`. There is no `Serialize`: a secret has no way into a payload but
/// [`Secret::expose`], which is easy to find in a review.
///
/// ```
/// use charm_telemetry_core::Secret;
///
/// let key: Secret = "sk-123".parse().unwrap();
/// assert_eq!(format!("{key:?}"), "[secret]");
/// assert_eq!(key.expose(), "sk-123");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
