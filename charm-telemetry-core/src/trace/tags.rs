//! Tags that every exporter puts on what it sends: `CHARM_TELEMETRY_TAGS=team=search,region=eu`.
//!
//! Rule: a key is there once, and nothing of a bad list is used in silence.

use std::fmt;
use std::io::{self, Write as _};
use std::str::FromStr;

/// Longest key and longest value, in characters: the least that the vendors take.
const MAX_CHARS: usize = 200;

/// Keys and values, in the order in which they were written.
///
/// ```
/// use charm_telemetry_core::trace::Tags;
///
/// let tags: Tags = "team=search, region=eu".parse()?;
/// assert_eq!(tags.iter().collect::<Vec<_>>(), [("team", "search"), ("region", "eu")]);
/// # Ok::<(), charm_telemetry_core::trace::TagsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<(String, String)>);

/// What is wrong with a list of tags.
///
/// ```
/// use charm_telemetry_core::trace::{Tags, TagsError};
///
/// let error = "team".parse::<Tags>().unwrap_err();
/// assert_eq!(error, TagsError::NoValue("team".to_owned()));
/// assert_eq!(error.to_string(), "the tag `team` has no value; write `key=value,key2=value2`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagsError {
    /// A tag has no `=`.
    #[error("the tag `{0}` has no value; write `key=value,key2=value2`")]
    NoValue(String),
    /// A tag has nothing before its `=`.
    #[error("the tag `{0}` has no key; write `key=value,key2=value2`")]
    NoKey(String),
    /// A key is there twice.
    #[error("the tag `{0}` is given twice; remove one of them")]
    Twice(String),
    /// A key or a value is too long.
    #[error("the tag `{0}` is too long; keys and values have at most {MAX_CHARS} characters")]
    TooLong(String),
    /// A key or a value has a line break or another control character.
    #[error("the tag `{0}` has a control character; remove it")]
    Control(String),
}

impl Tags {
    /// Every tag, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == key).map(|(_, value)| value)
    }

    /// Those whose keys the vendor has no use of its own for. Each of the others is told on stderr, and not sent.
    ///
    /// ```
    /// use charm_telemetry_core::trace::Tags;
    ///
    /// let tags: Tags = "team=search,error=9".parse()?;
    /// assert_eq!(tags.without("datadog", |key| key == "error").to_string(), "team=search");
    /// # Ok::<(), charm_telemetry_core::trace::TagsError>(())
    /// ```
    #[must_use]
    pub fn without(&self, exporter: &str, is_reserved: impl Fn(&str) -> bool) -> Self {
        let (reserved, free): (Vec<_>, Vec<_>) =
            self.0.iter().cloned().partition(|(key, _)| is_reserved(key));
        for (key, _) in reserved {
            drop(writeln!(
                io::stderr(),
                "charm: {exporter}: the tag `{key}` is not sent: the name has a meaning there; take another"
            ));
        }
        Self(free)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, tag: &str) -> Result<(), TagsError> {
        let (key, value) = tag.split_once('=').ok_or_else(|| TagsError::NoValue(tag.to_owned()))?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return Err(TagsError::NoKey(tag.to_owned()));
        }
        if value.is_empty() {
            return Err(TagsError::NoValue(tag.to_owned()));
        }
        if tag.chars().any(char::is_control) {
            return Err(TagsError::Control(key.escape_default().to_string()));
        }
        if key.chars().count() > MAX_CHARS || value.chars().count() > MAX_CHARS {
            return Err(TagsError::TooLong(key.chars().take(20).collect()));
        }
        if self.get(key).is_some() {
            return Err(TagsError::Twice(key.to_owned()));
        }
        self.0.push((key.to_owned(), value.to_owned()));
        Ok(())
    }
}

impl FromStr for Tags {
    type Err = TagsError;

    fn from_str(text: &str) -> Result<Self, TagsError> {
        let mut tags = Self::default();
        for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            tags.add(tag)?;
        }
        Ok(tags)
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.iter().enumerate() {
            write!(f, "{}{key}={value}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
