//! How the text of a variable becomes the value of a field.
//!
//! Rule: text that is not clearly meant is refused, with an example of what is; nothing is rounded or cut to fit.

mod duration;
mod field;
mod size;
mod switch;

#[cfg(feature = "delivery")]
pub(crate) use duration::parse as parse_duration;
pub use field::{Field, FromVariable, Optional, PlainField, PlainValue, Required, RequiredField, Value};
pub use size::{ByteSize, ByteSizeError};
