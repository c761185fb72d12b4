//! Everything that is wrong with one use of the attribute.
//!
//! Rule: every problem points at the tokens to change, and all of them are reported together.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Error;

/// The problems found so far.
#[derive(Default)]
pub(crate) struct Problems {
    all: Option<Error>,
}

impl Problems {
    /// Adds a problem at these tokens.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.add(Error::new_spanned(tokens, message));
    }

    /// Adds a problem that has its place already.
    pub(crate) fn add(&mut self, error: Error) {
        match &mut self.all {
            Some(all) => all.combine(error),
            None => self.all = Some(error),
        }
    }

    /// Adds the problems of another part.
    pub(crate) fn merge(&mut self, other: Self) {
        if let Some(error) = other.all {
            self.add(error);
        }
    }

    /// Whether nothing was wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_none()
    }

    /// Puts a value where none may be yet; the second is a problem.
    pub(crate) fn set_once<T: ToTokens>(&mut self, slot: &mut Option<T>, value: T, twice: &str) {
        if slot.is_some() {
            self.at(value, twice);
        } else {
            *slot = Some(value);
        }
    }

    /// The value, if nothing was wrong.
    pub(crate) fn none_or<T>(self, value: Option<T>) -> Result<T, Self> {
        match (self.all, value) {
            (None, Some(value)) => Ok(value),
            (all, _) => Err(Self { all }),
        }
    }

    /// As `compile_error!`s.
    pub(crate) fn to_compile_errors(&self) -> TokenStream {
        self.all.as_ref().map(Error::to_compile_error).unwrap_or_default()
    }
}
