//! What events carry that no hook hands on: the hooks' texts are those of the contract.
//!
//! Rule: it belongs to the very next text, or to none.

use serde_json::value::RawValue;

use super::desk::start_of;
use super::error_type::error_type;
use super::limits::{MAX_ERROR_BYTES, MAX_TRACEBACK_BYTES};
use super::span::SpanError;
use crate::event::EventKind;
use crate::event_text::ErrorDetail;

/// What is known of an error besides its text, and the arguments of a tool.
#[derive(Debug, Default)]
pub(super) struct Besides {
    pub(super) error: Option<Box<ErrorDetail>>,
    pub(super) arguments: Option<Box<RawValue>>,
}

impl Besides {
    pub(super) fn of(kind: &EventKind) -> Self {
        match kind {
            EventKind::Error { error }
            | EventKind::ToolError { error, .. }
            | EventKind::LlmError { error }
            | EventKind::RetrieverError { error } => Self { error: error.detail.clone(), arguments: None },
            EventKind::ToolStart { input, .. } => Self { error: None, arguments: input.arguments.clone() },
            _ => Self::default(),
        }
    }
}

/// An error of a span. What its side told of it counts for more than what its text looks like.
pub(super) fn span_error(text: &str, detail: Option<Box<ErrorDetail>>) -> SpanError {
    let ErrorDetail { error_type: told, traceback } = detail.map(|detail| *detail).unwrap_or_default();
    SpanError {
        error_type: told.or_else(|| error_type(text).map(str::to_owned)),
        message: start_of(text, MAX_ERROR_BYTES).to_owned(),
        traceback: traceback.map(|text| end_of(&text).to_owned()),
        origin: None,
    }
}

/// What failed stands at the end of a traceback.
fn end_of(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(MAX_TRACEBACK_BYTES))..]
}
