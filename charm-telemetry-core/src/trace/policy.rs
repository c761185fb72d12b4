//! Whether content may leave: prompts, answers, arguments, results, documents and the texts of errors.
//!
//! Rule: `off` wins over every vendor's convention, and everything that holds content is taken off here, in one place.

use std::str::FromStr;

use super::finish_reason::is_known;
use super::span::{FinishedSpan, SpanError, SpanStatus, StartedSpan};

/// What stands in place of a text that must not leave.
const WITHHELD: &str = "[content withheld]";

/// The operator's choice for all exporters: `CHARM_TELEMETRY_CONTENT`.
///
/// ```
/// use charm_telemetry_core::trace::ContentPolicy;
///
/// let policy: ContentPolicy = "off".parse()?;
/// assert!(!policy.allows(true), "whatever the vendor's convention says");
/// assert!(ContentPolicy::VendorDefault.allows(true));
/// # Ok::<(), &'static str>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentPolicy {
    /// As the vendor's convention has it.
    #[default]
    VendorDefault,
    /// Content is sent, even to vendors whose convention keeps it at home.
    On,
    /// No content is sent to anyone.
    Off,
}

impl ContentPolicy {
    /// Whether content is sent, where the vendor's convention says `vendor_default`.
    pub fn allows(self, vendor_default: bool) -> bool {
        match self {
            Self::VendorDefault => vendor_default,
            Self::On => true,
            Self::Off => false,
        }
    }
}

impl FromStr for ContentPolicy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "default" => Ok(Self::VendorDefault),
            "on" | "true" | "1" => Ok(Self::On),
            "off" | "false" | "0" => Ok(Self::Off),
            _ => Err("it must be `on`, `off` or `default`"),
        }
    }
}

impl FinishedSpan {
    /// Takes everything off that holds content. The type of an error stays; its text, which may quote a prompt, goes.
    pub fn withhold_content(&mut self) {
        self.withhold_inputs_and_outputs();
        self.withhold_error_text();
    }

    /// Takes off what went in and what came out, of the span and of the events in it.
    pub(super) fn withhold_inputs_and_outputs(&mut self) {
        let mut held = self.input.take().is_some() | self.output.take().is_some();
        for event in &mut self.events {
            held |= event.content.take().is_some();
        }
        let reasons = self.finish_reasons.len();
        self.finish_reasons.retain(|reason| is_known(reason));
        self.content_withheld |= held | (self.finish_reasons.len() < reasons);
    }

    /// Takes off the text of the error.
    pub(super) fn withhold_error_text(&mut self) {
        if let SpanStatus::Error(error) = &mut self.status {
            error.withhold();
            self.content_withheld = true;
        }
    }
}

impl StartedSpan {
    /// Takes everything off that holds content.
    pub fn withhold_content(&mut self) {
        self.input = None;
    }
}

impl SpanError {
    fn withhold(&mut self) {
        WITHHELD.clone_into(&mut self.message);
        self.traceback = None;
    }
}
