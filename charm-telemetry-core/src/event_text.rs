//! Texts of events of which more is known than the hooks of the contract hand on.
//!
//! Rule: to stdout and to the hooks goes the text alone, as the contract has it; the rest is for spans.

use std::fmt;
use std::ops::Deref;

use serde_json::value::RawValue;

/// What went wrong: a text, and, where they are known, the class of the error and where it happened.
///
/// ```
/// use charm_telemetry_core::ErrorText;
///
/// let error = ErrorText::new("no such city").error_type("ValueError").traceback("Traceback (most recent call last):\n ...");
/// assert_eq!(&*error, "no such city");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorText {
    pub(crate) text: String,
    pub(crate) detail: Option<Box<ErrorDetail>>,
}

/// What is known of an error besides its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ErrorDetail {
    pub(crate) error_type: Option<String>,
    pub(crate) traceback: Option<String>,
}

impl ErrorText {
    /// A text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), detail: None }
    }

    /// Adds the class, with its module if that is not the language's own: `ValueError`, `requests.Timeout`.
    #[must_use]
    pub fn error_type(mut self, class: impl Into<String>) -> Self {
        self.detail.get_or_insert_default().error_type = Some(class.into()).filter(|class| !class.is_empty());
        self
    }

    /// Adds where it happened, as the language shows it.
    #[must_use]
    pub fn traceback(mut self, traceback: impl Into<String>) -> Self {
        self.detail.get_or_insert_default().traceback =
            Some(traceback.into()).filter(|text| !text.is_empty());
        self
    }

    pub(crate) fn size(&self) -> usize {
        let len = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.text.len()
            + self.detail.as_ref().map_or(0, |detail| len(&detail.error_type) + len(&detail.traceback))
    }
}

impl Deref for ErrorText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl From<&str> for ErrorText {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<&String> for ErrorText {
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

impl From<String> for ErrorText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a tool is given: a text, and, where the framework tells them, the arguments themselves.
///
/// ```
/// use charm_telemetry_core::ToolInput;
///
/// let input = ToolInput::new("{'city': 'Oslo'}").arguments(&serde_json::json!({ "city": "Oslo" }));
/// assert_eq!(&*input, "{'city': 'Oslo'}");
/// ```
#[derive(Clone, Debug)]
pub struct ToolInput {
    pub(crate) text: String,
    pub(crate) arguments: Option<Box<RawValue>>,
}

impl ToolInput {
    /// A text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), arguments: None }
    }

    /// Adds the arguments. A value that cannot be written as JSON is left out.
    #[must_use]
    pub fn arguments<T: serde::Serialize + ?Sized>(mut self, arguments: &T) -> Self {
        self.arguments = serde_json::value::to_raw_value(arguments).ok();
        self
    }

    pub(crate) fn size(&self) -> usize {
        self.text.len() + self.arguments.as_ref().map_or(0, |json| json.get().len())
    }
}

impl Deref for ToolInput {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl From<&str> for ToolInput {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<&String> for ToolInput {
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

impl From<String> for ToolInput {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}
