//! What leaves, read back with the official types of OpenTelemetry.
//!
//! Rule: that a receiver said 200 proves nothing; every test looks at the bytes that it got.

mod answers;
mod bounds;
mod classifying;
mod configuration;
mod details;
mod encoding;
mod end_to_end;
mod exponential;
mod messages;
mod metrics;
mod origins;
mod payload;
mod reference;
mod script;
mod specification;
mod speed;
mod variables;
