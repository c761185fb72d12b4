//! Something wrong with the YAML itself, before anything is known of keys.
//! One rule: it knows a position only; file and key path come with the [`crate::Problem`] made of it.

use super::node::Position;

#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) position: Option<Position>,
    pub(crate) message: String,
    /// Nothing can be read any further.
    pub(crate) fatal: bool,
}

impl Fault {
    pub(crate) fn new(position: Position, message: impl Into<String>) -> Self {
        Self { position: Some(position), message: message.into(), fatal: false }
    }

    pub(crate) fn fatal(position: Position, message: impl Into<String>) -> Self {
        Self { fatal: true, ..Self::new(position, message) }
    }
}
