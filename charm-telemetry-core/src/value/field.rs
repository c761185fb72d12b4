//! How generated code chooses, by the type of a field, the way in which its text is read.
//!
//! Rule: the compiler's own resolution decides, never the spelling of a type, so that `Option<T>`,
//! `std::option::Option<T>` and an alias of it are one and the same.
//!
//! How it works: an inherent item of `Field<Option<T>>` is preferred to the item of the same name that a trait gives to
//! every `Field<T>`. The same is done once more for the type within the `Option`.

use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use crate::construct::Fields;
use crate::secret::Secret;
use crate::value::{duration, switch};

/// Turns the text of a variable into a value, or says why it cannot.
type Parser<T> = fn(&str) -> Result<T, String>;

/// A field by its type alone.
pub struct Field<T>(PhantomData<fn() -> T>);

/// A field that must have a value.
pub struct Required<T>(PhantomData<fn() -> T>);

/// A field that may have none.
pub struct Optional<T>(PhantomData<fn() -> T>);

/// What a field holds, without the `Option`.
pub struct Value<T>(PhantomData<fn() -> T>);

impl<T> Field<T> {
    /// The field of this type.
    #[expect(clippy::new_without_default, reason = "only generated code makes one")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Field<Option<T>> {
    /// Whether the exporter cannot be built without a value.
    pub const REQUIRED: bool = false;

    /// Whether there must be a value.
    pub fn shape(self) -> Optional<T> {
        Optional(PhantomData)
    }
}

/// Any field that is not an `Option`.
pub trait RequiredField {
    /// What the field holds.
    type Value;

    /// Whether the exporter cannot be built without a value.
    const REQUIRED: bool = true;

    /// Whether there must be a value.
    fn shape(self) -> Required<Self::Value>;
}

impl<T> RequiredField for Field<T> {
    type Value = T;

    fn shape(self) -> Required<T> {
        Required(PhantomData)
    }
}

impl Field<Secret> {
    /// Whether the value is a secret.
    pub const SECRET: bool = true;
}

impl Field<Option<Secret>> {
    /// Whether the value is a secret.
    pub const SECRET: bool = true;
}

/// Any field that is not a [`Secret`].
pub trait PlainField {
    /// Whether the value is a secret.
    const SECRET: bool = false;
}

impl<T> PlainField for Field<T> {}

impl<T> Required<T> {
    /// What the field holds.
    pub fn value(&self) -> Value<T> {
        Value(PhantomData)
    }

    /// Reads it. `None` after a problem was recorded.
    pub fn read(&self, fields: &mut Fields<'_, '_>, parser: Parser<T>) -> Option<T> {
        fields.required(parser)
    }
}

impl<T> Optional<T> {
    /// What the field holds.
    pub fn value(&self) -> Value<T> {
        Value(PhantomData)
    }

    /// Reads it. Never `None`: that a value is missing is no problem, and a bad one is recorded.
    pub fn read(&self, fields: &mut Fields<'_, '_>, parser: Parser<T>) -> Option<Option<T>> {
        Some(fields.optional(parser))
    }
}

impl Value<Duration> {
    /// The way to read it.
    pub fn parser(self) -> Parser<Duration> {
        duration::parse
    }
}

impl Value<bool> {
    /// The way to read it.
    pub fn parser(self) -> Parser<bool> {
        switch::parse
    }
}

/// Any value that has no reader of its own here.
pub trait PlainValue {
    /// What is read.
    type Read;

    /// The way to read it.
    fn parser(self) -> Parser<Self::Read>
    where
        Self::Read: FromVariable;
}

impl<T> PlainValue for Value<T> {
    type Read = T;

    fn parser(self) -> Parser<T>
    where
        T: FromVariable,
    {
        T::from_variable
    }
}

/// A type that can be read from the text of a variable: by [`FromStr`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from an environment variable",
    label = "needs `FromStr`, with an error that can be displayed",
    note = "implement `std::str::FromStr` for `{Self}`, or remove `#[env(..)]`: the field is then `Default::default()`"
)]
pub trait FromVariable: Sized {
    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with the text, for the person who set it.
    fn from_variable(text: &str) -> Result<Self, String>;
}

#[diagnostic::do_not_recommend]
impl<T> FromVariable for T
where
    T: FromStr,
    T::Err: Display,
{
    fn from_variable(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: T::Err| humane(error.to_string()))
    }
}

/// What the standard library says of numbers, in words for the person who set the variable.
fn humane(why: String) -> String {
    let words = match why.as_str() {
        "invalid digit found in string" => "it must be a whole number, such as `512`",
        "number would be zero for non-zero type" => "it must be at least 1",
        "number too large to fit in target type" => "the number is too large",
        "invalid float literal" => "it must be a number",
        _ => return why,
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::FromVariable as _;

    #[test]
    fn what_is_wrong_with_a_number_is_said_in_plain_words() {
        let why = |text| NonZeroUsize::from_variable(text).unwrap_err();
        assert_eq!(why("many"), "it must be a whole number, such as `512`");
        assert_eq!(why("0"), "it must be at least 1");
        assert_eq!(why("99999999999999999999999999"), "the number is too large");
        assert_eq!(f64::from_variable("half").unwrap_err(), "it must be a number");
    }
}
