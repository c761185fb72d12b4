//! Which hooks an exporter really has.
//!
//! Rule: interest is learned from the exporter's own default hooks and only ever shrinks.

use crate::event::Hook;

/// A set of hooks.
///
/// ```
/// use charm_telemetry_core::{Hook, Interest};
///
/// let interest = Interest::all().without(Hook::LlmNewToken);
/// assert!(interest.contains(Hook::LlmEnd));
/// assert!(!interest.contains(Hook::LlmNewToken));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest(u16);

impl Interest {
    /// Every hook: what is assumed until the exporter says otherwise.
    pub fn all() -> Self {
        Self(u16::MAX)
    }

    /// The same set without `hook`.
    #[must_use]
    pub fn without(self, hook: Hook) -> Self {
        Self(self.0 & !bit(hook))
    }

    /// Whether `hook` is in the set.
    pub fn contains(self, hook: Hook) -> bool {
        self.0 & bit(hook) != 0
    }

    pub(crate) fn bits(self) -> u16 {
        self.0
    }

    pub(crate) fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

fn bit(hook: Hook) -> u16 {
    1 << hook as u8
}
